"""The statements of `DatabaseStore`: rows of `login_sessions` without a user.

Each is whole by itself and sees, under the row's lock, the row as the last transaction left it: a request that had to
wait merges its changes into what the other one kept. None can see the row of somebody's sign-in to the service.

Source: PostgreSQL manual 13.2.1, Read Committed Isolation Level.
"""

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

from service.database.hot import Statement
from service.database.tables import TIME
from service.database.tables import login_sessions as s

SWEPT_AT_ONCE = 500

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


LOAD = Statement(select(*COLUMNS).where(*_alive))

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

# By lineage: whoever signs out ends the session, even if its id changed a moment ago.
END = Statement(delete(s).where(s.c.id == bindparam("id", type_=Uuid), *_ours).returning(s.c.id))

_over = select(s.c.digest).where(*_ours, s.c.expires_at <= _now).limit(literal_column(f"{SWEPT_AT_ONCE}"))
# Asked again under the row's lock: one that was used a moment ago stays, and each is deleted by one process only.
SWEEP = Statement(delete(s).where(s.c.digest.in_(_over), *_ours, s.c.expires_at <= _now).returning(*COLUMNS))
