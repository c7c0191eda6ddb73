"""`chatkeep doctor`: what it finds, what it advises, and what it never shows."""

import asyncio
import re
from pathlib import Path

import pytest

from chatkeep.cli.doctor.findings import Area, Findings, Level
from chatkeep.cli.doctor.model import look_at_model
from chatkeep.cli.doctor.safety import look_at_settings
from chatkeep.cli.doctor.settings_report import without_secrets
from chatkeep.cli.local import kept_secret
from chatkeep.config import Settings
from chatkeep.database.libpq.address import shown_url
from tests.cli.command_runner import Command, Ran, without_styles
from tests.cli.commands.test_users import insert_users
from tests.support.databases import name_of, run
from tests.upstream import Upstream

SECRETS = ("geheim-password", "geheim-key-0123456789-abcdefghijklmnopqrstuvwxyz", "geheim-model-key", "geheim-user")
OTHER_KEY = "another key of before: zyxwvutsrqponmlkjihgfedcba"


def levels(ran: Ran) -> dict[str, str]:
    """Return the findings, and how bad each is; how long an answer took is the machine's affair."""
    return {re.sub(r"in [\d.]+ ms", "in … ms", found["what"]): found["level"] for found in ran.objects_of("findings")}


def level_of(ran: Ran, part: str) -> str:
    """Return how bad the one finding is that says this."""
    (level,) = [level for what, level in levels(ran).items() if part in what]
    return level


async def test_a_service_in_order_has_no_problem(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "root", role="admin")
    ran = await chatkeep("doctor", "--json")
    assert ran.code == 0
    assert ran.object["healthy"] is True
    assert set(levels(ran).values()) == {"ok", "note"}
    assert level_of(ran, "answers in") == "ok"
    assert level_of(ran, "There is an administrator") == "ok"
    settings = {each["name"]: each for each in ran.object["settings"]}
    assert set(settings) == {f"CHATKEEP_{name.upper()}" for name in Settings.model_fields}
    assert settings["CHATKEEP_SECRET_KEY"]["value"] == "1 set, 53 characters"
    assert settings["CHATKEEP_PORT"] == {"name": "CHATKEEP_PORT", "value": "8000", "source": "default"}


async def test_tokens_that_may_do_everything_are_told(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "root", role="admin")
    await chatkeep("token", "create", "root", "--name", "narrow", "--scope", "read")
    assert not any("access tokens" in what for what in levels(await chatkeep("doctor", "--json")))
    # One from before scopes.
    await run(
        database_url,
        "INSERT INTO access_tokens (digest, id, user_id, name, created_at)"
        " SELECT 'x', gen_random_uuid(), id, 'old', now() FROM users WHERE username = 'root'",
    )
    ran = await chatkeep("doctor", "--json")
    assert level_of(ran, "may do all that their owner may, such as one of root") == "note"
    assert any("chatkeep token list root" in each["advice"] for each in ran.objects_of("findings"))


async def test_the_place_on_a_shared_host_is_told(chatkeep: Command) -> None:
    """Two services on one host: what CHATKEEP_COOKIE_NAME is for."""
    ran = await chatkeep("doctor", "--json", CHATKEEP_ROOT_PATH="/chat/")
    assert level_of(ran, "cookies ignore ports") == "note"
    assert any("CHATKEEP_COOKIE_NAME" in each["advice"] for each in ran.objects_of("findings"))
    assert level_of(ran, "Browsers find it under /chat.") == "ok"
    ran = await chatkeep("doctor", "--json", CHATKEEP_COOKIE_NAME="chatkeep")
    assert not any("cookies ignore ports" in what for what in levels(ran))


@pytest.mark.parametrize(
    ("environment", "name"),
    [
        ({}, "called __Host-sid,"),
        ({"CHATKEEP_COOKIE_SECURE": "false"}, "called sid,"),
        ({"CHATKEEP_SECRET_KEY": ""}, "called sid,"),
        ({"CHATKEEP_SECRET_KEY": "", "CHATKEEP_COOKIE_SECURE": "true"}, "called __Host-sid,"),
    ],
    ids=["a key", "plain http", "as serve --local", "as serve --local behind https"],
)
async def test_the_cookie_is_named_as_it_is_sent(chatkeep: Command, environment: dict[str, str], name: str) -> None:
    ran = await chatkeep("doctor", "--json", **environment)
    assert level_of(ran, name) == "note"


