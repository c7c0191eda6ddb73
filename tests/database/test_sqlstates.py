"""Every class of SQLSTATE, raised by a real PostgreSQL in a real statement of the service, and how that is answered."""

import logging
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, TypeAlias

import asyncpg
import pytest
from sqlalchemy import func, select

from chatkeep.database.sqlstates import MEANINGS
from chatkeep.database.statement import Statement
from tests.support.databases import run
from tests.support.running_service import Person, RunningService, running
from tests.support.urls import driver_url

if TYPE_CHECKING:
    Operator: TypeAlias = asyncpg.Connection[asyncpg.Record]
else:
    Operator = asyncpg.Connection

PID = Statement(select(func.pg_backend_pid().label("pid")))


def codes(words: str) -> list[str]:
    return words.split()


# Our fault: 500. The request's id leads to the log, which has the SQLSTATE.
FAULTS = codes(
    "03000 09000 0A000 0F000 0L000 0P000 0Z000 10608 20000 21000 22012 22P02 23514 24000 27000 2B000 "
    "2F000 34000 38000 39000 3F000 42P01 42601 44000 54000 55P02 55P04 HV000 P0001 P0002 XX000 XX001 XX002 ZZ999"
)
# The same. The driver has classes of warnings for them, which are no errors of its own: it costs the connection.
WARNINGS = codes("01000 02000")
# The same; and nobody else is given that transaction.
FAULTS_OF_TRANSACTION = codes("0B000 25001 25P02 2D000 3B001")
# Not now: 503. The connection goes on.
NOT_NOW = codes(
    "28000 28P01 3D000 40001 40P01 42501 53000 53100 53200 53300 53400 55000 55006 55P03 57000 58000 58030 58P01 "
    "72000 F0000 HV00N"
)
# Not now, and the connection is of no use any more.
LOST = codes("08000 08006 08P01 25006 25P03 25P04 26000 42P05 57P01 57P02 57P03 57P04 57P05")
TOO_SLOW = ["57014"]
# The client's: 422.
UNSTORABLE = codes("22021 22P05")
# Of what lasts until an operator does something, the log says so.
TOLD = {"28", "3D", "53", "58", "F0"}

# A hot statement, and one in a transaction.
PATHS = ("/api/v1/conversations", "/api/v1/auth/tokens")


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    """A service with one connection of each kind, whose inserts fail as `injected` says."""
    await run(
        shared_database_url,
        "CREATE TABLE injected (code text)",
        "CREATE FUNCTION inject() RETURNS trigger LANGUAGE plpgsql AS $$ DECLARE given text; BEGIN"
        " SELECT code INTO given FROM injected;"
        " IF given IS NOT NULL THEN RAISE EXCEPTION USING ERRCODE = given, MESSAGE = 'injected'; END IF;"
        " RETURN NEW; END $$",
        "CREATE TRIGGER inject BEFORE INSERT ON conversations FOR EACH ROW EXECUTE FUNCTION inject()",
        "CREATE TRIGGER inject BEFORE INSERT ON access_tokens FOR EACH ROW EXECUTE FUNCTION inject()",
    )
    async with running(shared_database_url, database_pool_size=2) as service:
        yield service


@pytest.fixture(scope="module")
async def operator(service: RunningService, shared_database_url: str) -> AsyncIterator[Operator]:
    connection = await asyncpg.connect(driver_url(shared_database_url))
    yield connection
    await connection.close()


@pytest.fixture(scope="module")
async def person(service: RunningService) -> Person:
    return await service.person()


async def pids(service: RunningService) -> list[int]:
    """Return the server's processes behind the hot connection and the other one."""
    row = await service.database.row(PID)
    assert row is not None
    async with service.database.transaction() as connection:
        return [row["pid"], (await connection.execute(select(func.pg_backend_pid()))).scalar_one()]


