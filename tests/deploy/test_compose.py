"""The compose file: valid, closed, and of one piece with the service's settings. No container is started here."""

import asyncio
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from chatkeep.app.draining import DELIVERY_SECONDS
from chatkeep.config import Settings
from chatkeep.database.postgres.binaries import find_binaries
from chatkeep.secret_files import PREFIX
from tests.deploy.files import PROJECT, compose, documented
from tests.support.databases import create_database, drop_database, name_of
from tests.support.process import SECRET_KEY, environment
from tests.support.urls import driver_url, parsed_url

SERVICES: dict[str, Any] = compose()["services"]


def secret_names(service: str) -> dict[str, str]:
    """Return the secrets of a service: the name of each file in the container, and the secret that it holds."""
    given: list[dict[str, str]] = [
        each if isinstance(each, dict) else {"source": each} for each in SERVICES[service]["secrets"]
    ]
    return {each.get("target") or each["source"]: each["source"] for each in given}


def test_it_is_valid_by_the_schema_of_the_specification() -> None:
    command = (sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec")
    ran = subprocess.run((*command, PROJECT / "compose.yaml"), capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout


@pytest.mark.parametrize("name", SERVICES)
def test_a_container_can_change_nothing_and_has_no_rights(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not service.get("privileged")
    assert "cap_add" not in service


def test_only_this_machine_can_connect() -> None:
    assert SERVICES["chatkeep"]["ports"] == ["127.0.0.1:8000:8000"]
    assert "ports" not in SERVICES["database"]


def test_it_is_killed_only_after_its_grace() -> None:
    grace = SERVICES["chatkeep"]["environment"]["CHATKEEP_SHUTDOWN_GRACE_SECONDS"]
    assert grace + DELIVERY_SECONDS < int(SERVICES["chatkeep"]["stop_grace_period"].removesuffix("s"))


def test_the_service_waits_for_a_database_that_answers_over_the_network() -> None:
    assert SERVICES["chatkeep"]["depends_on"] == {"database": {"condition": "service_healthy"}}
    assert "--host=127.0.0.1" in SERVICES["database"]["healthcheck"]["test"]


def test_each_secret_is_one_that_the_documented_commands_make(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    declared = {name: Path(each["file"]) for name, each in compose()["secrets"].items()}
    assert set(declared) == set(made) == {path.name for path in declared.values()}
    assert {path.parent for path in declared.values()} == {Path("secrets")}
    assert {*secret_names("chatkeep").values(), *secret_names("database").values()} == set(declared)
    assert "/secrets/" in (PROJECT / ".gitignore").read_text().splitlines()
    assert (tmp_path / "secrets").stat().st_mode & 0o777 == 0o700
    # The containers run as users of their own.
    assert {file.stat().st_mode & 0o777 for file in made.values()} == {0o444}
    assert len({file.read_text() for file in made.values()}) == len(made)


def test_the_service_reads_the_secrets_that_were_made(tmp_path: Path) -> None:
    made = make_secrets(tmp_path)
    folder = tmp_path / "run-secrets"
    folder.mkdir()
    for target, source in secret_names("chatkeep").items():
        assert target.removeprefix(PREFIX) in Settings.model_fields
        (folder / target).write_bytes(made[source].read_bytes())
    program = (
        "from chatkeep.config import Settings; found = Settings.read(); found.signing_keys(); "
        "print(found.database_url.get_secret_value(), found.admin_password.get_secret_value())"
    )
    own = environment() | {"CREDENTIALS_DIRECTORY": str(folder)}
    command = (sys.executable, "-c", program)
    ran = subprocess.run(command, cwd=tmp_path, env=own, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    password, admin = (made[name].read_text().strip() for name in ("database_password", "admin_password"))
    assert ran.stdout.split() == [f"postgresql://chatkeep:{password}@database/chatkeep", admin]
    assert len(password) >= 32
    assert SECRET_KEY not in ran.stdout


def make_secrets(folder: Path) -> dict[str, Path]:
    """Run the documented commands and return the files by their name."""
    commands = documented("Docker Compose")[0]
    subprocess.run(["/bin/sh", "-euc", commands], cwd=folder, check=True, env=environment())
    return {file.name: file for file in (folder / "secrets").iterdir()}


async def test_the_database_is_made_with_a_role_that_is_no_superuser(server_url: str, tmp_path: Path) -> None:
    """By PostgreSQL's own psql; names and the place of the password are this test's, for the server is shared."""
    url = await create_database(server_url)
    name, password = name_of(url) + "_made", 'it\'s "quoted" : and \\ long'
    (tmp_path / "database_password").write_text(password)
    script = (PROJECT / "deploy" / "create-database.sql").read_text()
    assert "/run/secrets/database_password" in script
    script = script.replace("/run/secrets/database_password", str(tmp_path / "database_password"))
    script = script.replace(" chatkeep", f" {name}")
    connection = await asyncpg.connect(driver_url(url))
    try:
        made_here = await connection.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user")
        if not made_here:
            pytest.skip("the image's script is run by a superuser, and this server's role is none")
        command = (psql(), "--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", driver_url(url))
        ran = await asyncio.to_thread(run_with, script, command)
        assert ran.returncode == 0, ran.stderr
        own = parsed_url(url).set(username=name, password=password, database=name)
        made = await asyncpg.connect(driver_url(own.render_as_string(hide_password=False)))
        assert await made.fetchval("SELECT rolsuper FROM pg_roles WHERE rolname = current_user") is False
        await made.execute("CREATE TABLE t ()")
        await made.close()
    finally:
        if made_here:
            await connection.execute(f"DROP DATABASE IF EXISTS {name}")
            await connection.execute(f"DROP ROLE IF EXISTS {name}")
        await connection.close()
        await drop_database(server_url, url)


def run_with(standard_input: str, command: Sequence[str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=standard_input, capture_output=True, text=True, check=False)


def psql() -> str:
    return str(find_binaries(None).folder / "psql")
