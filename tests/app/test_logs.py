"""Logs: structured, with request ids, and without anything that people wrote or that signs anyone in."""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path

import asyncpg
import httpx2
import pytest
from fastapi.exceptions import ResponseValidationError
from pydantic import BaseModel, ValidationError
from sqlalchemy.exc import IntegrityError

from chatkeep.app.logs import safe_traceback
from chatkeep.errors import DatabaseUnavailable
from tests.support.process import environment, serving
from tests.support.running_service import USERS_SCOPES

SECRET = "hunter2-of-alice"


class _Model(BaseModel):
    password: int


def _invalid() -> None:
    _Model.model_validate({"password": SECRET})


def _broken_answer() -> None:
    raise ResponseValidationError(
        [{"type": "x", "loc": ("body",), "msg": "x", "input": SECRET}], body={"reply": SECRET}
    )


def _violation() -> None:
    raise asyncpg.UniqueViolationError(f"Key (prompt)=({SECRET}) already exists")


def _through_sqlalchemy() -> None:
    try:
        _violation()
    except asyncpg.UniqueViolationError as error:
        raise IntegrityError("INSERT …", {"prompt": SECRET}, error) from error


def _value() -> None:
    int(SECRET)


def _key() -> None:
    dict[str, str]()[SECRET]


def _json() -> None:
    json.loads('{"password": "' + SECRET + '"')


def _group() -> None:
    raise ExceptionGroup("several", [ValueError(SECRET), RuntimeError("told")])


def _chain() -> None:
    try:
        _invalid()
    except ValidationError as error:
        raise DatabaseUnavailable("The database does not answer.") from error


def _caught(raises: Callable[[], None]) -> BaseException:
    with pytest.raises(Exception) as caught:  # noqa: PT011  any
        raises()
    return caught.value


@pytest.mark.parametrize(
    ("raises", "told"),
    [
        (_invalid, "ValidationError"),
        (_broken_answer, "ResponseValidationError"),
        (_violation, "UniqueViolationError: SQLSTATE 23505"),
        (_through_sqlalchemy, "IntegrityError: SQLSTATE 23505"),
        (_value, "ValueError"),
        (_key, "KeyError"),
        (_json, "JSONDecodeError"),
        (_group, "RuntimeError: told"),
        (_chain, "DatabaseUnavailable: The database does not answer."),
    ],
)
def test_a_traceback_says_where_and_what_kind_and_quotes_nothing(raises: Callable[[], None], told: str) -> None:
    text = safe_traceback(_caught(raises))
    assert told in text
    assert f", in {raises.__name__}" in text
    assert SECRET not in text


def test_a_traceback_leads_back_to_the_cause() -> None:
    text = safe_traceback(_caught(_chain))
    assert text.index("DatabaseUnavailable") < text.index("caused by") < text.index("ValidationError")


def test_a_circle_of_causes_ends() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert safe_traceback(first).count("RuntimeError") == 2


LOG_EVERYTHING = """
import logging, sys, warnings
import structlog
from chatkeep.app.logs import configure_logging
from chatkeep.config import Settings

configure_logging(Settings.read(log_format="json", log_level="debug", secret_key="x" * 40))
local_variable = "hunter2-of-alice"
log = structlog.get_logger("ours")
log.info("event", name="あ\\u2028\\x1b[31m\\n")
logging.getLogger("theirs").warning("a line of %s", "a library")
logging.getLogger("uvicorn.error").info("uvicorn speaks")
logging.getLogger("uvicorn.access").info("GET /?q=hunter2-of-alice")
logging.getLogger("aiohttp.client").debug("hunter2-of-alice")
logging.getLogger("sqlalchemy.engine.Engine").info("hunter2-of-alice")
warnings.warn("old", DeprecationWarning, stacklevel=1)
try:
    int(local_variable)
except ValueError:
    log.exception("ours_failed")
    logging.getLogger("theirs").exception("theirs failed")
with structlog.contextvars.bound_contextvars(request_id="r-1"):
    log.debug("inside")
    logging.getLogger("theirs").debug("inside too")
"""


async def run_python(code: str, *options: str) -> tuple[str, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *options, "-c", code),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env=environment(),
    )
    output, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return output.decode(), errors.decode()


async def test_every_line_is_json_whoever_wrote_it() -> None:
    output, errors = await run_python(LOG_EVERYTHING, "-W", "always")
    assert output == ""
    assert errors.isascii()
    assert SECRET not in errors
    lines = [json.loads(line) for line in errors.splitlines()]
    events = {line["event"].partition("\n")[0]: line for line in lines}
    assert events["event"]["name"] == "あ\u2028\x1b[31m\n"
    assert events["a line of a library"]["level"] == "warning"
    assert "uvicorn speaks" in events
    assert any("DeprecationWarning: old" in event for event in events)
    for failed in ("ours_failed", "theirs failed"):
        assert events[failed]["exception"].endswith("ValueError")
        assert "int(local_variable)" not in events[failed]["event"]
    assert events["inside"]["request_id"] == events["inside too"]["request_id"] == "r-1"
    assert all(line["timestamp"].endswith("Z") and line["logger"] for line in lines)


