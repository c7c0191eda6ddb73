"""The words at the end of a start, which are true."""

import asyncio
import re
import shlex
import socket
from pathlib import Path

import httpx2
import pytest

from chatkeep.cli.doctor.findings import Findings
from chatkeep.cli.doctor.reachability import look_at_reachability, reachable_addresses
from chatkeep.cli.interfaces import host_names, lan_addresses
from chatkeep.cli.server.welcome import Administrator, announce
from chatkeep.config import Settings
from chatkeep.hosts import to_url_host
from tests.audit.audit_fixtures import tamper
from tests.cli.command_runner import Command, without_styles
from tests.cli.commands.test_users import insert_users
from tests.support.databases import run
from tests.support.process import serving
from tests.support.running_service import running, settings_for

LOCAL = {"log_level": "error"}


def block_of(log: str) -> dict[str, str]:
    """Return the block's rows by their label."""
    return dict(
        re.findall(
            r"^  (Open|From other machines|Through the proxy|Sign in as|Sign in|Password) +(\S.*)$", log, re.MULTILINE
        )
    )


async def sign_in(url: str, username: str, password: str) -> int:
    async with httpx2.AsyncClient(base_url=url, verify=False, trust_env=False, timeout=30) as client:
        body = {"username": username, "password": password}
        return (await client.post("/api/v1/auth/login", json=body)).status_code


async def test_the_first_start_says_where_and_as_whom_to_sign_in(tmp_path: Path, database_url: str) -> None:
    async with serving(tmp_path, "--local", database_url=database_url, **LOCAL) as service:
        block = block_of(service.log)
        assert block["Open"] == f"{service.url}/"
        assert block["Password"].isalnum()
        assert await sign_in(block["Open"], block["Sign in as"], block["Password"]) == 200
        assert (await asked(block["Open"])).status_code == 200
    async with serving(tmp_path, "--local", "--workers", "2", database_url=database_url, **LOCAL) as service:
        assert block_of(service.log) == {"Open": f"{service.url}/", "Sign in as": "admin"}


async def asked(url: str) -> httpx2.Response:
    async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=30) as client:
        return await client.get(url, headers={"Accept": "text/html"})


async def test_a_configured_password_is_named_and_not_shown(tmp_path: Path, database_url: str) -> None:
    password = "geheim configured password"
    settings = {"admin_username": "root", "admin_password": password, "root_path": "/chat", **LOCAL}
    async with serving(tmp_path, database_url=database_url, **settings) as service:
        block = block_of(service.log)
        assert block["Open"] == f"{service.url}/chat/"
        assert (await asked(block["Open"])).status_code == 200
        assert (block["Sign in as"], block["Password"]) == ("root", "the one in CHATKEEP_ADMIN_PASSWORD")
        assert "geheim" not in service.log
        assert await sign_in(service.url, "root", password) == 200
    async with serving(tmp_path, database_url=database_url, **settings) as service:
        assert "Password" not in block_of(service.log)
    async with serving(tmp_path, database_url=database_url, **settings | {"admin_password": "geheim other"}) as service:
        assert block_of(service.log)["Password"].startswith("not the one in CHATKEEP_ADMIN_PASSWORD")
        assert "`chatkeep user password root` sets another." in service.log
        assert "geheim" not in service.log
        assert await sign_in(service.url, "root", "geheim other") == 401
        assert await sign_in(service.url, "root", password) == 200


async def test_where_nobody_can_sign_in_it_says_how_to_make_an_administrator(tmp_path: Path, chatkeep: Command) -> None:
    database_url = chatkeep.settings["CHATKEEP_DATABASE_URL"]
    settings = {"allow_registration": "false", **LOCAL}
    async with serving(tmp_path, database_url=database_url, **settings) as service:
        assert set(block_of(service.log)) == {"Open"}
        assert "Nobody can administer: there is no administrator who can sign in." in service.log
        (advice,) = re.findall(r"^  chatkeep (user create .*)$", service.log, re.MULTILINE)
        made = await chatkeep(*shlex.split(advice.replace("NAME", "alice")), "--random-password")
        assert made.code == 0, made.err
        assert await sign_in(service.url, "alice", made.out.strip()) == 200
    async with serving(tmp_path, database_url=database_url, **settings) as service:
        assert block_of(service.log)["Sign in as"] == "alice"
        assert "Nobody" not in service.log
    await run(database_url, "UPDATE users SET disabled = true")
    async with serving(tmp_path, database_url=database_url, **settings) as service:
        assert "every administrator is disabled.\n  chatkeep user enable alice" in service.log
    report = await chatkeep("doctor")
    assert "every administrator is disabled.\n    chatkeep user enable alice" in report.out


