"""Every setting, from where it is written to the process that serves, through the real command."""

import asyncio
import base64
import inspect
import ipaddress
import json
import pickle
import re
from pathlib import Path
from typing import Any

import httpx2
import pytest
from pydantic import SecretStr

from chatkeep.chatstream_roles import ChatStreamApis, ChatStreamRole
from chatkeep.cli.commands.serve import serve
from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from tests.cli.command_runner import Command
from tests.support.process import CHATKEEP, ServeProcess, serving, serving_by
from tests.support.programs import free_port

EXAMPLE = Path(__file__).parents[2] / ".env.example"
# Blanks at both ends, and everything that a shell, a list, a file or JSON might take for its own.
ODD = "  p, a\"s's $w #o\\n\\\\r=d:%é日\nsecond line\t "
KEY = "$0123456789 'abc' \"def\" #ghi\\jkl \\n é=%"


def samples(database_url: str, folder: Path, port: int) -> dict[str, tuple[str, object]]:
    """Return for each setting a text that is not its default, and the value that it stands for."""
    return {
        "database_url": (database_url, SecretStr(database_url)),
        "read_database_url": (database_url, SecretStr(database_url)),
        "read_max_lag_seconds": ("60", 60),
        "data_dir": (f"{folder}/da ta", folder / "da ta"),
        "postgres_bin": ("/opt/post gres/bin", Path("/opt/post gres/bin")),
        "database_pool_size": ("7", 7),
        "allow_unsafe_database": ("true", True),
        "host": ("localhost", "localhost"),
        "port": (str(port), port),
        "workers": ("2", 2),
        "allowed_hosts": ("a.example, b.example,*", ("a.example", "b.example", "*")),
        "allowed_origins": ("https://a.example,http://b.example:81", ("https://a.example", "http://b.example:81")),
        "trusted_proxies": (
            "10.0.0.0/8,::1",
            (ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("::1")),
        ),
        "root_path": ("/a/chat", "/a/chat"),
        "max_body_bytes": ("2048", 2048),
        "max_import_bytes": ("4096", 4096),
        "max_file_bytes": ("8192", 8192),
        "file_quota_bytes": ("65536", 65536),
        "mcp": ("false", False),
        "openai_store": ("Always", "always"),
        "max_connections": ("100", 100),
        "max_connections_per_address": ("50", 50),
        "head_timeout_seconds": ("20", 20),
        "body_timeout_seconds": ("60", 60),
        "metrics_host": ("localhost", "localhost"),
        "metrics_port": (str(port + 1), port + 1),
        "metrics_token": ("a-token:$with%signs", SecretStr("a-token:$with%signs")),
        "secret_key": (f"{KEY} old, {KEY} new", (SecretStr(f"{KEY} old"), SecretStr(f"{KEY} new"))),
        "cookie_secure": ("false", False),
        "cookie_name": ("other", "other"),
        "session_idle_seconds": ("7200", 7200),
        "session_max_seconds": ("8000", 8000),
        "allow_registration": ("false", False),
        "max_registrations_per_hour": ("30", 30),
        "max_access_tokens": ("5", 5),
        "access_token_max_seconds": ("86400", 86400),
        "allow_guests": ("true", True),
        "guest_ttl_seconds": ("3600", 3600),
        "admin_username": ("root日本", "root日本"),
        "admin_password": (ODD, SecretStr(ODD)),
        "require_audit_reason": ("true", True),
        "auth_user_header": ("X-User", "X-User"),
        "auth_email_header": ("X-Email", "X-Email"),
        "auth_name_header": ("X-Name", "X-Name"),
        "auth_proxies": ("192.168.1.1", (ipaddress.ip_network("192.168.1.1"),)),
        "auth_secret": (ODD, SecretStr(ODD)),
        "auth_secret_header": ("X-Other-Secret", "X-Other-Secret"),
        "model_url": ("http://127.0.0.1:1/v1?a=b&c=$d", "http://127.0.0.1:1/v1?a=b&c=$d"),
        "model_api_key": (ODD, SecretStr(ODD)),
        "model": ("org/model name:7b#q4", "org/model name:7b#q4"),
        "model_proxy": ("http://me:a%40b@proxy:3128", SecretStr("http://me:a%40b@proxy:3128")),
        "model_first_token_seconds": ("30", 30),
        "model_next_token_seconds": ("9", 9),
        "counted_models": ("small, org/large", ("small", "org/large")),
        "context_tokens": ("1024", 1024),
        "max_generations": ("3", 3),
        "max_queued": ("0", 0),
        "flush_interval_ms": ("50", 50),
        "lease_seconds": ("20", 20),
        "shutdown_grace_seconds": ("1", 1),
        "follower_timeout_seconds": ("5", 5),
        "chatstream_roles": (
            '{"user": {"apis": {"allow": ["chat_stream", "get_load"]}}}',
            {"user": ChatStreamRole(apis=ChatStreamApis(allow=("chat_stream", "get_load")))},
        ),
        "retention_days": ('{"user": 365, "guest": 7}', {"user": 365, "guest": 7}),
        "log_level": ("ERROR", "error"),
        "log_format": ("json", "json"),
    }