async def test_it_looks_at_the_address_that_serve_would_be_given(chatkeep: Command) -> None:
    plain = await chatkeep("doctor", "--json")
    assert not any("stays signed in" in what for what in levels(plain))
    given = {"CHATKEEP_COOKIE_SECURE": "true"}
    ran = await chatkeep("doctor", "--json", "--host", "0.0.0.0", "--port", "9000", **given)
    assert level_of(ran, "listens on 0.0.0.0, port 9000.") == "ok"
    assert level_of(ran, "Nobody stays signed in where the page is opened over plain http") == "warning"
    settings = {each["name"]: each for each in ran.objects_of("settings")}
    assert settings["CHATKEEP_HOST"] == {"name": "CHATKEEP_HOST", "value": "0.0.0.0", "source": "option"}
    assert settings["CHATKEEP_PORT"] == {"name": "CHATKEEP_PORT", "value": "9000", "source": "option"}
    as_set = {"CHATKEEP_HOST": "0.0.0.0", "CHATKEEP_PORT": "9000"}
    assert levels(await chatkeep("doctor", "--json", **given, **as_set)) == levels(ran)
    free = await chatkeep("doctor", "--json", "--host", "0.0.0.0", "--port", "0", **given)
    assert level_of(free, "listens on 0.0.0.0, a free port.") == "ok"
    assert ":0/" not in free.out
    assert "CHATKEEP_PORT: must be a whole number" in (await chatkeep("doctor", "--port", "70000")).out


async def test_the_report_fits_the_terminal_and_a_pipe(chatkeep: Command) -> None:
    shown = without_styles((await chatkeep.on_terminal("doctor", columns=60)).out)
    assert "✓ The cookies' signing key is long and random." in shown
    assert "! Nobody can administer" in shown
    assert "No problem, 1 warning." in shown
    assert max(map(len, shown.splitlines())) <= 60
    piped = await chatkeep("doctor")
    assert "! Nobody can administer: there is no administrator who can sign in.\n    chatkeep user create" in piped.out
    assert "settings have their default; --settings shows them too." in piped.out


async def test_everything_that_is_unsafe_is_named_with_its_remedy(chatkeep: Command) -> None:
    env_file = chatkeep.folder / ".env"
    env_file.write_text(f"CHATKEEP_ALOW_REGISTRATION=false\nCHATKEEP_MODEL_API_KEY={SECRETS[2]}\nCHATKEEP_PORT=9000\n")
    env_file.chmod(0o644)
    ran = await chatkeep(
        "doctor",
        "--json",
        CHATKEEP_HOST="0.0.0.0",
        CHATKEEP_COOKIE_SECURE="false",
        CHATKEEP_ALLOWED_HOSTS="*",
        CHATKEEP_TRUSTED_PROXIES="10.0.0.0/8,0.0.0.0/0",
        CHATKEEP_SECRET_KEY=f"{OTHER_KEY},{SECRETS[1]}",
        CHATKEEP_MODEL_URL=f"http://{SECRETS[3]}:{SECRETS[0]}@model.invalid/v1?key={SECRETS[2]}",
        CHATKEEP_ADMIN_PASSWORD=SECRETS[0],
    )
    assert ran.code == 1
    for part, level in {
        "CHATKEEP_ALOW_REGISTRATION in the file .env is not a setting": "warning",
        "Everybody on this machine can read": "problem",
        "There are 2 signing keys": "note",
        "cookie is also sent over plain http": "problem",
        "CHATKEEP_ALLOWED_HOSTS is *": "warning",
        "CHATKEEP_TRUSTED_PROXIES is 0.0.0.0/0": "problem",
        "key and the conversations go to it over plain http": "warning",
        "http://…@model.invalid/v1?…: The model server cannot be reached": "problem",
        "Anybody who reaches the service can make an account": "note",
        "the next start makes admin": "note",
    }.items():
        assert level_of(ran, part) == level, part
    assert all(found["advice"] for found in ran.objects_of("findings") if found["level"] in ("problem", "warning"))
    sources = {each["name"]: each["source"] for each in ran.object["settings"]}
    assert sources["CHATKEEP_PORT"] == ".env"
    assert sources["CHATKEEP_HOST"] == "environment"
    assert not any(secret in ran.out + ran.err for secret in (*SECRETS, OTHER_KEY))


@pytest.mark.parametrize(
    ("key", "part"),
    [("", "CHATKEEP_SECRET_KEY is not set"), ("geheim", "a key of 6 characters"), ("change-me-" * 5, "an example")],
)
def test_a_signing_key_that_a_stranger_could_guess(tmp_path: Path, key: str, part: str) -> None:
    findings = Findings()
    look_at_settings(Settings.read(secret_key=key, data_dir=tmp_path), findings)
    (found,) = [each for each in findings if each.area is Area.SECRETS]
    assert found.level is Level.PROBLEM
    assert part in found.what
    assert not key or key not in found.what


def test_the_secret_that_a_local_service_keeps_is_no_problem(tmp_path: Path) -> None:
    kept_secret(tmp_path)
    findings = Findings()
    look_at_settings(Settings.read(secret_key="", data_dir=tmp_path), findings)
    (found,) = [each for each in findings if each.area is Area.SECRETS]
    assert (found.level, findings.healthy) == (Level.NOTE, True)
    assert str(tmp_path) in found.what


