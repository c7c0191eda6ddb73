"""Counted tries to sign in: one statement a function, and none commits."""

from datetime import datetime

from sqlalchemy import ARRAY, any_, bindparam, case, delete, select, update
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from service.database.hot import Statement
from service.database.tables import TIME, login_attempts

_kept = login_attempts.c
COUNTED = Statement(
    select(_kept.bucket, _kept.attempts, _kept.window_ends_at).where(
        _kept.bucket == any_(bindparam("buckets", type_=ARRAY(_kept.bucket.type))),
        _kept.window_ends_at > bindparam("now", type_=TIME),
    )
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


async def sweep_attempts(connection: AsyncConnection, now: datetime) -> None:
    await connection.execute(delete(login_attempts).where(login_attempts.c.window_ends_at <= now))