OPTIONS = [name for name in inspect.signature(serve).parameters if name in Settings.model_fields]


def test_every_setting_has_a_sample_that_is_not_its_default(tmp_path: Path) -> None:
    given = samples("postgresql://h/d", tmp_path, 1)
    assert set(given) == set(Settings.model_fields), "add what is new to `samples`"
    for name, field in Settings.model_fields.items():
        assert given[name][1] != field.get_default(call_default_factory=True), name


def quoted(text: str) -> str:
    """Return a value for `.env`, as `.env.example` says to write one."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


async def read_by_workers(service: ServeProcess, count: int) -> list[dict[str, Any]]:
    """Return the settings that each worker process has read."""
    found: dict[int, dict[str, Any]] = {}
    async with asyncio.timeout(120):
        while len(found) < count:
            # A new connection each time: any worker may take it, and one that is still starting does so late.
            answer = await asyncio.to_thread(httpx2.get, service.url, timeout=120)
            pid, read = pickle.loads(base64.b64decode(answer.content))
            found[pid] = read
    return list(found.values())


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("source", ["environment", "file", "options"])
async def test_a_setting_arrives_as_it_was_given(database_url: str, tmp_path: Path, source: str, workers: int) -> None:
    given = samples(database_url, tmp_path, free_port(beside=1)) | {"workers": (str(workers), workers)}
    texts = {name: text for name, (text, _) in given.items()}
    command_line: list[str] = ["--app", "tests.support.probe:app"]
    variables: dict[str, object] = dict(texts)
    if source == "file":
        lines = [f"CHATKEEP_{name.upper()}={quoted(text)}\n" for name, text in texts.items()]
        (tmp_path / ".env").write_text("".join(lines))
        variables = {"secret_key": "", "cookie_secure": "", "port": ""}
    elif source == "options":
        # What the environment and the file say then, does not count.
        (tmp_path / ".env").write_text("".join(f"CHATKEEP_{name.upper()}=another\n" for name in OPTIONS))
        for name in OPTIONS:
            command_line += [f"--{name.replace('_', '-')}", texts[name]]
            variables[name] = "yet another"
    # A program of its own where the command line says the most: everybody can read that.
    program = CHATKEEP if source == "options" else None
    async with serving_by(program, tmp_path, *command_line, **variables) as service:
        expected = {name: value for name, (_, value) in given.items()}
        for read in await read_by_workers(service, workers):
            assert read == expected
        assert read["secret_key"][1].get_secret_value() not in " ".join(command_line_of(service.pid))


def command_line_of(pid: int) -> list[str]:
    """Return the arguments of a process and of its children, which everybody on the machine may read."""
    import psutil

    process = psutil.Process(pid)
    return [word for each in (process, *process.children(recursive=True)) for word in each.cmdline()]


async def test_a_worker_that_comes_later_is_as_the_others(database_url: str, tmp_path: Path) -> None:
    """Whatever the file says by then."""
    import psutil

    env_file = tmp_path / ".env"
    env_file.write_text("CHATKEEP_MODEL=first\n")
    async with serving_by(
        CHATKEEP, tmp_path, "--app", "tests.support.probe:app", "--workers", "2", database_url=database_url
    ) as service:
        assert {read["model"] for read in await read_by_workers(service, 2)} == {"first"}
        env_file.write_text("CHATKEEP_MODEL=second\nCHATKEEP_CONTEXT_TOKENS=512\n")
        for worker in psutil.Process(service.pid).children():
            if "spawn_main" in " ".join(worker.cmdline()):
                worker.kill()
        for read in await read_by_workers(service, 2):
            assert (read["model"], read["context_tokens"]) == ("first", 8192)


def read_in(folder: Path, monkeypatch: pytest.MonkeyPatch, text: str, **variables: str) -> Settings:
    """Return the settings read in a folder with that `.env` and these variables alone."""
    (folder / ".env").write_text(text)
    monkeypatch.chdir(folder)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return Settings.read()


def test_an_empty_variable_is_not_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_in(
        tmp_path,
        monkeypatch,
        "CHATKEEP_MODEL=of the file\nCHATKEEP_ALLOWED_HOSTS=\n",
        CHATKEEP_MODEL="",
        CHATKEEP_PORT="",
    )
    assert (read.model, read.allowed_hosts, read.port) == ("of the file", (), 8000)


def test_the_environment_takes_the_place_of_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Roles too: a rule of the file that is left would delete what nobody wants deleted."""
    read = read_in(
        tmp_path,
        monkeypatch,
        'CHATKEEP_RETENTION_DAYS={"guest": 1, "user": 2}\nCHATKEEP_CHATSTREAM_ROLES={"admin": {"apis": {"allow": []}}}',
        CHATKEEP_RETENTION_DAYS='{"admin": 3650}',
        CHATKEEP_CHATSTREAM_ROLES='{"user": {"apis": {"allow": "all"}}}',
    )
    assert read.retention_days == {"admin": 3650}
    assert set(read.chatstream_roles) == {"user"}


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("plain", "plain"),
        ("a b c", "a b c"),
        ("'  # $x \\'q\\' '", "  # $x 'q' "),
        ('"a \\"b\\" \\n c"', 'a "b" \n c'),
        ("pa$$word$", "pa$$word$"),
        ("${OTHER}", "the other"),
        ("before # a comment", "before"),
    ],
)
def test_values_in_the_file_are_written_as_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, written: str, value: str
) -> None:
    assert read_in(tmp_path, monkeypatch, f"CHATKEEP_MODEL={written}\n", OTHER="the other").model == value


