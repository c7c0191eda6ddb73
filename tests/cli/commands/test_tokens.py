"""`chatkeep token`: what an operator makes and ends is what programs meet over HTTP."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.cli.command_runner import Command
from tests.support.running_service import RunningService, running


async def own_token(service: RunningService, secret: str) -> tuple[int, dict[str, Any]]:
    client = service.client(headers={"Authorization": f"Bearer {secret}"})
    answer = await client.get("/api/v1/auth/token")
    return answer.status_code, answer.json()


async def test_a_token_is_made_listed_and_revoked(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        person = await service.person("alice")
        made = await chatkeep(
            *("token", "create", "ALICE", "--name", "backup", "--scope", "read", "--scope", "chat", "--days", "30"),
            *("--reason", "nightly backup"),
        )
        assert made.code == 0, made.err
        assert made.err.startswith("Made a token that may chat, read until ")
        status, own = await own_token(service, made.out.strip())
        assert (status, own["scopes"]) == (200, ["chat", "read"])
        ends_at = datetime.fromisoformat(own["expires_at"])
        assert timedelta(days=29) < ends_at - datetime.now(UTC) <= timedelta(days=30)
        # The user sees it on the account page, and the trail tells who made it.
        (listed,) = (await person.client.get("/api/v1/auth/tokens")).json()["items"]
        assert listed["name"] == "backup"
        administrator = await service.administrator()
        params = {"action": "token_created", "subject_id": person.id}
        (event,) = (await administrator.client.get("/api/v1/admin/audit", params=params)).json()["items"]
        assert (event["actor_kind"], event["reason"]) == ("operator", "nightly backup")
        assert event["details"]["scopes"] == ["chat", "read"]
        shown = json.loads((await chatkeep("token", "list", "alice", "--json")).out)
        assert shown == listed | {"last_used_at": shown["last_used_at"]}
        table = await chatkeep("token", "list", "alice")
        assert "backup" in table.out
        assert "chat, read" in table.out
        ended = await chatkeep("token", "revoke", "alice", listed["id"])
        assert ended.out == "The token of alice is revoked.\n"
        assert (await own_token(service, made.out.strip()))[0] == 401
        assert (await chatkeep("token", "list", "alice")).err == "This user has no access tokens.\n"


async def test_a_token_chats_unless_it_is_made_for_more(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        await service.person("alice")
        made = await chatkeep("token", "create", "alice", "--name", "x")
        assert (await own_token(service, made.out.strip()))[1]["scopes"] == ["chat"]
        everything = [each for scope in ("chat", "read", "import", "account", "admin") for each in ("--scope", scope)]
        made = await chatkeep("token", "create", "admin", "--name", "x", *everything)
        assert (await own_token(service, made.out.strip()))[0] == 200
        assert "  all  " in (await chatkeep("token", "list", "admin")).out


async def test_what_cannot_be_made_or_ended_is_a_sentence(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        await service.person("alice")
        await service.person("bob")
    await chatkeep("user", "disable", "bob")
    missing = "0198c0de-0000-7000-8000-0000000070ce"
    for arguments, code, reason in (
        (("create", "nobody", "--name", "x"), 1, "There is no user nobody"),
        (("create", "bob", "--name", "x"), 1, "bob is disabled"),
        (("create", "alice", "--name", "x", "--scope", "admin"), 1, "Only an administrator"),
        (("create", "alice", "--name", "x", "--scope", "everything"), 2, "'everything'"),
        (("create", "alice", "--name", "x", "--days", "3660"), 1, "later than"),
        (("revoke", "alice", missing), 1, "alice has no such token"),
        (("revoke", "alice", "x"), 2, "UUID"),
    ):
        ran = await chatkeep("token", *arguments)
        assert (ran.code, ran.out) == (code, ""), arguments
        assert reason in ran.err.replace("\n", " "), ran.err
    assert (await chatkeep("token", "list", "alice")).out == ""
