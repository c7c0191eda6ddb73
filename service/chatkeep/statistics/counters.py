"""Notes become counters: added up by hour and model, in the statement that deletes them.

If the process dies before the commit, the notes are there and nothing was counted; after it, the other way round.
Two that count at once wait for each other's rows and then find them gone: each note is counted once. A reader
adds up the notes that are left, so nobody sees how often this happens.
"""

from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, CompoundSelect, Select, delete, func, literal, select, text, union_all
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.tables import statistics, statistics_notes
from chatkeep.statistics.latency import bucket_of
from chatkeep.statistics.outbox import CONVERSATION, USER

ENDINGS = ("complete", "incomplete", "stopped", "failed", "interrupted")
TOKENS = ("input_tokens", "output_tokens")
TURNS_WITH_TOKENS = "turns_with_tokens"
DURATION, FIRST_TEXT = "duration", "first_text"
NO_MODEL = ""


def sum_notes(notes: Any) -> CompoundSelect[Any]:
    """Return the counters that notes amount to, as rows of `statistics`.

    Args:
        notes: `statistics_notes`, or some of its rows.
    """
    n = notes.c
    one = func.count()
    whole = [_counter(n, n.kind, one, n.kind.in_((USER, CONVERSATION, *ENDINGS)))]
    tokens = [_counter(n, literal(name), func.sum(n[name]), n[name].is_not(None)) for name in TOKENS]
    known = _counter(n, literal(TURNS_WITH_TOKENS), one, n.output_tokens.is_not(None))
    durations = [
        _counter(n, literal(DURATION), one, n.kind == "complete", bucket_of(n.duration_ms)),
        _counter(n, literal(FIRST_TEXT), one, n.first_text_ms.is_not(None), bucket_of(n.first_text_ms)),
    ]
    return union_all(*whole, *tokens, known, *durations)


def _counter(
    n: Any,
    measure: ColumnElement[str],
    amount: ColumnElement[Any],
    where: ColumnElement[bool],
    bucket: ColumnElement[int] | None = None,
) -> Select[Any]:
    hour = func.date_trunc("hour", n.at, "UTC").label("hour")
    model = func.coalesce(n.model, NO_MODEL).label("model")
    bucketed = literal(0) if bucket is None else bucket
    query = select(hour, model, measure.label("measure"), bucketed.label("bucket"), amount.label("count"))
    return query.where(where).group_by(text("1"), text("2"), text("3"), text("4"))


async def count_notes(connection: AsyncConnection, *, of_user: UUID | None = None) -> None:
    """Turn notes into counters.

    Args:
        of_user: only this user's, whose account ends with this transaction: a note names who it is of.
    """
    taken = delete(statistics_notes)
    if of_user is not None:
        taken = taken.where(statistics_notes.c.user_id == of_user)
    await connection.execute(_counted(taken.returning(*statistics_notes.c).cte("taken")))


def _counted(taken: CTE) -> postgresql.Insert:
    rows = sum_notes(taken).subquery("rows")
    key = ("hour", "model", "measure", "bucket")
    # In one order, so that two that count at once cannot wait for each other.
    ordered = select(rows).order_by(*(rows.c[name] for name in key))
    new = postgresql.insert(statistics).from_select([*key, "count"], ordered)
    return new.on_conflict_do_update(index_elements=key, set_={"count": statistics.c.count + new.excluded.count})