@pytest.mark.parametrize(
    ("name", "value", "part"),
    [
        ("RETENTION_DAYS", "365", "CHATKEEP_RETENTION_DAYS"),
        ("RETENTION_DAYS", "{user: 365}", "CHATKEEP_RETENTION_DAYS: is not JSON"),
        ("RETENTION_DAYS", '{"user": 0}', "CHATKEEP_RETENTION_DAYS"),
        ("CHATSTREAM_ROLES", "all", "CHATKEEP_CHATSTREAM_ROLES: is not JSON"),
        ("PORT", "tcp://10.0.0.1:8000", "enableServiceLinks"),
        ("PORT", "99999", "CHATKEEP_PORT: must be a whole number from 0 to 65535\n"),
        ("METRICS_PORT", "many", "CHATKEEP_METRICS_PORT: must be a whole number from 1 to 65535\n"),
        ("MAX_CONNECTIONS", "0", "CHATKEEP_MAX_CONNECTIONS: must be a whole number from 1 to 1000000\n"),
        ("ALLOWED_HOSTS", '["chat.example.org"]', "Write names such as chat.example.org"),
        ("CONTEXT_TOKENS", "many", "CHATKEEP_CONTEXT_TOKENS: must be a whole number from 256\n"),
        ("COOKIE_SECURE", "perhaps", "CHATKEEP_COOKIE_SECURE: must be true or false\n"),
        ("LOG_FORMAT", "xml", "CHATKEEP_LOG_FORMAT: must be one of auto, json, console\n"),
        ("COOKIE_NAME", "a b", "CHATKEEP_COOKIE_NAME: must be a name of letters"),
        ("AUTH_USER_HEADER", "X User", "CHATKEEP_AUTH_USER_HEADER: must be the name of a header"),
        ("RETENTION_DAYS", '{"user": 1, "user": 2}', "CHATKEEP_RETENTION_DAYS: names something twice"),
        ("RETENTION_DAYS", '{"robot": 1}', "CHATKEEP_RETENTION_DAYS: must be JSON of the roles user, admin and guest"),
        ("CHATSTREAM_ROLES", "[" * 100_000, "CHATKEEP_CHATSTREAM_ROLES: is not JSON"),
        ("CHATSTREAM_ROLES", '{"user": 5}', "CHATKEEP_CHATSTREAM_ROLES: must be JSON of the roles user and admin"),
        ("CHATSTREAM_ROLES", '{"user": {"apis": {"allow": 5}}}', "CHATKEEP_CHATSTREAM_ROLES: must be JSON of the"),
        ("CHATSTREAM_ROLES", "[5]", "CHATKEEP_CHATSTREAM_ROLES: must be JSON of the roles user and admin"),
        ("MODEL_URL", "ftp://h", "CHATKEEP_MODEL_URL: write the http or https address"),
        ("MODEL_URL", "http://", "CHATKEEP_MODEL_URL: write the http or https address"),
        ("MODEL_URL", "http://[::1/v1", "CHATKEEP_MODEL_URL: write the http or https address"),
        ("MODEL_URL", "http://127.0.0.1:99999/v1", "CHATKEEP_MODEL_URL: write the http or https address"),
        ("MODEL_URL", "http://127.0.0.1:0/v1", "CHATKEEP_MODEL_URL: write the http or https address"),
        ("MODEL_PROXY", "socks5://me:geheim@h:1", "CHATKEEP_MODEL_PROXY: write the http or https address of a proxy"),
        ("MODEL_FIRST_TOKEN_SECONDS", "0", "CHATKEEP_MODEL_FIRST_TOKEN_SECONDS: "),
        ("MODEL_URL", "http://a b/v1", "CHATKEEP_MODEL_URL: write the http or https address"),
    ],
)
async def test_a_value_that_cannot_be_used_is_one_sentence(
    bare_chatkeep: Command, name: str, value: str, part: str
) -> None:
    for command in ("serve", "doctor"):
        ran = await bare_chatkeep(command, **{f"CHATKEEP_{name}": value})
        assert ran.code == 1
        shown = "\n".join(line.rstrip() for line in (ran.out + ran.err).splitlines()) + "\n"
        assert part in shown
        assert len(shown) < 2000
        assert not re.search("Input should|String should|instance of", shown)