async def test_the_start_and_the_doctor_say_the_same_of_what_keeps_people_out(
    tmp_path: Path, chatkeep: Command, database_url: str
) -> None:
    await insert_users(database_url, "root", role="admin")
    settings = {"host": "0.0.0.0", "cookie_secure": "true"}
    report = await chatkeep("doctor", "--json", **{f"CHATKEEP_{name.upper()}": text for name, text in settings.items()})
    expected = Findings()
    look_at_reachability(Settings.read(secret_key="k" * 32, host="0.0.0.0"), expected)
    findings = [each for each in report.objects_of("findings") if each["what"] in {found.what for found in expected}]
    assert len(findings) == len(expected) >= 1
    async with serving(tmp_path, database_url=database_url, **settings, **LOCAL) as service:
        port = service.url.rpartition(":")[2]
        for each in findings:
            assert f"  {each['what'].replace(':8000/', f':{port}/')}\n  {each['advice']}\n" in service.log
        assert block_of(service.log)["Open"] == f"http://127.0.0.1:{port}/"
    told = " ".join(each["what"] + each["advice"] for each in findings)
    assert "Nobody stays signed in where the page is opened over plain http" in told
    assert "CHATKEEP_COOKIE_SECURE=false" in told
    if names := host_names():
        assert f"CHATKEEP_ALLOWED_HOSTS={','.join(names)}" in told


async def test_behind_a_proxy_it_shows_where_people_come_in(tmp_path: Path, database_url: str) -> None:
    """Over plain http, at the machine's own addresses, browsers keep no cookie."""
    settings = {
        "host": "0.0.0.0",
        "trusted_proxies": "10.0.0.5",
        "root_path": "/chat",
        "cookie_secure": "true",
        **LOCAL,
    }
    names = "*.example.org,chat.example.org"
    async with serving(tmp_path, database_url=database_url, allowed_hosts=names, **settings) as service:
        block = block_of(service.log)
        assert block["Through the proxy"] == "https://chat.example.org/chat/"
        assert "From other machines" not in block


async def test_what_the_start_advises_lets_people_in(tmp_path: Path, database_url: str) -> None:
    names = host_names()
    if not names:
        pytest.skip("this machine has no name of its own")
    settings = {"host": "0.0.0.0", "allowed_hosts": ",".join(names), "cookie_secure": "false", **LOCAL}
    async with serving(tmp_path, database_url=database_url, **settings) as service:
        port = service.url.rpartition(":")[2]
        for name in names:
            async with httpx2.AsyncClient(verify=False, trust_env=False, timeout=30) as client:
                answer = await client.get(f"http://127.0.0.1:{port}/", headers={"Host": f"{name}:{port}"})
                assert answer.status_code == 200
        assert "refused" not in service.log


async def test_a_start_says_in_its_summary_that_the_trail_does_not_fit(tmp_path: Path, database_url: str) -> None:
    says = "does not end as it was sealed with this signing key.\n  `chatkeep audit verify` says where."
    settings = {"database_url": database_url, "data_dir": tmp_path / "data", **LOCAL}
    async with serving(tmp_path, **settings, admin_password="a password that is long") as service:
        assert says not in service.log
    await tamper(database_url, """UPDATE audit_chains SET seals = '{"0": "0"}' WHERE chain = 5""")
    async with serving(tmp_path, **settings) as service:
        assert says in service.log.partition("  Open ")[2]


