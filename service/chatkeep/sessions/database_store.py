"""Sessions in PostgreSQL: they survive restarts, and any number of processes share them."""

import asyncio
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    LargeBinary,
    Text,
    Uuid,
    bindparam,
    case,
    cast,
    delete,
    func,
    insert,
    literal_column,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chatkeep.database.database import Database
from chatkeep.database.statement import Row, Statement
from chatkeep.database.tables import TIME
from chatkeep.database.tables import login_sessions as s
from chatkeep.sessions.errors import CannotKeep, CannotKeepText
from chatkeep.sessions.store import Changes, StoredSession, Update
from chatkeep.sessions.table import create_table, require_table

POOL_SIZE = 8
SWEEP_SECONDS = 600
SWEPT_AT_ONCE = 500
# In JSON text; an even number of backslashes before it are written ones.
ESCAPED_NUL = re.compile(r"(?<!\\)(?:\\\\)*\\u0000")

COLUMNS = (s.c.digest, s.c.id, s.c.data, s.c.created_at, s.c.last_seen_at, s.c.max_inactive_seconds, s.c.ends_at)

_now = bindparam("now", type_=TIME)
_key = bindparam("key", type_=LargeBinary)
# Rows with limits of their own belong to no user and to this library.
_ours = (s.c.user_id.is_(None), s.c.ends_at.is_not(None))
_alive = (s.c.digest == _key, *_ours, s.c.expires_at > _now)


def _end_after(idle: ColumnElement[int]) -> ColumnElement[object]:
    """When a session that is used now ends if it is not used again."""
    unused = func.least(s.c.ends_at, _now + idle * literal_column("interval '1 second'"))
    return case((idle == literal_column("0"), s.c.ends_at), else_=unused)


def _session_from_row(row: Row) -> StoredSession:
    return StoredSession(
        session_id=row["digest"].hex(),
        stable_id=row["id"],
        attributes=row["data"],
        created_at=row["created_at"],
        last_accessed_at=row["last_seen_at"],
        max_inactive_seconds=row["max_inactive_seconds"],
        ends_at=row["ends_at"],
    )


LOAD = Statement(select(*COLUMNS).where(*_alive), row=_session_from_row)

TOUCH = Statement(
    update(s)
    .where(*_alive, s.c.last_seen_at <= bindparam("seen_before", type_=TIME))
    .values(last_seen_at=_now, expires_at=_end_after(s.c.max_inactive_seconds))
)

INSERT = insert(s).values(
    digest=bindparam("digest", type_=LargeBinary),
    id=bindparam("id", type_=Uuid),
    data=bindparam("data", type_=JSONB),
    created_at=bindparam("created_at", type_=TIME),
    last_seen_at=bindparam("last_seen_at", type_=TIME),
    expires_at=bindparam("expires_at", type_=TIME),
    max_inactive_seconds=bindparam("max_inactive_seconds", type_=Integer),
    ends_at=bindparam("ends_at", type_=TIME),
)
CREATE = Statement(INSERT)

_idle = func.coalesce(bindparam("idle_seconds", type_=Integer), s.c.max_inactive_seconds)
_merged = s.c.data.op("-")(cast(bindparam("removed", type_=ARRAY(Text)), ARRAY(Text))).op("||")(
    cast(bindparam("written", type_=JSONB), JSONB)
)
SAVE = Statement(
    update(s)
    .where(*_alive)
    .values(data=_merged, last_seen_at=_now, max_inactive_seconds=_idle, expires_at=_end_after(_idle))
    .returning(s.c.id)
)

LOCK = select(s.c.data).where(*_alive).with_for_update()

REPLACE = (
    update(s)
    .where(*_alive)
    .values(
        data=bindparam("attributes", type_=JSONB),
        last_seen_at=_now,
        expires_at=_end_after(s.c.max_inactive_seconds),
    )
)

TAKE = delete(s).where(*_alive).returning(*COLUMNS)

# By its stable id: signing out ends the session, even if its id changed a moment ago.
END = Statement(delete(s).where(s.c.id == bindparam("id", type_=Uuid), *_ours).returning(s.c.id))

_over = select(s.c.digest).where(*_ours, s.c.expires_at <= _now).limit(literal_column(f"{SWEPT_AT_ONCE}"))
# Asked again under the row's lock: one that was used a moment ago stays, and each is deleted by one process only.
SWEEP = Statement(
    delete(s).where(s.c.digest.in_(_over), *_ours, s.c.expires_at <= _now).returning(*COLUMNS),
    row=_session_from_row,
)


