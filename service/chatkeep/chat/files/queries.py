"""The rows of files: one statement a function, and none commits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Integer,
    Uuid,
    bindparam,
    cast,
    delete,
    exists,
    func,
    insert,
    literal,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.ext.asyncio import AsyncConnection

from chatkeep.database.statement import Statement, first_column, into
from chatkeep.database.tables import file_pieces, file_usage, files, turn_files

_user_id = bindparam("user_id", type_=Uuid)
_file_id = bindparam("file_id", type_=Uuid)
_f = files.c

# A file takes at least so much of the quota: a million of one byte would fill the disk with their rows.
MIN_CHARGED_BYTES = 4096

MAX_USAGE_BYTES = 2**60


@dataclass(frozen=True, slots=True)
class FileRecord:
    """A file without its bytes.

    Args:
        media_type: by what is in it, whatever its sender called it.
        tokens: about how many a model is shown of it.
        check_at: when to look whether a turn refers to it; None where one did when it was last looked.
    """

    user_id: UUID
    id: UUID
    name: str
    media_type: str
    size: int
    sha256: bytes
    tokens: int
    created_at: datetime
    check_at: datetime | None


_TO_RECORD = into(FileRecord)

FILE = Statement(select(files).where(_f.user_id == _user_id, _f.id == _file_id), row=_TO_RECORD)
# Newest first, from after a file.
FILES_BEFORE = Statement(
    select(files)
    .where(_f.user_id == _user_id, _f.id < bindparam("before_id", type_=Uuid))
    .order_by(_f.id.desc())
    .limit(bindparam("limit", type_=Integer)),
    row=_TO_RECORD,
)
PIECE: Statement[bytes] = Statement(
    select(file_pieces.c.bytes).where(
        file_pieces.c.user_id == _user_id,
        file_pieces.c.file_id == _file_id,
        file_pieces.c.number == bindparam("number", type_=Integer),
    ),
    row=first_column,
)


def _files_by_ids() -> Statement[FileRecord]:
    """Those of the ids that are the user's. Each by its key: PostgreSQL 15 would read all that the user has."""
    given = func.unnest(bindparam("file_ids", type_=ARRAY(Uuid))).table_valued("id", name="given").render_derived()
    own = select(files).where(_f.user_id == _user_id, _f.id == cast(given.c.id, Uuid)).limit(1).lateral("own")
    return Statement(select(own).select_from(given.join(own, true())), row=_TO_RECORD)


FILES_BY_IDS = _files_by_ids()


def charged(size: int) -> int:
    """Return how much of a quota a file of that size takes."""
    return max(size, MIN_CHARGED_BYTES)


async def usage_of(connection: AsyncConnection, user_id: UUID) -> int:
    """Return how much of the quota is taken; the user's row is locked."""
    query = select(file_usage.c.bytes).where(file_usage.c.user_id == user_id)
    return (await connection.execute(query)).scalar_one_or_none() or 0


async def add_usage(connection: AsyncConnection, user_id: UUID, size: int) -> None:
    """Count more of the quota as taken, or with a negative size less."""
    counted = postgresql.insert(file_usage).values(user_id=user_id, bytes=max(size, 0))
    # Whatever it holds: neither below 0, nor beyond what fits.
    before = func.least(func.greatest(file_usage.c.bytes, max(-size, 0)), MAX_USAGE_BYTES, type_=BigInteger)
    taken = before + literal(size, BigInteger)
    await connection.execute(
        counted.on_conflict_do_update(index_elements=[file_usage.c.user_id], set_={"bytes": taken})
    )


async def take_again(
    connection: AsyncConnection, user_id: UUID, sha256: bytes, check_at: datetime, name: str | None = None
) -> FileRecord | None:
    """Return the user's file of these bytes, which is now kept until `check_at` at least; None where there is none.

    Args:
        name: what it is called from now on; None leaves its name as it is.
    """
    same = select(_f.id).where(_f.user_id == user_id, _f.sha256 == sha256).limit(1).scalar_subquery()
    values = {"check_at": func.greatest(_f.check_at, check_at)} | ({} if name is None else {"name": name})
    query = update(files).where(_f.user_id == user_id, _f.id == same).values(**values).returning(files)
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _TO_RECORD(row)


async def insert_file(connection: AsyncConnection, values: Mapping[str, Any]) -> FileRecord:
    return _TO_RECORD((await connection.execute(insert(files).values(**values).returning(files))).mappings().one())


async def insert_piece(connection: AsyncConnection, user_id: UUID, file_id: UUID, number: int, piece: bytes) -> None:
    await connection.execute(insert(file_pieces).values(user_id=user_id, file_id=file_id, number=number, bytes=piece))


async def lock_file(connection: AsyncConnection, user_id: UUID, file_id: UUID) -> FileRecord | None:
    """Return a file that no turn can begin to refer to until the transaction ends."""
    query = select(files).where(_f.user_id == user_id, _f.id == file_id).with_for_update()
    row = (await connection.execute(query)).mappings().one_or_none()
    return None if row is None else _TO_RECORD(row)


async def delete_unreferenced(connection: AsyncConnection, user_id: UUID, file_id: UUID) -> bool:
    """Delete a file that the transaction has locked; False where a turn refers to it."""
    referenced = exists().where(turn_files.c.user_id == user_id, turn_files.c.file_id == file_id)
    query = delete(files).where(_f.user_id == user_id, _f.id == file_id, ~referenced).returning(_f.id)
    return (await connection.execute(query)).first() is not None


async def due_files(connection: AsyncConnection, now: datetime, *, limit: int) -> Sequence[Any]:
    """Return the files that are to be looked at, longest due first."""
    query = (
        select(_f.user_id, _f.id).where(_f.check_at.is_not(None), _f.check_at <= now).order_by(_f.check_at).limit(limit)
    )
    return (await connection.execute(query)).all()


async def check_again(connection: AsyncConnection, user_id: UUID, file_id: UUID, at: datetime | None) -> None:
    query = update(files).where(_f.user_id == user_id, _f.id == file_id).values(check_at=at)
    await connection.execute(query)


async def insert_references(
    connection: AsyncConnection, user_id: UUID, references: Sequence[tuple[UUID, UUID]]
) -> None:
    """Note which turns refer to which files: (turn, file), each file the user's."""
    rows = [{"user_id": user_id, "turn_id": turn, "file_id": file} for turn, file in references]
    if rows:
        await connection.execute(postgresql.insert(turn_files).on_conflict_do_nothing(), rows)
