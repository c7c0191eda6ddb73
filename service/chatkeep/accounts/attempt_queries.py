"""Tries of passwords, as they are counted: one statement a function, and none commits."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ARRAY, any_, bindparam, case, delete, func, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.accounts.owed_tries import Window
from chatkeep.database.statement import Statement, into
from chatkeep.database.tables import TIME, login_attempts


@dataclass(frozen=True, slots=True)
class CountedTries:
    """The tries that one counter holds in its window."""

    bucket: bytes
    attempts: int
    window_ends_at: datetime


_kept = login_attempts.c
COUNTED = Statement(
    select(_kept.bucket, _kept.attempts, _kept.window_ends_at).where(
        _kept.bucket == any_(bindparam("buckets", type_=ARRAY(_kept.bucket.type))),
        _kept.window_ends_at > bindparam("now", type_=TIME),
    ),
    row=into(CountedTries),
)


async def count_attempt(
    connection: AsyncConnection, bucket: bytes, now: datetime, window_ends_at: datetime
) -> tuple[int, datetime]:
    """Count one try in the bucket's window, or begin a new one; return the count and when the window ends."""
    kept = login_attempts.c
    new = postgresql.insert(login_attempts).values(bucket=bucket, attempts=1, window_ends_at=window_ends_at)
    over = kept.window_ends_at <= bindparam("now", now, type_=TIME)
    counted = await connection.execute(
        new.on_conflict_do_update(
            index_elements=["bucket"],
            set_={
                "attempts": case((over, 1), else_=kept.attempts + 1),
                "window_ends_at": case((over, new.excluded.window_ends_at), else_=kept.window_ends_at),
            },
        ).returning(kept.attempts, kept.window_ends_at)
    )
    attempts, ends_at = counted.one()
    return attempts, ends_at


async def forget_attempts(connection: AsyncConnection, bucket: bytes) -> None:
    await connection.execute(delete(login_attempts).where(login_attempts.c.bucket == bucket))


async def uncount_attempt(connection: AsyncConnection, bucket: bytes) -> None:
    await connection.execute(
        update(login_attempts)
        .where(login_attempts.c.bucket == bucket, login_attempts.c.attempts > 0)
        .values(attempts=login_attempts.c.attempts - 1)
    )


async def uncount_attempts(connection: AsyncConnection, window: Window, tries: int) -> None:
    """Take back tries of one window; a later window of the same bucket counts others."""
    kept = login_attempts.c
    await connection.execute(
        update(login_attempts)
        .where(kept.bucket == window[0], kept.window_ends_at == window[1])
        .values(attempts=func.greatest(kept.attempts - tries, 0))
    )


async def sweep_attempts(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(delete(login_attempts).where(login_attempts.c.window_ends_at <= now))