class DatabaseStore:
    """Keeps sessions in the table `login_sessions`, in rows without a user. Values are what JSON can say.

    Every call is one statement, or one transaction, so that a process that dies leaves all of it or nothing:

    - `save`: the database merges the changes under the row's lock; of the row there is never an older version
      written back. Killed before the commit: as it was. Killed after it: kept.
    - `change_id`: deletes the row and inserts it under the new digest in one transaction. Killed between the two:
      the transaction is rolled back, the old id is as it was and without the changes.
    - `update`: locks the row, lets the function work, writes, commits. Killed while it holds the lock: the server
      notices that the connection is gone, rolls back, and the next one in line goes on.
    - A commit whose answer is lost raises `DatabaseUnavailable`; whether it was kept is then unknown, as it is to
      every client of every database.

    Args:
        database: a `Database`, which its owner closes, or the address of one, which is opened at first use and
            closed with the application. Its table is made by `create_table`, or by `chatkeep db upgrade`.
        pool_size: connections, where an address is given.

    Raises:
        DatabaseUnavailable: from every call; nothing answers, or not in time.
        ConfigurationError: from the first call; there is no table.
    """

    sweep_seconds = SWEEP_SECONDS

    def __init__(self, database: Database | str, *, pool_size: int = POOL_SIZE) -> None:
        self._given = database
        self._pool_size = pool_size
        self._opened: Database | None = None
        self._opening = asyncio.Lock()
        self._has_table = False

    async def create_table(self) -> None:
        """Make the table where it is missing; for when an application of one's own starts.

        Any number of processes may call it at once. In the service's own database it has nothing to do.

        Raises:
            ConfigurationError: the database's user may not make tables.
            DatabaseUnavailable: nothing answers.
        """
        await create_table(await self._open())

    async def load(self, session_id: str, now: datetime) -> StoredSession | None:
        database, key = await self._database(), bytes.fromhex(session_id)
        session = await database.row(LOAD, key=key, now=now)
        if session is not None and session.needs_touch(now):
            seen_before = now - session.touch_interval
            await database.execute(TOUCH, key=key, now=now, seen_before=seen_before)
        return session

    async def create(self, session: StoredSession) -> None:
        """Keep a new session. Raises: CannotKeep, CannotKeepText."""
        _require_json(session.attributes)
        await (await self._database()).row(CREATE, **_row(session))

    async def save(self, session_id: str, changes: Changes, now: datetime) -> bool:
        """Merge the changes. Raises: CannotKeep, CannotKeepText."""
        _require_json(changes.written)
        kept = await (await self._database()).row(
            SAVE,
            key=bytes.fromhex(session_id),
            now=now,
            removed=list(changes.removed),
            written=dict(changes.written),
            idle_seconds=changes.max_inactive_seconds,
        )
        return kept is not None

    async def update(self, session_id: str, function: Update, now: datetime) -> dict[str, Any] | None:
        """Let `function` change the attributes under the row's lock. Raises: CannotKeep, CannotKeepText."""
        alive = {"key": bytes.fromhex(session_id), "now": now}
        async with (await self._database()).transaction() as connection:
            row = (await connection.execute(LOCK, alive)).one_or_none()
            if row is None:
                return None
            attributes: dict[str, Any] = row.data
            function(attributes)
            _require_json(attributes)
            await connection.execute(REPLACE, alive | {"attributes": attributes})
        return attributes

    async def change_id(self, session_id: str, new_id: str, changes: Changes, now: datetime) -> StoredSession | None:
        """Move the row to another digest. Raises: CannotKeep, CannotKeepText.

        A delete and an insert, not an update of the key: the table may be distributed by it.
        """
        _require_json(changes.written)
        alive = {"key": bytes.fromhex(session_id), "now": now}
        async with (await self._database()).transaction() as connection:
            row = (await connection.execute(TAKE, alive)).mappings().one_or_none()
            if row is None:
                return None
            moved = _changed(_session_from_row(row), new_id, changes, now)
            await connection.execute(INSERT, _row(moved))
        return moved

    async def end(self, session: StoredSession) -> bool:
        return await (await self._database()).row(END, id=session.stable_id) is not None

    async def sweep(self, now: datetime) -> Sequence[StoredSession]:
        return await (await self._database()).rows(SWEEP, now=now)

    async def close(self) -> None:
        if self._opened is not None:
            opened, self._opened = self._opened, None
            await opened.close()

    async def _database(self) -> Database:
        database = await self._open()
        if not self._has_table:
            await require_table(database)
            self._has_table = True
        return database

    async def _open(self) -> Database:
        if isinstance(self._given, Database):
            return self._given
        if self._opened is None:
            async with self._opening:
                if self._opened is None:
                    self._opened = await Database.connect(self._given, pool_size=self._pool_size, must_write=True)
        return self._opened


def _row(session: StoredSession) -> dict[str, object]:
    return {
        "digest": bytes.fromhex(session.session_id),
        "id": session.stable_id,
        "data": session.attributes,
        "created_at": session.created_at,
        "last_seen_at": session.last_accessed_at,
        "expires_at": session.expires_at,
        "max_inactive_seconds": session.max_inactive_seconds,
        "ends_at": session.ends_at,
    }


def _changed(session: StoredSession, new_id: str, changes: Changes, now: datetime) -> StoredSession:
    changes.apply(session.attributes)
    idle = changes.max_inactive_seconds
    idle = session.max_inactive_seconds if idle is None else idle
    return replace(session, session_id=new_id, last_accessed_at=now, max_inactive_seconds=idle)


def _require_json(attributes: Mapping[str, Any]) -> None:
    """Refuse what would not come back as it went in, naming the attribute and never its value."""
    for name, value in attributes.items():
        try:
            text = json.dumps([name, value], ensure_ascii=False, allow_nan=False)
        except (TypeError, ValueError, RecursionError):
            raise CannotKeep(f"The attribute {name!r} holds a {type(value).__name__} that is not JSON.") from None
        try:
            text.encode()
        except UnicodeEncodeError:
            raise CannotKeepText(f"The attribute {name!r} holds a lone surrogate.") from None
        if ESCAPED_NUL.search(text):
            raise CannotKeepText(f"The attribute {name!r} holds U+0000.")