@pytest.mark.parametrize("name", ["HOST", "ALLOWED_HOSTS", "ALLOWED_ORIGINS", "TRUSTED_PROXIES", "ROOT_PATH"])
@pytest.mark.parametrize("text", ["a" * 5000, "a b" * 2000, "'" * 5000])
def test_a_long_value_is_not_shown_whole(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"CHATKEEP_{name}", text)
    with pytest.raises(ConfigurationError) as refused:
        Settings.read()
    assert f"CHATKEEP_{name}: " in refused.value.detail
    assert len(refused.value.detail) < 500


def test_blanks_around_a_word_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in (("COOKIE_SECURE", " FALSE "), ("ALLOW_GUESTS", "\ttrue\n"), ("LOG_FORMAT", " json ")):
        monkeypatch.setenv(f"CHATKEEP_{name}", text)
    read = Settings.read()
    assert (read.cookie_secure, read.allow_guests, read.log_format) == (False, True, "json")


FRONT = {"AUTH_USER_HEADER": "X-User", "ALLOW_REGISTRATION": "false", "AUTH_SECRET": "0123456789" * 4}


@pytest.mark.parametrize(
    "changed",
    [
        {"ALLOW_REGISTRATION": "true"},
        {"AUTH_SECRET": ""},
        {"AUTH_SECRET": "short"},
        {"AUTH_SECRET": "\u00e9" * 40},
        {"AUTH_SECRET": " " + "0123456789" * 4},
        {"AUTH_SECRET_HEADER": "x-user"},
        {"AUTH_EMAIL_HEADER": "X-User"},
        {"AUTH_USER_HEADER": ""},
        {"AUTH_USER_HEADER": "", "AUTH_SECRET": "", "AUTH_PROXIES": "10.0.0.5"},
        {"AUTH_SECRET_HEADER": "authorization"},
        *({"AUTH_USER_HEADER": name} for name in ("Host", "Cookie", "Authorization", "X-Forwarded-For", "user-agent")),
        {"MODEL_URL": "http://127.0.0.1:1/v1", "MODEL_API_KEY": "\u00e9"},
    ],
)
async def test_the_doctor_refuses_what_the_service_refuses_in_the_same_words(
    chatkeep: Command, changed: dict[str, str]
) -> None:
    variables = {f"CHATKEEP_{name}": text for name, text in (FRONT | changed).items()}
    served = await chatkeep("serve", "--port", "0", CHATKEEP_LOG_LEVEL="error", **variables)
    assert (served.code, served.out) == (1, "")
    sentence = served.err.strip().splitlines()[-1].removeprefix("chatkeep: ")
    examined = await chatkeep("doctor", "--json", **variables)
    assert sentence in [each["what"] for each in examined.objects_of("findings") if each["level"] == "problem"]


