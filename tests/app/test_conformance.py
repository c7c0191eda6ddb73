"""The document and the service say the same: schemathesis makes requests from the one and asks the other.

A failure prints the request as a curl command. The requests are the same on every run.
"""

import asyncio
import os
import sys
from pathlib import Path

from chatkeep.app.openapi import OPENAPI_PATH
from tests.support.running_service import USERS_SCOPES, Person, RunningService

EXAMPLES_A_CALL = 5
ROOT = Path(__file__).parents[2]
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")

# A cookie that is made up beside a token that is right signs in: the two are alternatives. What forged ones get is
# shown in test_permissions.py. Requests that fit are checked by conformance_checks.py.
NOT_THESE_CHECKS = "ignored_auth,positive_data_acceptance"

USER_PATH = "/api/v1/admin/users/{user_id}"


async def conform(service: RunningService, folder: Path, *options: str, token: str | None) -> None:
    """Run schemathesis; every operation that the options leave, by everything that it knows."""
    signed_in = ("--header", f"Authorization: Bearer {token}") if token else ()
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *(
            "--config-file",
            str(CONFIGURATION),
            "run",
            service.url + OPENAPI_PATH,
            "--generation-deterministic",
            "--max-examples",
            str(EXAMPLES_A_CALL),
        ),
        *("--checks", "all", "--exclude-checks", NOT_THESE_CHECKS, "--no-color", "--warnings", "off"),
        *signed_in,
        *options,
        cwd=folder,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.app.conformance_checks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    told = output.decode()
    assert process.returncode == 0, told[-20_000:]


async def token_of(person: Person, scopes: list[str]) -> str:
    answer = await person.client.post("/api/v1/auth/tokens", json={"name": "conformance", "scopes": scopes})
    return str(answer.json()["token"])


async def test_for_nobody(service: RunningService, tmp_path: Path) -> None:
    await conform(service, tmp_path, "--phases", "examples,fuzzing", token=None)


async def test_for_a_user(service: RunningService, tmp_path: Path) -> None:
    person = await service.person()
    # It would find its own token in the list, and end it.
    await conform(
        service,
        tmp_path,
        *("--exclude-path", "/api/v1/auth/tokens/{token_id}", "--exclude-tag", "Administration"),
        token=await token_of(person, USERS_SCOPES),
    )


async def test_for_an_administrator(service: RunningService, tmp_path: Path) -> None:
    administrator = await service.administrator()
    person = await service.person()
    await person.say(await person.conversation(), "Hello")
    # It would find itself in the list, and take its own rights.
    await conform(
        service,
        tmp_path,
        *("--include-tag", "Administration", "--exclude-path", USER_PATH),
        token=await token_of(administrator, [*USERS_SCOPES, "admin"]),
    )
    assert (await service.administrator()).username == "admin"


async def test_for_an_administrator_who_changes_users(service: RunningService, tmp_path: Path) -> None:
    administrator, brief = await service.administrator(), await service.person()
    await administrator.client.patch(USER_PATH.format(user_id=brief.id), json={"role": "admin"})
    await conform(service, tmp_path, "--include-path", USER_PATH, token=await token_of(brief, [*USERS_SCOPES, "admin"]))