async def test_what_keeps_the_service_from_starting_is_a_problem(chatkeep: Command) -> None:
    for settings, part in (
        ({"CHATKEEP_PORT": "geheim", "CHATKEEP_WORKERS": "0"}, "CHATKEEP_WORKERS"),
        ({"CHATKEEP_DATABASE_URL": "postgresql://me:geheim@127.0.0.1:1/x"}, "nothing listens there"),
        ({"CHATKEEP_DATABASE_URL": "mysql://me:geheim@127.0.0.1/x"}, "not the address of a PostgreSQL database"),
    ):
        ran = await chatkeep("doctor", "--json", **settings)
        assert (ran.code, level_of(ran, part)) == (1, "problem")
        assert "geheim" not in ran.out + ran.err


async def test_a_database_that_may_forget_is_a_problem_unless_accepted(chatkeep: Command, database_url: str) -> None:
    await run(database_url, f"ALTER DATABASE {name_of(database_url)} SET synchronous_commit = off")
    ran = await chatkeep("doctor", "--json")
    assert (ran.code, level_of(ran, "synchronous_commit is off")) == (1, "problem")
    ran = await chatkeep("doctor", "--json", CHATKEEP_ALLOW_UNSAFE_DATABASE="true")
    assert (ran.code, level_of(ran, "synchronous_commit is off")) == (0, "warning")


async def test_an_old_database_and_no_administrator(chatkeep: Command, database_url: str) -> None:
    await run(database_url, "DELETE FROM alembic_version")
    ran = await chatkeep("doctor", "--json")
    (found,) = [found for found in ran.objects_of("findings") if "revision (empty)" in found["what"]]
    assert (ran.code, found["level"], found["advice"]) == (1, "problem", "Run `chatkeep db upgrade`.")


async def test_without_a_database_it_says_what_would_be_used_and_makes_nothing(
    bare_chatkeep: Command, tmp_path: Path
) -> None:
    folder = tmp_path / "new" / "data"
    ran = await bare_chatkeep("doctor", "--json", "--data-dir", str(folder))
    assert level_of(ran, f"There is no database in {folder} yet") == "note"
    assert level_of(ran, "The embedded server is PostgreSQL") == "ok"
    assert not folder.exists()
    (source,) = [each["source"] for each in ran.object["settings"] if each["name"] == "CHATKEEP_DATA_DIR"]
    assert source == "option"
    ran = await bare_chatkeep("doctor", "--json", CHATKEEP_POSTGRES_BIN=str(tmp_path))
    assert (ran.code, level_of(ran, "CHATKEEP_POSTGRES_BIN is")) == (1, "problem")


async def test_the_model_is_asked_for_one_token() -> None:
    with Upstream(api_key="right", models=("small", "large")) as upstream:
        for key, model, path, part, level in (
            ("right", None, "/v1", "its first model, small, is used", Level.OK),
            ("right", None, "", "its first model, small, is used", Level.OK),
            ("right", "large", "/v1", "has large", Level.OK),
            ("right", "large", "/v1/chat/completions", "has large", Level.OK),
            ("right", "huge", "/v1", "it offers small, large", Level.WARNING),
            ("right", None, "/elsewhere", "should name the model in CHATKEEP_MODEL", Level.PROBLEM),
            ("right", "large", "/elsewhere", "has no model named “large”", Level.PROBLEM),
            ("geheim", None, "/v1", "refused the service's key (HTTP 401)", Level.PROBLEM),
            (None, None, "/v1", "asks for a key (HTTP 401)", Level.PROBLEM),
            ("right", "fault-500", "/v1", "no model named “fault-500”. It offers small, large.", Level.PROBLEM),
            ("right", "fault-500", "/v1", "failed (HTTP 500)", Level.PROBLEM),
            ("right", "fault-reset", "/v1", "broke before the reply was whole", Level.PROBLEM),
            ("geheim\x01", None, "/v1", "no HTTP header can carry", Level.PROBLEM),
        ):
            url = upstream.url.removesuffix("/v1") + path
            findings = Findings()
            settings = Settings.read(model_url=url, model_api_key=key, model=model)
            await asyncio.to_thread(look_at_model, settings, findings)
            (found,) = findings
            assert part in found.what
            assert found.level is level
            assert "geheim" not in found.what + found.advice


async def test_it_asks_the_model_that_serve_would_be_given(chatkeep: Command) -> None:
    with Upstream(models=("small", "large")) as upstream:
        ran = await chatkeep("doctor", "--json", "--model-url", upstream.url, "--model", "huge")
    assert level_of(ran, "it offers small, large") == "warning"


def test_shown_addresses_hold_no_secret() -> None:
    assert without_secrets("https://me:geheim@host:1/v1?key=geheim") == "https://…@host:1/v1?…"
    assert without_secrets("https://me:ge@he/im?#1@host:1/v1?key=geheim") == "https://…@host:1/v1?…"
    assert without_secrets("http://127.0.0.1:11434/v1") == "http://127.0.0.1:11434/v1"
    assert shown_url("postgresql://me:geheim@h/x?sslmode=require&password=geheim") == (
        "postgresql://me:***@h/x?sslmode=require"
    )
