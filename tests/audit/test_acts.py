"""Acts of people and administrators over HTTP, and the row that each leaves."""

from datetime import datetime
from typing import Any
from uuid import UUID

import httpx2
import pytest

from chatkeep.errors import DatabaseUnavailable
from chatkeep.ids import new_id
from chatkeep.transfer import import_queries
from tests.accounts.client import value
from tests.http.test_bodies import code_of
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.transfer.formats.test_chatgpt import numbered
from tests.transfer.upload_client import imported, send

AUTH = "/api/v1/auth"
AUDIT = "/api/v1/admin/audit"
NEW_PASSWORD = "quite another long password"


@pytest.fixture(scope="module")
async def administrator(service: RunningService) -> Person:
    return await service.administrator()


async def events(administrator: Person, **params: Any) -> list[dict[str, Any]]:
    answer = await administrator.client.get(AUDIT, params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def actions(administrator: Person, person: Person) -> list[str]:
    """Return the acts done to somebody, oldest first."""
    return [event["action"] for event in await events(administrator, subject_id=person.id)][::-1]


async def sign_in(client: httpx2.AsyncClient, name: str, password: str = PASSWORD, **headers: str) -> httpx2.Response:
    return await client.post(f"{AUTH}/login", json={"username": name, "password": password}, headers=headers)


async def test_events_are_found_by_names(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    name = person.username.upper()
    assert [each["action"] for each in await events(administrator, actor=name, subject=name)] == ["account_created"]
    assert await events(administrator, actor=name, actor_id=administrator.id) == []
    assert await events(administrator, subject="nobody of this name") == []


async def test_every_act_of_an_account_is_one_row(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    client = service.client()
    assert (await sign_in(client, person.username)).status_code == 200
    assert (await sign_in(service.client(), person.username, "a wrong password")).status_code == 401
    assert (await client.post(f"{AUTH}/logout")).status_code == 204
    # There is no session left to end.
    assert (await client.post(f"{AUTH}/logout")).status_code == 204
    token = (await person.client.post(f"{AUTH}/tokens", json={"name": "laptop"})).json()["id"]
    assert (await person.client.delete(f"{AUTH}/tokens/{token}")).status_code == 204
    assert (await person.client.delete(f"{AUTH}/tokens/{token}")).status_code == 404
    assert (await sign_in(service.client(), person.username)).status_code == 200
    sessions = (await person.client.get(f"{AUTH}/sessions")).json()["items"]
    other = next(each["id"] for each in sessions if not each["current"])
    assert (await person.client.delete(f"{AUTH}/sessions/{other}")).status_code == 204
    assert (await person.client.delete(f"{AUTH}/sessions")).status_code == 204
    conversation = await person.conversation(title="a secret title")
    await person.say(conversation, "a secret prompt")
    assert (await person.client.get(f"/api/v1/conversations/{conversation}/export")).status_code == 200
    assert (await person.client.get("/api/v1/export")).status_code == 200
    assert (await person.client.delete(f"/api/v1/conversations/{conversation}")).status_code == 204
    wrong = {"current_password": "wrong", "new_password": NEW_PASSWORD}
    assert (await person.client.post(f"{AUTH}/password", json=wrong)).status_code == 401
    right = wrong | {"current_password": PASSWORD}
    assert (await person.client.post(f"{AUTH}/password", json=right)).status_code == 204
    assert (await person.client.request("DELETE", f"{AUTH}/me", json={"password": NEW_PASSWORD})).status_code == 204
    assert await actions(administrator, person) == [
        "account_created",
        "signed_in",
        "sign_in_failed",
        "signed_out",
        "token_created",
        "token_deleted",
        "signed_in",
        "session_ended",
        "sessions_ended",
        "exported",
        "exported",
        "conversation_deleted",
        "password_check_failed",
        "password_changed",
        "user_deleted",
    ]
    told = await events(administrator, subject_id=person.id)
    by_action = {event["action"]: event for event in told}
    failed = by_action["sign_in_failed"]
    assert (failed["actor_kind"], failed["actor_id"], failed["address"]) == ("nobody", None, "127.0.0.1")
    assert by_action["conversation_deleted"]["details"] == {"conversation_id": conversation}
    for event in told:
        # The account is gone, and with it every name and word.
        assert event["subjects"] == [{"id": person.id, "username": None}]
        assert event["subject_id"] == person.id
        assert event["action"] == "sign_in_failed" or (event["actor_kind"], event["actor_id"]) == ("user", person.id)
        assert "secret" not in str(event)
        assert "laptop" not in str(event)


async def test_every_act_of_an_administrator_is_one_row(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    path = f"/api/v1/admin/users/{person.id}"
    headers = {b"X-Audit-Reason": "苦情 4711".encode(), b"X-Request-ID": b"request-4711"}
    for body in ({"role": "admin", "disabled": True}, {"role": "user"}, {"disabled": False}, {"disabled": False}, {}):
        assert (await administrator.client.patch(path, json=body, headers=headers)).status_code == 200
    assert (await administrator.client.post(f"{path}/sessions/revoke", headers=headers)).status_code == 204
    assert (await administrator.client.delete(path, headers=headers)).status_code == 204
    assert (await administrator.client.delete(path, headers=headers)).status_code == 404
    told = (await events(administrator, subject_id=person.id, actor_id=administrator.id))[::-1]
    assert [event["action"] for event in told] == [
        "role_changed",
        "user_disabled",
        "role_changed",
        "user_enabled",
        "sessions_ended",
        "user_deleted",
    ]
    assert told[0]["details"] == {"before": "user", "after": "admin"}
    for event in told:
        assert event["reason"] == "苦情 4711"
        # What a client calls its request is the client's to choose, and a row is never deleted.
        assert UUID(event["request_id"]).version == 7
        assert (event["actor_username"], event["address"]) == ("admin", "127.0.0.1")


async def test_a_refused_act_leaves_no_row(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    for method, path, body in (
        ("POST", f"{AUTH}/tokens", {"name": ""}),
        ("DELETE", f"/api/v1/conversations/{new_id()}", None),
        ("GET", f"/api/v1/conversations/{new_id()}/export", None),
        ("GET", f"/api/v1/admin/history?user_id={administrator.id}", None),
        ("PATCH", f"/api/v1/admin/users/{person.id}", {"role": "admin"}),
    ):
        assert (await person.client.request(method, path, json=body)).status_code >= 400
    last = f"/api/v1/admin/users/{administrator.id}"
    assert code_of(await administrator.client.patch(last, json={"role": "user"}), 409) == "last_administrator"
    assert await actions(administrator, person) == ["account_created"]
    assert "role_changed" not in await actions(administrator, administrator)


async def test_an_import_is_on_record_before_it_begins_and_when_it_ended(
    service: RunningService, administrator: Person
) -> None:
    person = await service.person()
    assert (await imported(person, [*numbered(1, 2), {"mapping": "a broken one"}]))["imported"] == 2
    assert code_of(await send(person, b"Dear all"), 422) == "unknown_import_format"
    ended, begun = await events(administrator, subject_id=person.id, action="imported")
    assert begun["details"] == {"stage": "begun", "format": "chatgpt"}
    assert ended["details"] == {"stage": "ended", "imported": 2, "continued": 0, "skipped": 0, "failed": 1}
    assert {each["actor_id"] for each in (begun, ended)} == {person.id}
    made = await value(
        service.database, "SELECT min(imported_at) FROM imported_conversations WHERE user_id = :id", id=UUID(person.id)
    )
    assert datetime.fromisoformat(begun["created_at"]) <= made <= datetime.fromisoformat(ended["created_at"])


async def test_an_import_that_is_broken_off_has_begun_and_not_ended(
    service: RunningService, administrator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise DatabaseUnavailable("It is away.")

    person = await service.person()
    monkeypatch.setattr(import_queries, "insert_turns", broken)
    assert (await send(person, numbered(1))).status_code == 503
    (begun,) = await events(administrator, subject_id=person.id, action="imported")
    assert begun["details"]["stage"] == "begun"


async def test_a_chat_turn_writes_no_row(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    await person.say(await person.conversation(), "Hello")
    assert await actions(administrator, person) == ["account_created"]


async def test_an_unknown_name_is_not_kept_but_known_again(service: RunningService, administrator: Person) -> None:
    typed = "my-Secret-pass-0815"
    for _ in range(2):
        assert (await sign_in(service.client(), typed)).status_code == 401
    first, second, *_ = await events(administrator, action="sign_in_failed")
    assert first["details"] == second["details"]
    assert first["details"].keys() == {"unknown_name"}
    assert (first["subjects"], first["actor_kind"]) == ([], "nobody")
    async with service.database.transaction() as connection:
        found = await connection.exec_driver_sql(
            "SELECT count(*) FROM audit_events e WHERE e::text ILIKE '%secret-pass%'"
        )
        assert found.scalar_one() == 0


async def test_a_reader_finds_who_read_what_they_wrote(service: RunningService, administrator: Person) -> None:
    alice, bob = await service.person(), await service.person()
    conversation = await alice.conversation()
    await alice.say(conversation, "Hello")
    await bob.say(await bob.conversation(), "Hello")
    asks = (
        (f"/api/v1/admin/history?user_id={alice.id}", "history_read"),
        (f"/api/v1/admin/history?username={bob.username}", "history_read"),
        (f"/api/v1/admin/conversations/{conversation}", "conversation_read"),
        (f"/api/v1/admin/conversations/{conversation}/turns", "conversation_read"),
        ("/api/v1/admin/history?limit=2", "history_read"),
        ("/api/v1/admin/history/export?format=csv", "history_exported"),
        (f"/api/v1/admin/history/export?conversation_id={conversation}", "history_exported"),
    )
    for path, _ in asks:
        assert (await administrator.client.get(path)).status_code == 200
    of_alice = await accesses(alice)
    assert [each["action"] for each in of_alice] == [
        asked for path, asked in reversed(asks) if bob.username not in path
    ]
    assert {each["reader"] for each in of_alice} == {"admin"}
    assert [each["conversation_id"] for each in of_alice if each["action"] == "conversation_read"] == [conversation] * 2
    assert [each["action"] for each in await accesses(bob)] == ["history_exported", "history_read", "history_read"]
    # One row for a page of several users' turns, and who they were.
    page = next(each for each in await events(administrator, action="history_read", subject_id=bob.id))
    assert {each["id"] for each in page["subjects"]} == {alice.id, bob.id}
    assert (page["subject_id"], page["details"]) == (None, {"turns": 2})


async def accesses(person: Person, **params: Any) -> list[dict[str, Any]]:
    answer = await person.client.get(f"{AUTH}/me/access-log", params=params)
    assert answer.status_code == 200, answer.text
    items: list[dict[str, Any]] = answer.json()["items"]
    return items


async def test_filters_are_kept_without_what_was_typed_freely(administrator: Person) -> None:
    params: dict[str, Any] = {"model": "4111-1111", "status": "failed", "from": "2026-01-01T00:00:00Z", "rating": -1}
    assert (await administrator.client.get("/api/v1/admin/history", params=params)).status_code == 200
    event = (await events(administrator, action="history_read"))[0]
    assert event["details"] == {
        "filters": {"model": True, "status": "failed", "since": "2026-01-01T00:00:00+00:00", "rating": -1},
        "turns": 0,
    }


async def test_an_administrators_own_turns_are_nobodys_business(administrator: Person) -> None:
    conversation = await administrator.conversation()
    assert (await administrator.client.get(f"/api/v1/admin/conversations/{conversation}")).status_code == 200
    assert await accesses(administrator) == []


async def test_lists_come_in_pages_and_times(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    for _ in range(5):
        await administrator.client.get("/api/v1/admin/history", params={"user_id": person.id})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        answer = (await person.client.get(f"{AUTH}/me/access-log", params={"limit": 2, **cursor})).json()
        seen += [each["id"] for each in answer["items"]]
        if answer["next_cursor"] is None:
            break
        cursor = {"cursor": answer["next_cursor"]}
    assert len(set(seen)) == 5
    own = {"subject_id": person.id, "action": "history_read"}
    times = [event["created_at"] for event in await events(administrator, **own)]
    assert len(await events(administrator, **own, **{"from": times[2]})) == 3
    assert len(await events(administrator, **own, to=times[2])) == 2
    first = await administrator.client.get(AUDIT, params={**own, "limit": 3})
    rest = await events(administrator, **own, cursor=first.json()["next_cursor"])
    assert [each["id"] for each in first.json()["items"] + rest] == seen
    assert code_of(await administrator.client.get(AUDIT, params={"cursor": "x"}), 422) == "invalid_cursor"
    assert code_of(await administrator.client.get(AUDIT, params={"action": "danced"}), 422) == "invalid_request"


@pytest.mark.parametrize("reason", [b"x" * 501, b"two\tcolumns", b"\xff"])
async def test_a_reason_that_cannot_be_kept_is_refused(administrator: Person, reason: bytes) -> None:
    answer = await administrator.client.get("/api/v1/admin/history", headers={b"X-Audit-Reason": reason})
    assert code_of(answer, 422) == "invalid_request"


async def test_a_reason_can_be_demanded(database_url: str) -> None:
    async with running(database_url, require_audit_reason=True) as service:
        administrator, person = await service.administrator(), await service.person()
        conversation = await person.conversation()
        for path in (
            "/api/v1/admin/history",
            "/api/v1/admin/history/export",
            f"/api/v1/admin/conversations/{conversation}",
            f"/api/v1/admin/conversations/{conversation}/turns",
        ):
            for headers in ({}, {"X-Audit-Reason": ""}):
                answer = await administrator.client.get(path, headers=headers)
                assert code_of(answer, 428) == "audit_reason_required"
            answer = await administrator.client.get(path, headers={"X-Audit-Reason": "support"})
            assert answer.status_code == 200
        assert [each["reason"] for each in await events(administrator, subject_id=person.id)][:2] == ["support"] * 2
        assert len(await accesses(person)) == 2


async def test_nothing_is_shown_or_done_where_it_cannot_be_put_on_record(service: RunningService) -> None:
    administrator, person = await service.administrator(), await service.person()
    conversation, name = await person.conversation(title="unseen"), person.username
    token = (await person.client.post(f"{AUTH}/tokens", json={"name": "laptop"})).json()["id"]
    assert (await sign_in(service.client(), name)).status_code == 200
    account, newcomer = f"/api/v1/admin/users/{person.id}", {"username": f"new-{name}", "password": PASSWORD}
    acts: tuple[tuple[httpx2.AsyncClient, str, str, Any], ...] = (
        (service.client(), "POST", f"{AUTH}/register", newcomer),
        (service.client(), "POST", f"{AUTH}/login", {"username": name, "password": PASSWORD}),
        (service.client(), "POST", f"{AUTH}/login", {"username": name, "password": "a wrong password"}),
        (person.client, "POST", f"{AUTH}/password", {"current_password": PASSWORD, "new_password": NEW_PASSWORD}),
        (person.client, "POST", f"{AUTH}/tokens", {"name": "phone"}),
        (person.client, "DELETE", f"{AUTH}/tokens/{token}", None),
        (person.client, "DELETE", f"{AUTH}/sessions", None),
        (person.client, "DELETE", f"/api/v1/conversations/{conversation}", None),
        (person.client, "GET", f"/api/v1/conversations/{conversation}/export", None),
        (person.client, "GET", "/api/v1/export", None),
        (person.client, "POST", "/api/v1/import", numbered(1)),
        (person.client, "POST", f"{AUTH}/logout", None),
        (person.client, "DELETE", f"{AUTH}/me", {"password": PASSWORD}),
        (administrator.client, "PATCH", account, {"role": "admin"}),
        (administrator.client, "PATCH", account, {"disabled": True}),
        (administrator.client, "PATCH", account, {"legal_hold": True}),
        (administrator.client, "POST", f"{account}/sessions/revoke", None),
        (administrator.client, "DELETE", account, None),
        (administrator.client, "GET", f"/api/v1/admin/conversations/{conversation}", None),
        (administrator.client, "GET", f"/api/v1/admin/conversations/{conversation}/turns", None),
        (administrator.client, "GET", f"/api/v1/admin/history?user_id={person.id}", None),
        (administrator.client, "GET", "/api/v1/admin/history/export?format=csv", None),
    )
    before = await what_there_is(service)
    async with service.database.transaction() as connection:
        await connection.exec_driver_sql("ALTER TABLE audit_events RENAME TO away")
    try:
        for client, method, path, body in acts:
            answer = await client.request(method, path, json=body)
            assert answer.status_code == 500, (method, path, answer.text)
            assert "unseen" not in answer.text
    finally:
        async with service.database.transaction() as connection:
            await connection.exec_driver_sql("ALTER TABLE away RENAME TO audit_events")
    # Neither the acts without their rows, nor the rows without the acts.
    assert await what_there_is(service) == before
    assert "role_changed" not in await actions(administrator, person)


async def what_there_is(service: RunningService) -> list[Any]:
    """Return all accounts, sessions, tokens and conversations, without when they were last used."""
    columns = {
        "users": "id, username, password_hash, role, disabled, legal_hold",
        "login_sessions": "digest, user_id",
        "access_tokens": "digest, user_id, name",
        "conversations": "user_id, id, title",
    }
    async with service.database.transaction() as connection:
        return [
            (table, tuple(row))
            for table, names in columns.items()
            for row in await connection.exec_driver_sql(f"SELECT {names} FROM {table} ORDER BY 1, 2")
        ]