async def answered(
    service: RunningService, person: Person, operator: Operator, code: str, path: str, *, costs: bool | None
) -> tuple[int, str, str]:
    """Inject an error into the statement behind `path`; return the status, the problem's code and the request's id."""
    place = PATHS.index(path)
    before = await pids(service)
    await operator.execute("INSERT INTO injected VALUES ($1)", code)
    try:
        answer = await person.client.post(path, json={"name": "x"} if place else {})
    finally:
        await operator.execute("DELETE FROM injected")
    assert ("retry-after" in answer.headers) == (answer.status_code == 503)
    after = await pids(service)
    assert costs is None or (after[place] != before[place]) == costs
    again = await person.client.post(path, json={"name": "x"} if place else {})
    assert again.status_code == 201, again.text
    if place:
        await person.client.delete(f"{path}/{again.json()['id']}")
    assert answer.headers["content-type"] == "application/problem+json"
    assert "injected" not in answer.text
    return answer.status_code, answer.json()["code"], answer.headers["x-request-id"]


def logged(caplog: pytest.LogCaptureFixture, event: str, words: str) -> bool:
    return any(event in record.getMessage() and words in record.getMessage() for record in caplog.records)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", FAULTS + FAULTS_OF_TRANSACTION)
async def test_a_fault_of_ours_is_500_and_in_the_log(
    service: RunningService,
    person: Person,
    operator: Operator,
    caplog: pytest.LogCaptureFixture,
    code: str,
    path: str,
) -> None:
    costs = code in FAULTS_OF_TRANSACTION
    status, problem, request_id = await answered(service, person, operator, code, path, costs=costs)
    assert (status, problem) == (500, "internal_error")
    assert logged(caplog, "request_failed", f"SQLSTATE {code}")
    assert logged(caplog, "request_failed", request_id)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", WARNINGS)
async def test_a_warning_that_is_raised_is_a_fault(
    service: RunningService,
    person: Person,
    operator: Operator,
    caplog: pytest.LogCaptureFixture,
    code: str,
    path: str,
) -> None:
    status, problem, request_id = await answered(service, person, operator, code, path, costs=None)
    assert (status, problem) == (500, "internal_error")
    assert logged(caplog, "request_failed", request_id)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", NOT_NOW + LOST + TOO_SLOW)
async def test_not_now_is_503(
    service: RunningService,
    person: Person,
    operator: Operator,
    caplog: pytest.LogCaptureFixture,
    code: str,
    path: str,
) -> None:
    with caplog.at_level(logging.WARNING):
        found = await answered(service, person, operator, code, path, costs=code in LOST)
    assert found[:2] == (503, "query_too_slow" if code in TOO_SLOW else "database_unavailable")
    told = code[:2] in TOLD or code in ("42501", "55000")
    assert logged(caplog, "database_refused", code) == told
    assert not logged(caplog, "request_failed", "")


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("code", UNSTORABLE)
async def test_text_that_the_database_cannot_keep_is_its_writers_affair(
    service: RunningService, person: Person, operator: Operator, code: str, path: str
) -> None:
    found = await answered(service, person, operator, code, path, costs=False)
    assert found[:2] == (422, "invalid_text")


def test_every_class_that_postgresql_knows_is_judged_and_injected() -> None:
    errors = [each for each in vars(asyncpg.exceptions).values() if isinstance(each, type)]
    known = {state[:2] for each in errors if isinstance(state := getattr(each, "sqlstate", None), str)}
    injected = {each[:2] for each in FAULTS + WARNINGS + FAULTS_OF_TRANSACTION + NOT_NOW + LOST + TOO_SLOW + UNSTORABLE}
    assert len(known) > 40
    assert known - MEANINGS.keys() == set()
    assert known - injected == set()


def test_every_entry_of_the_table_is_injected() -> None:
    injected = FAULTS + WARNINGS + FAULTS_OF_TRANSACTION + NOT_NOW + LOST + TOO_SLOW + UNSTORABLE
    assert [each for each in MEANINGS if each != "00" and not any(code.startswith(each) for code in injected)] == []