async def test_a_file_that_cannot_be_read_is_one_sentence(bare_chatkeep: Command) -> None:
    (bare_chatkeep.folder / ".env").write_bytes(b"CHATKEEP_MODEL=\xff\xfe\n")
    for command in (["serve"], ["doctor"], ["db", "current"], ["backup", "x"]):
        ran = await bare_chatkeep(*command)
        assert ran.code == 1
        assert "The file .env in" in ran.out + ran.err


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("CHATKEEP_PORT='18188\n", "Line 1"),
        ("\n# fine\nCHATKEEP_MODEL=m\n\ngeheim\n", "Line 5"),
        ("CHATKEEP_COOKIE_SECURE\n", "Line 1"),
        ("CHATKEEP_MODEL=m\n=5\n\nCHATKEEP_ALLOWED_HOSTS='a' geheim\n", "Lines 2, 4"),
        ('CHATKEEP_MODEL="m\nCHATKEEP_ALLOWED_HOSTS="\n', "Line 1"),
    ],
)
async def test_a_line_of_the_file_that_says_nothing_is_refused_by_its_number(
    bare_chatkeep: Command, text: str, lines: str
) -> None:
    (bare_chatkeep.folder / ".env").write_text(text)
    for command in ("serve", "doctor"):
        ran = await bare_chatkeep(command)
        assert ran.code == 1
        assert f"{lines} of {bare_chatkeep.folder}/.env cannot be read: write NAME=value" in ran.out + ran.err
        assert "geheim" not in ran.out + ran.err


