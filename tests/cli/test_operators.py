"""Acts of operators are on record whole: who on this machine, and why."""

import json
import os
import pwd
from collections.abc import AsyncIterator

import pytest

from tests.cli.command_runner import Command, Ran
from tests.support.databases import create_database, drop_database

REASON = "case 4711, 依頼"
PASSWORD = "a password for alice\n"
A_HASH = "$2b$12$" + "." * 22 + "a" * 31
OS_USER = pwd.getpwuid(os.getuid()).pw_name
# A file of one conversation that ended long ago.
HISTORY = {
    "format": "chatkeep/1",
    "id": "0198c0de-0000-7000-8000-000000000001",
    "created_at": "2020-01-01T00:00:00Z",
    "turns": [],
}
POLICY = {"CHATKEEP_RETENTION_DAYS": '{"user": 365}'}
# Each command, and the acts that it leaves on record, oldest first.
ACTS: list[tuple[tuple[str, ...], list[str]]] = [
    (("user", "create", "alice", "--password-stdin"), ["account_created"]),
    (
        ("user", "create", "bob", "--role", "admin", "--password-hash", "$2b$12$" + "." * 22 + "a" * 31),
        ["account_created"],
    ),
    (("user", "create", "carol", "--role", "admin", "--random-password"), ["account_created"]),
    (("user", "password", "alice", "--password-stdin"), ["password_changed"]),
    (("user", "role", "alice", "admin"), ["role_changed"]),
    (("user", "role", "alice", "user"), ["role_changed"]),
    (("user", "hold", "alice"), ["legal_hold_began"]),
    (("user", "release", "alice"), ["legal_hold_ended"]),
    (("user", "disable", "alice"), ["user_disabled"]),
    (("user", "enable", "alice"), ["user_enabled"]),
    (("import", "history.json", "--user", "alice"), ["imported", "imported"]),
    (("export", "--user", "alice"), ["history_exported"]),
    (("history", "--username", "alice"), ["history_read"]),
    (("retention", "run"), ["retention_deleted", "retention_run"]),
    (("audit", "export"), ["audit_exported"]),
    (("audit", "seal"), ["trail_sealed"]),
    (("user", "list"), ["users_listed"]),
    (("stats",), ["statistics_read"]),
    (("audit", "list"), ["audit_read"]),
    (("audit", "verify"), ["audit_verified"]),
    (("backup", "a.backup"), ["backed_up"]),
]
# They show what is nobody's text, or are needed on days on which nothing can be written: on record where they say why.
ON_RECORD_WITH_A_REASON = {"users_listed", "statistics_read", "audit_read", "audit_verified", "backed_up"}


async def rows(chatkeep: Command, **settings: str) -> list[dict[str, object]]:
    listed = await chatkeep("audit", "list", "--all", "--format", "jsonl", **settings)
    assert listed.code == 0, listed.err
    return listed.objects[::-1]


async def carried_out(chatkeep: Command, command: tuple[str, ...], *options: str, **settings: str) -> Ran:
    (chatkeep.folder / "history.json").write_text(json.dumps(HISTORY))
    ran = await chatkeep(*command, *options, stdin=PASSWORD, **POLICY, **settings)
    assert ran.code == 0, ran.err
    return ran


async def test_every_act_tells_who_and_why(chatkeep: Command) -> None:
    seen = 0
    for command, acts in ACTS:
        # Who calls himself somebody else in the environment is found out.
        await carried_out(chatkeep, command, "--reason", REASON, LOGNAME="mallory", USER="mallory")
        new = (await rows(chatkeep))[seen:]
        assert [each["action"] for each in new] == acts, command
        for row in new:
            assert (row["actor_kind"], row["reason"]) == ("operator", REASON), command
            assert isinstance(details := row["details"], dict)
            assert details["os_user"] == OS_USER, command
        seen += len(new)
    assert (await chatkeep("audit", "verify")).code == 0


async def test_without_a_reason_the_same_acts_tell_who(chatkeep: Command) -> None:
    seen = 0
    for command, acts in ACTS:
        if command == ("audit", "seal"):
            continue  # asks for one
        await carried_out(chatkeep, command, *(("--force",) if command[0] == "backup" else ()))
        new = (await rows(chatkeep))[seen:]
        assert [each["action"] for each in new] == [each for each in acts if each not in ON_RECORD_WITH_A_REASON]
        for row in new:
            assert row["reason"] is None
            assert isinstance(details := row["details"], dict)
            assert details["os_user"] == OS_USER
        seen += len(new)


async def test_blanks_are_no_reason(chatkeep: Command) -> None:
    await carried_out(chatkeep, ("user", "create", "alice", "--password-stdin"), "--reason", " \u3000")
    (row,) = await rows(chatkeep)
    assert row["reason"] is None


@pytest.fixture
async def other_url(server_url: str, template: str) -> AsyncIterator[str]:
    url = await create_database(server_url, template)
    yield url
    await drop_database(server_url, url)


async def test_a_restored_trail_tells_that_it_was_restored(chatkeep: Command, other_url: str) -> None:
    await carried_out(chatkeep, ("user", "create", "alice", "--password-stdin"))
    await carried_out(chatkeep, ("backup", "a.backup"))
    elsewhere = {"CHATKEEP_DATABASE_URL": other_url}
    await carried_out(chatkeep, ("restore", "a.backup"), "--reason", REASON, **elsewhere)
    last = (await rows(chatkeep, **elsewhere))[-1]
    assert (last["action"], last["reason"]) == ("restored", REASON)
    assert isinstance(details := last["details"], dict)
    assert details["os_user"] == OS_USER
    assert (await chatkeep("audit", "verify", **elsewhere)).code == 0


async def test_a_restore_with_another_key_says_that_it_is_not_on_record(chatkeep: Command, other_url: str) -> None:
    # Not the folder of whoever runs the tests, where `--local` may keep a key.
    chatkeep.settings["CHATKEEP_DATA_DIR"] = str(chatkeep.folder / "data")
    await carried_out(chatkeep, ("user", "create", "alice", "--password-stdin"))
    await carried_out(chatkeep, ("backup", "a.backup"))
    other_key = {"CHATKEEP_DATABASE_URL": other_url, "CHATKEEP_SECRET_KEY": "another key: 9876543210abcdefghijklmnop"}
    ran = await carried_out(chatkeep, ("restore", "a.backup"), **other_key)
    assert "a.backup is restored." in ran.out
    assert "The restore could not be recorded." in ran.err


@pytest.mark.parametrize("command", [*dict.fromkeys(c[:1] if c[0] in ("import", "export", "history", "stats", "backup")
                                                    else c[:2] for c, _ in ACTS), ("restore",)])  # fmt: skip
async def test_help_teaches_the_reason(bare_chatkeep: Command, command: tuple[str, ...]) -> None:
    shown = await bare_chatkeep(*command, "--help", COLUMNS="200")
    assert shown.code == 0
    assert "--reason" in shown.out
    assert "recorded with" in " ".join(shown.out.split())
