"""`chatkeep audit`: listed, exported, verified, and the operator's own acts on record."""

import hashlib
import json
from pathlib import Path

import pytest

from tests.audit.audit_fixtures import tamper
from tests.cli.command_runner import SECRET_KEY, Command
from tests.support.running_service import RunningService

ACTS = ("account_created", "role_changed", "user_disabled", "user_enabled", "password_changed")


@pytest.fixture
async def acts(chatkeep: Command) -> Command:
    """The command, after an operator did some things."""
    for arguments in (
        ("create", "alice", "--password-stdin"),
        ("role", "alice", "admin"),
        ("disable", "alice"),
        ("enable", "alice"),
        ("password", "alice", "--password-stdin"),
    ):
        if arguments[0] == "disable":
            await chatkeep("user", "create", "bob", "--role", "admin", "--password-stdin", stdin="a password for bob\n")
        ran = await chatkeep("user", *arguments, stdin="a password for alice\n")
        assert ran.code == 0, ran.err
    return chatkeep


async def test_what_an_operator_does_is_listed_and_exported_and_whole(acts: Command, database_url: str) -> None:
    listed = (await acts("audit", "list", "--format", "jsonl")).objects
    alice = listed[-1]["subject_id"]
    of_alice = await acts("audit", "list", "--subject-id", alice, "--format", "jsonl")
    assert [each["action"] for each in of_alice.objects[::-1]] == list(ACTS)
    assert {(each["actor_kind"], each["actor_id"]) for each in listed} == {("operator", None)}
    table = await acts("audit", "list", "--action", "role_changed")
    assert "alice" in table.lines[1]
    assert len(table.lines) == 2
    assert "There are more" in (await acts("audit", "list", "--limit", "1")).err
    for options, code, reason in (
        (("--action", "danced"), 2, "danced"),
        (("--from", "tomorrow"), 2, "not a time"),
        (("--to", "7d"), 0, "Nothing fits."),
    ):
        ran = await acts("audit", "list", *options)
        assert (ran.code, ran.out) == (code, "")
        assert reason in ran.err

    whole = await acts("audit", "verify", "--save", "ends.json")
    assert (whole.code, whole.out) == (0, "The audit trail is whole: 6 rows in 8 chains.\n")
    exported = (await acts("audit", "export", "--reason", "archive")).objects
    assert [each["action"] for each in exported][-1] == "audit_exported"
    assert exported[-1]["reason"] == "archive"
    last = "00" * 32
    for row in exported:
        row_hash = row.pop("hash")
        text = json.dumps(row, sort_keys=True, separators=(",", ":"))
        assert (hashlib.sha256(text.encode()).hexdigest(), row["prev_hash"]) == (row_hash, last)
        last = row_hash
    later = await acts("audit", "verify", "--against", "ends.json")
    assert (later.code, len(later.lines)) == (0, 2)

    await tamper(
        database_url, "DELETE FROM audit_events WHERE seq = 3", "UPDATE audit_events SET address = 'x' WHERE seq = 5"
    )
    broken = await acts("audit", "verify", "--save", "again.json")
    assert broken.code == 1
    assert "chain 0, row 3: is missing" in broken.err
    assert "chain 0, row 5, event" in broken.err
    assert broken.out.startswith("The audit trail is NOT whole: ")
    assert not (acts.folder / "again.json").exists()


async def test_without_the_services_key_nothing_is_done(chatkeep: Command, tmp_path: Path, database_url: str) -> None:
    assert (await chatkeep("user", "create", "alice", "--random-password")).code == 0
    # With a folder of its own: a service that this user once ran may have kept a key in the usual one.
    keyless = Command(tmp_path, {"CHATKEEP_DATABASE_URL": database_url, "CHATKEEP_DATA_DIR": str(tmp_path / "empty")})
    for settings in ({}, {"CHATKEEP_SECRET_KEY": f"another {SECRET_KEY}"}):
        ran = await keyless("user", "disable", "alice", **settings)
        assert (ran.code, ran.out) == (1, "")
        assert "Set CHATKEEP_SECRET_KEY to the key that `chatkeep serve` uses." in ran.err
    verified = await keyless("audit", "verify", CHATKEEP_SECRET_KEY=f"another {SECRET_KEY}")
    assert verified.code == 1
    assert "sealed with a key that is not given" in verified.err
    # A key that was replaced without the old one is an operator's decision, and on record.
    sealed = await keyless("audit", "seal", "--reason", "lost", CHATKEEP_SECRET_KEY=f"another {SECRET_KEY}")
    assert sealed.code == 0, sealed.err
    assert (await keyless("audit", "verify", CHATKEEP_SECRET_KEY=f"another {SECRET_KEY}")).code == 0


async def test_the_doctor_knows_a_broken_seal(acts: Command, database_url: str) -> None:
    assert "The audit trail of 6 rows ends as it was sealed." in (await acts("doctor")).out
    await tamper(database_url, "UPDATE audit_chains SET seq = 5 WHERE chain = 0")
    ran = await acts("doctor")
    assert ran.code == 1
    assert "does not end as it was sealed" in ran.out


async def test_a_history_that_an_operator_reads_is_seen_by_its_owner(
    service: RunningService, tmp_path: Path, shared_database_url: str
) -> None:
    person, other = await service.person(), await service.person()
    for each in (person, other):
        await each.say(await each.conversation(), "Hello")
    settings = {"CHATKEEP_DATABASE_URL": shared_database_url, "CHATKEEP_SECRET_KEY": SECRET_KEY}
    command = Command(tmp_path, settings)
    refused = await command("history", "--user-id", person.id, CHATKEEP_REQUIRE_AUDIT_REASON="true")
    assert (refused.code, refused.out) == (1, "")
    assert "--reason" in refused.err
    shown = await command("history", "--user-id", person.id, "--reason", "苦情")
    assert (shown.code, len(shown.lines)) == (0, 2)
    (seen,) = (await person.client.get("/api/v1/auth/me/access-log")).json()["items"]
    assert (seen["action"], seen["reader_kind"], seen["reader"]) == ("history_read", "operator", None)
    assert (await other.client.get("/api/v1/auth/me/access-log")).json()["items"] == []