def test_a_value_of_several_lines_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read = read_in(tmp_path, monkeypatch, "export CHATKEEP_MODEL='a\nb' # said\n#\n\nOTHER=\n")
    assert read.model == "a\nb"


def documented() -> dict[str, tuple[str, str]]:
    """Return each setting of `.env.example` with the value that is shown, and what is said above it."""
    found: dict[str, tuple[str, str]] = {}
    said: list[str] = []
    for line in EXAMPLE.read_text().splitlines():
        if name := re.fullmatch(r"#CHATKEEP_([A-Z_]+)=(.*)", line):
            assert name[1].lower() not in found, f"{name[1]} is there twice"
            found[name[1].lower()] = name[2], " ".join(said)
            said = []
        else:
            said.append(line.strip("# "))
    return found


def test_every_setting_is_documented_with_its_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = documented()
    assert set(shown) == set(Settings.model_fields)
    for name, field in Settings.model_fields.items():
        text, said = shown[name]
        default = field.get_default(call_default_factory=True)
        read = getattr(read_in(tmp_path, monkeypatch, f"CHATKEEP_{name.upper()}={text}\n"), name)
        if text and default is None:
            assert "Unset: " in said, f"{name} shows an example: say what it is when it is unset"
        else:
            assert read == default, name


async def test_every_documented_value_is_accepted(chatkeep: Command, database_url: str, tmp_path: Path) -> None:
    lines = [line.removeprefix("#") for line in EXAMPLE.read_text().splitlines() if line.startswith("#CHATKEEP_")]
    (example,) = re.findall(r"[Ff]or example (\{.*?\})\.", EXAMPLE.read_text())
    lines.append(f"CHATKEEP_RETENTION_DAYS={example}")
    env_file = chatkeep.folder / ".env"
    env_file.write_text("\n".join(lines))
    env_file.chmod(0o600)
    # What the examples alone cannot be: a database, and a server in front that may sign people in.
    around = {"database_url": database_url, "allow_registration": "false", "auth_proxies": "127.0.0.1"}
    ran = await chatkeep("doctor", "--json", **{f"CHATKEEP_{name.upper()}": value for name, value in around.items()})
    settings = {each["name"]: each for each in ran.object["settings"]}
    assert json.loads(settings["CHATKEEP_RETENTION_DAYS"]["value"].replace("'", '"')) == json.loads(example)
    assert settings["CHATKEEP_MODEL_URL"]["source"] == ".env"
    problems = [found for found in ran.objects_of("findings") if found["level"] == "problem"]
    assert [found["area"] for found in problems] == ["Model"]  # nobody answers at the example's address
    async with serving(chatkeep.folder, **around) as service:
        assert httpx2.get(f"{service.url}/readyz").status_code == 200


def test_handed_over_settings_come_before_everything_but_options(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Own(Settings):
        greeting: str = "none"

    monkeypatch.setattr(Settings, "_handed_over", None)
    Settings.read(model="handed", database_url="postgresql://h/handed").hand_over()
    read = read_in(tmp_path, monkeypatch, "", CHATKEEP_MODEL="environment", CHATKEEP_DATABASE_URL="postgresql://h/env")
    assert read.model == "handed"
    assert read == Settings()
    assert read.database_url == SecretStr("postgresql://h/handed")
    assert Settings.read(model="option").model == "option"
    assert Settings.read(database_url="postgresql://h/option").database_url == SecretStr("postgresql://h/option")
    monkeypatch.setenv("CHATKEEP_GREETING", "hello")
    assert (Own.read().model, Own.read().greeting) == ("handed", "hello")


def test_no_error_shows_a_value(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKEEP_RETENTION_DAYS", "geheim")
    monkeypatch.setenv("CHATKEEP_PORT", "geheim")
    with pytest.raises(ConfigurationError) as refused:
        Settings.read()
    assert "geheim" not in refused.value.detail
