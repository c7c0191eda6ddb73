"""The statements of a replica's life: its lease, and the turns of those whose lease ran out."""

from sqlalchemy import Float, Integer, Text, Uuid, bindparam, delete, func, literal, or_, select
from sqlalchemy.dialects import postgresql

from service.chat.search.lexemes import VERSION
from service.database.hot import Statement
from service.database.tables import IS_STREAMING, TIME, replicas, turns

_replica_id = bindparam("replica_id", type_=Uuid)
_now = bindparam("now", type_=TIME)

_t = turns.c


def _renew_lease() -> Statement:
    expires_at = func.now() + func.make_interval(0, 0, 0, 0, 0, 0, bindparam("seconds", type_=Float))
    new = postgresql.insert(replicas).values(
        id=_replica_id,
        started_at=_now,
        lease_expires_at=expires_at,
        machine=bindparam("machine", type_=Text),
        pid=bindparam("pid", type_=Integer),
        process_began_at=bindparam("process_began_at", type_=TIME),
        search_version=literal(VERSION),
    )
    return Statement(
        new.on_conflict_do_update(
            index_elements=["id"], set_={"lease_expires_at": new.excluded.lease_expires_at}
        ).returning(replicas.c.lease_expires_at)
    )


RENEW_LEASE = _renew_lease()
END_LEASE = Statement(delete(replicas).where(replicas.c.id == _replica_id))
NEIGHBOURS = Statement(
    select(replicas.c.id, replicas.c.machine, replicas.c.pid, replicas.c.process_began_at).where(
        replicas.c.lease_expires_at >= func.now(),
        replicas.c.machine == bindparam("machine", type_=Text),
        replicas.c.id != _replica_id,
    )
)
FORGET_DEAD_REPLICAS = Statement(
    delete(replicas).where(
        replicas.c.lease_expires_at < func.now() - func.make_interval(0, 0, 0, 1),
    )
)

# Turns that this process is generating, as far as the database knows.
STREAMING_TURNS = Statement(
    select(_t.user_id, _t.id, _t.conversation_id).where(IS_STREAMING, _t.replica_id == _replica_id)
)

# Turns whose process is gone: it ended, or its lease ran out.
ABANDONED_TURNS = Statement(
    select(_t.user_id, _t.id, _t.conversation_id, _t.replica_id)
    .select_from(turns.outerjoin(replicas, replicas.c.id == _t.replica_id))
    .where(IS_STREAMING, or_(replicas.c.id.is_(None), replicas.c.lease_expires_at < func.now()))
    .limit(100)
)