async def test_on_a_terminal_tracebacks_hold_no_variables() -> None:
    _, errors = await run_python(LOG_EVERYTHING.replace('"json"', '"console"'), "-W", "always")
    assert "ours_failed" in errors
    assert SECRET not in errors


REQUESTS = """
import structlog
from chatkeep.app.logs import configure_logging
from chatkeep.config import Settings
configure_logging(Settings.read(log_format="{log_format}", log_level="{level}", database_url="postgresql://x@h/x"))
log = structlog.get_logger("chatkeep")
log.info("request", path="/good", status=200)
log.info("request", path="/refused", status=404)
log.info("request", path="/broken", status=503)
log.info("began")
"""


@pytest.mark.parametrize(
    ("log_format", "level", "shown"),
    [
        ("console", "info", ["/broken", "began"]),
        ("console", "debug", ["/good", "/refused", "/broken", "began"]),
        ("json", "info", ["/good", "/refused", "/broken", "began"]),
    ],
)
async def test_a_terminal_is_not_filled_with_requests_that_went_well(
    log_format: str, level: str, shown: list[str]
) -> None:
    _, errors = await run_python(REQUESTS.format(log_format=log_format, level=level))
    assert [word for word in ("/good", "/refused", "/broken", "began") if word in errors] == shown


EMBEDDED = """
import logging, sys
{set_up}
import structlog
from chatkeep.app.logs import leave_logging_to_host
leave_logging_to_host()
log = structlog.get_logger("ours")
local_variable = "hunter2-of-alice"
log.info("quiet")
try:
    int(local_variable)
except ValueError:
    log.exception("ours_failed", why="because")
"""


async def test_in_somebody_elses_program_events_go_to_its_logging() -> None:
    _, unset = await run_python(EMBEDDED.format(set_up=""))
    assert "event='ours_failed' why='because'" in unset
    assert "quiet" not in unset
    _, set_up = await run_python(EMBEDDED.format(set_up="logging.basicConfig(level='INFO', format='HOST %(message)s')"))
    assert "HOST event='quiet'" in set_up
    assert SECRET not in unset + set_up


SET_UP = "import structlog; structlog.configure(processors=[structlog.processors.JSONRenderer()])"


async def test_what_somebody_else_set_up_is_left_alone() -> None:
    output, _ = await run_python(EMBEDDED.format(set_up=SET_UP))
    assert json.loads(output.splitlines()[0]) == {"event": "quiet"}


async def test_a_running_service_logs_requests_and_nothing_that_people_wrote(database_url: str, tmp_path: Path) -> None:
    written = [f"secret-{number}-of-alice" for number in range(8)]
    username, password, wrong, prompt, title, query, unknown, bad = written
    settings = {"database_url": database_url, "log_format": "json", "log_level": "debug"}
    async with (
        serving(tmp_path, **settings) as service,
        httpx2.AsyncClient(base_url=service.url, headers={"X-Request-ID": "mine"}, timeout=30) as client,
    ):
        await client.post("/api/v1/auth/register", json={"username": username, "password": password})
        await client.post("/api/v1/auth/login", json={"username": username, "password": wrong})
        made = await client.post("/api/v1/conversations", json={"title": title})
        turns = f"/api/v1/conversations/{made.json()['id']}/turns"
        reply = (await client.post(turns, json={"content": prompt, "stream": False})).json()["reply"]["content"]
        await client.post(turns, json={"content": prompt, "stream": True})
        await client.get("/api/v1/conversations", params={"q": query})
        await client.get("/api/v1/conversations", params={"cursor": query})
        await client.post("/api/v1/conversations", json={unknown: unknown})
        await client.post("/api/v1/conversations", content=bad, headers={"Content-Type": "application/json"})
        token = (await client.post("/api/v1/auth/tokens", json={"name": "x", "scopes": USERS_SCOPES})).json()["token"]
        cookies = dict(client.cookies)
        await client.get("/api/v1/auth/me", headers={"Authorization": f"Bearer {token}"})
        await client.get("/nothing%1B[31m%E2%80%A8")
    log = service.log
    lines = [json.loads(line) for line in log.splitlines()]
    requests = [line for line in lines if line["event"] == "request"]
    assert len(requests) >= 13
    ours = [line for line in requests if line.get("request_id") == "mine"]
    assert len({line["audit_id"] for line in ours}) == len(ours)
    assert {(line["method"], line["path"], line["status"]) for line in ours} >= {
        ("POST", "/api/v1/auth/register", 201),
        ("POST", "/api/v1/auth/login", 401),
        ("POST", turns, 201),
        ("POST", turns, 200),
        ("GET", "/api/v1/conversations", 200),
        ("POST", "/api/v1/conversations", 422),
        ("GET", "/nothing%1B%5B31m%E2%80%A8", 404),
    }
    assert all(line["milliseconds"] >= 0 for line in ours)
    for secret in (password, wrong, prompt, title, query, unknown, bad, token, *cookies.values(), reply[:40]):
        assert secret not in log, secret
    assert "?" not in "".join(line["path"] for line in requests)