async def test_addresses_for_other_machines_work(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.cli.doctor.reachability.in_container", lambda: False)
    for host in ("0.0.0.0", "::"):
        addresses = reachable_addresses(Settings.read(host=host))
        assert addresses == lan_addresses(ipv6=host == "::")
        async with serving(tmp_path, "--host", host, database_url=database_url, **LOCAL) as service:
            for address in addresses:
                url = f"http://{to_url_host(address)}:{service.url.rpartition(':')[2]}/"
                assert (await asked(url)).status_code == 200


def told(monkeypatch: pytest.MonkeyPatch, *, container: bool = False, **settings: object) -> str:
    """Return the words on a machine called box with the address 192.168.1.20."""
    place = "chatkeep.cli.doctor.reachability"
    monkeypatch.setattr(f"{place}.host_names", lambda: ["box", "box.local"])
    monkeypatch.setattr(f"{place}.lan_addresses", lambda *, ipv6: ["192.168.1.20"])
    monkeypatch.setattr(f"{place}.in_container", lambda: container)
    findings = Findings()
    look_at_reachability(Settings.read(**({"secret_key": "k" * 32} | settings)), findings)
    return "\n".join(f"{each.what} {each.advice}" for each in findings)


def test_only_what_keeps_people_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    everywhere = told(monkeypatch, host="0.0.0.0")
    assert "CHATKEEP_ALLOWED_HOSTS=box,box.local" in everywhere
    assert "http://192.168.1.20:8000/" in everywhere
    assert told(monkeypatch) == ""
    assert told(monkeypatch, host="::1") == ""
    assert told(monkeypatch, host="0.0.0.0", allowed_hosts="box", cookie_secure=False) == ""
    assert told(monkeypatch, host="0.0.0.0", allowed_hosts="chat.example.org", trusted_proxies="10.0.0.1") == ""
    # Only `serve --local` starts without a key, and it sends the cookie over plain http.
    assert "plain http" not in told(monkeypatch, host="0.0.0.0", secret_key="")
    assert "plain http" in told(monkeypatch, host="0.0.0.0", secret_key="", cookie_secure=True)
    assert "at the name box.local;" in told(monkeypatch, host="box")


def test_behind_a_proxy_the_name_of_the_address_bar_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = told(monkeypatch, trusted_proxies="127.0.0.1")
    assert "CHATKEEP_TRUSTED_PROXIES is set and CHATKEEP_ALLOWED_HOSTS is not" in behind
    assert "CHATKEEP_ALLOWED_HOSTS=chat.example.org" in behind


def test_a_container_does_not_claim_its_own_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    inside = told(monkeypatch, container=True, host="0.0.0.0")
    assert "http://192.168.1.20:8000/" not in inside
    assert "address of the machine around it" in inside


async def test_on_a_terminal_it_has_colours_and_is_one_block(tmp_path: Path, chatkeep: Command) -> None:
    """The first start in one terminal, until Ctrl-C."""
    shown = await chatkeep.on_terminal(
        "serve", "--local", "--port", "0", typed=[("listening on", "\x03")], CHATKEEP_LOG_LEVEL="error", COLUMNS="40"
    )
    assert "\x1b[1;36mhttp://127.0.0.1:" in shown.out
    plain = without_styles(shown.out)
    assert re.search(
        r"\n  Open        http://127\.0\.0\.1:\d+/\n  Sign in as  admin\n  Password    [A-Za-z0-9]{21}\n"
        r" +It is shown this once; `chatkeep user password admin` sets another\.\n\nlistening on http://127\.0\.0\.1:\d+",
        plain,
    ), plain


def test_a_start_that_failed_before_it_was_announced_is_not_announced(capfd: pytest.CaptureFixture[str]) -> None:
    listener = socket.socket()
    listener.close()
    announce(listener, settings_for("postgresql://h/d"), Administrator(None))
    assert capfd.readouterr() == ("", "")


class ListenerAt(socket.socket):
    """A socket that stands for the one of a service that runs already."""

    address: tuple[str, int]

    def getsockname(self) -> tuple[str, int]:
        return self.address


async def test_a_service_that_does_not_become_ready_says_why(
    database_url: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """At another revision than this version's `/readyz` is 503, until that is put right."""
    async with running(database_url) as service:
        await run(database_url, "UPDATE alembic_version SET version_num = 'x' || version_num")
        with ListenerAt() as listener:
            listener.address = ("127.0.0.1", int(service.url.rpartition(":")[2]))
            settings = settings_for(database_url)
            waiting = asyncio.create_task(
                asyncio.to_thread(announce, listener, settings, Administrator(None), ready_seconds=0.2)
            )
            err = await said_in(capfd, "It keeps trying.")
            assert (
                "chatkeep: The service is not ready after 0 s. /readyz says 503: The database is at revision x" in err
            )
            assert not waiting.done()
            await run(database_url, "UPDATE alembic_version SET version_num = substr(version_num, 2)")
            await waiting
    assert capfd.readouterr().out == f"listening on {service.url}\n"


async def said_in(capfd: pytest.CaptureFixture[str], part: str) -> str:
    """Return standard error as soon as it has `part` in it."""
    text = ""
    async with asyncio.timeout(60):
        while part not in text:
            await asyncio.sleep(0.05)
            text += capfd.readouterr().err
    return text
