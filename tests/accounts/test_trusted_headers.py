"""A server in front that signs people in: believed, and nobody else."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import httpx2
import pytest

from chatkeep.accounts.trusted_headers import TrustedHeaderAuth
from chatkeep.app import create_app
from chatkeep.errors import ConfigurationError
from tests.accounts.client import AUTH, change, code_of, log_in, rows, value
from tests.accounts.guests import CONVERSATIONS, the_conversations
from tests.support.patience import patience
from tests.support.running_service import ADMIN_PASSWORD, USERS_SCOPES, RunningService, running, settings_for

SECRET = "0123456789abcdefghijklmnopqrstuvwxyz"
USER, KNOWS = "X-Forwarded-User", {"X-Chatkeep-Auth-Secret": SECRET}
BEHIND: dict[str, Any] = {
    "auth_user_header": USER,
    "auth_email_header": "X-Forwarded-Email",
    "auth_name_header": "X-Forwarded-Name",
    "auth_secret": SECRET,
    "allow_registration": False,
}


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    with patience():
        async with running(shared_database_url, **BEHIND) as service:
            yield service


def front(service: RunningService, username: str | bytes, **headers: str) -> httpx2.AsyncClient:
    """Return a client that comes through the server in front."""
    name = username.encode() if isinstance(username, str) else username
    raw = [(USER.encode(), name), *((key.encode(), value.encode()) for key, value in (KNOWS | headers).items())]
    return service.client(headers=raw)


async def users_like(service: RunningService, key: str) -> int:
    return int(await value(service.database, "SELECT count(*) FROM users WHERE username_key = :key", key=key))


async def test_an_account_is_made_when_somebody_is_first_seen(service: RunningService) -> None:
    headers = {"X-Forwarded-Email": "ken@example.org", "X-Forwarded-Name": "山田 健"}
    ken = front(service, "Ken", **headers)
    me = (await ken.get(f"{AUTH}/me")).json()
    assert {name: me[name] for name in ("username", "email", "display_name", "role", "is_guest")} == {
        "username": "Ken",
        "email": "ken@example.org",
        "display_name": "山田 健",
        "role": "user",
        "is_guest": False,
    }
    conversation = (await ken.post(CONVERSATIONS, json={"title": "Ken's"})).json()["id"]
    turns = f"{CONVERSATIONS}/{conversation}/turns"
    said = await ken.post(turns, json={"content": "Hi", "stream": False})
    assert said.json()["status"] == "complete"
    assert not ken.cookies, "each request says for itself who asks"
    for spelling in ("KEN", "\uff2ben"):  # another case, another width
        again = front(service, spelling)
        assert (await again.get(f"{AUTH}/me")).json()["id"] == me["id"]
        assert [each["title"] for each in await the_conversations(again)] == ["Ken's"]
    assert (await front(service, "健").get(turns)).status_code == 404
    found = (await front(service, "admin").get("/api/v1/admin/users?q=yamada")).json()["items"]
    assert found == []
    found = (await front(service, "admin").get("/api/v1/admin/users", params={"q": "山田"})).json()["items"]
    assert [(each["username"], each["turn_count"]) for each in found] == [("Ken", 1)]


async def test_many_first_requests_at_once_make_one_account(service: RunningService) -> None:
    answers = await asyncio.gather(*(front(service, "Mia").get(f"{AUTH}/me") for _ in range(8)))
    (made,) = {answer.json()["id"] for answer in answers}
    query = "SELECT action, actor_id, address, details FROM audit_events WHERE :id = ANY(subject_ids)"
    on_record = await rows(service.database, query, id=UUID(made))
    assert [tuple(row) for row in on_record] == [("account_created", UUID(made), "127.0.0.1", {"from_outside": True})]


@pytest.mark.parametrize(
    "headers",
    [
        {USER: "eve"},
        {USER: "admin"},
        {USER: ""},
        {USER: "eve", "X-Chatkeep-Auth-Secret": ""},
        {USER: "eve", "X-Chatkeep-Auth-Secret": SECRET[:-1]},
        {USER: "eve", "X-Chatkeep-Auth-Secret": SECRET + "x"},
        {USER: "eve", "X-Chatkeep-Auth-Secret": SECRET.upper()},
        {USER: "eve", "X-Chatkeep-Auth-Secret": "\u00e9" * 36},
        {USER.lower(): "eve", "X-Forwarded-For": "127.0.0.1"},
    ],
)
async def test_whoever_else_names_a_user_is_refused(service: RunningService, headers: dict[str, str]) -> None:
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    client = service.client(headers=raw)
    for answer in (
        await client.get(f"{AUTH}/me"),
        await client.post(CONVERSATIONS, json={}),
        await client.post("/api/v1/auth/tokens", json={"name": "x"}),
    ):
        assert code_of(answer) == (403, "untrusted_identity")
    assert (await client.get("/get_prompt")).status_code == 403
    assert await users_like(service, "eve") == 0


async def test_a_cookie_does_not_make_a_named_user_good(service: RunningService) -> None:
    client = service.client()
    assert (await log_in(client, "admin", ADMIN_PASSWORD)).status_code == 200
    assert code_of(await client.get(f"{AUTH}/me", headers={USER: "admin"})) == (403, "untrusted_identity")
    assert (await client.get(f"{AUTH}/me")).json()["username"] == "admin", "who is named by nobody has cookies still"


async def test_a_header_that_was_added_to_the_clients_is_refused(service: RunningService) -> None:
    for name in (USER, "X-Chatkeep-Auth-Secret", "X-Forwarded-Email"):
        raw = [(USER, "zoe"), *KNOWS.items(), ("X-Forwarded-Email", "zoe@example.org"), (name, "eve")]
        client = service.client(headers=[(key.encode(), value.encode()) for key, value in raw])
        assert code_of(await client.get(f"{AUTH}/me")) == (403, "untrusted_identity"), name
    assert await users_like(service, "zoe") == 0


@pytest.mark.parametrize(
    "username",
    ["with space", "x" * 65, "in\u200bvisible", b"\xff\xfe"],
    ids=["space", "long", "invisible", "not UTF-8"],
)
async def test_a_name_that_is_none_is_refused(service: RunningService, username: str | bytes) -> None:
    assert code_of(await front(service, username).get(f"{AUTH}/me")) == (422, "invalid_request")


async def test_an_email_address_that_is_none_is_refused(service: RunningService) -> None:
    client = front(service, "lou", **{"X-Forwarded-Email": "no address"})
    assert code_of(await client.get(f"{AUTH}/me")) == (422, "invalid_request")
    assert await users_like(service, "lou") == 0


async def test_who_is_named_comes_before_a_token_and_a_cookie(service: RunningService) -> None:
    """The server in front may hand on a token of its own, or one that the client sent."""
    amy = front(service, "amy")
    token = (await amy.post(f"{AUTH}/tokens", json={"name": "laptop", "scopes": USERS_SCOPES})).json()["token"]
    bob = front(service, "bob", Authorization=f"Bearer {token}")
    assert (await bob.get(f"{AUTH}/me")).json()["username"] == "bob"
    alone = service.client(headers={"Authorization": f"Bearer {token}"})
    assert (await alone.get(f"{AUTH}/me")).json()["username"] == "amy"


async def test_a_disabled_account_stays_out(service: RunningService) -> None:
    tom, admin = front(service, "tom"), front(service, "admin")
    me = (await tom.get(f"{AUTH}/me")).json()
    assert (await admin.patch(f"/api/v1/admin/users/{me['id']}", json={"disabled": True})).status_code == 200
    assert code_of(await tom.get(f"{AUTH}/me")) == (401, "not_authenticated")


async def test_roles_are_the_accounts(service: RunningService) -> None:
    una, admin = front(service, "una"), front(service, "admin")
    me = (await una.get(f"{AUTH}/me")).json()
    assert (await una.get("/api/v1/admin/users")).status_code == 403
    assert (await admin.patch(f"/api/v1/admin/users/{me['id']}", json={"role": "admin"})).status_code == 200
    assert (await una.get("/api/v1/admin/users")).status_code == 200


@pytest.mark.parametrize("headers", [{"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://elsewhere.example"}])
async def test_another_sites_page_does_not_write_as_who_is_named(
    service: RunningService, headers: dict[str, str]
) -> None:
    """The browser's cookie is the other server's, and need not come this far."""
    answer = await front(service, "vic", **headers).post(CONVERSATIONS, json={})
    assert code_of(answer) == (403, "cross_site_request")


async def test_there_is_no_password_to_change_or_to_ask_for(service: RunningService) -> None:
    wim = front(service, "wim")
    body = {"current_password": "", "new_password": "another of those long ones"}
    assert code_of(await wim.post(f"{AUTH}/password", json=body)) == (409, "no_password")
    assert code_of(await log_in(service.client(), "wim", "")) == (401, "invalid_credentials")
    first = (await wim.get(f"{AUTH}/me")).json()["id"]
    token = (await wim.post(f"{AUTH}/tokens", json={"name": "laptop", "scopes": USERS_SCOPES})).json()["token"]
    program = service.client(headers={"Authorization": f"Bearer {token}"})
    assert code_of(await program.request("DELETE", f"{AUTH}/me", json={})) == (409, "no_password")
    assert (await wim.request("DELETE", f"{AUTH}/me", json={})).status_code == 204
    assert await users_like(service, "wim") == 0
    assert (await wim.get(f"{AUTH}/me")).json()["id"] != first, "seen for the first time again"


async def test_being_seen_is_noted_at_most_once_a_minute(service: RunningService) -> None:
    xia = front(service, "xia")
    me = UUID((await xia.get(f"{AUTH}/me")).json()["id"])
    seen = "SELECT last_seen_at FROM user_activity WHERE user_id = :id"
    first = await rows(service.database, seen, id=me)
    await xia.get(f"{AUTH}/me")
    assert await rows(service.database, seen, id=me) == first
    earlier = "UPDATE user_activity SET last_seen_at = last_seen_at - interval '1 hour' WHERE user_id = :id"
    await change(service.database, earlier, id=me)
    await xia.get(f"{AUTH}/me")
    assert (await rows(service.database, seen, id=me))[0] > first[0]


async def test_by_addresses_the_connection_decides_and_no_header(shared_database_url: str) -> None:
    behind = {name: each for name, each in BEHIND.items() if name != "auth_secret"}
    named = {USER: "Ken", "X-Forwarded-For": "192.0.2.7"}
    async with running(shared_database_url, **behind, auth_proxies="127.0.0.0/8") as service:
        assert (await service.client(headers=named).get(f"{AUTH}/me")).json()["username"] == "Ken"
    elsewhere: dict[str, Any] = {"auth_proxies": "192.0.2.0/24", "trusted_proxies": "127.0.0.1"}
    async with running(shared_database_url, **behind, **elsewhere) as service:
        assert code_of(await service.client(headers=named).get(f"{AUTH}/me")) == (403, "untrusted_identity")
    async with running(shared_database_url, **BEHIND, auth_proxies="192.0.2.0/24") as service:
        assert code_of(await front(service, "Ken").get(f"{AUTH}/me")) == (403, "untrusted_identity"), "both have to fit"


async def test_without_the_setting_the_header_is_a_word_like_others(shared_database_url: str) -> None:
    async with running(shared_database_url) as service:
        assert code_of(await front(service, "admin").get(f"{AUTH}/me")) == (401, "not_authenticated")


async def test_a_named_user_never_becomes_a_guest(shared_database_url: str) -> None:
    async with running(shared_database_url, **BEHIND, allow_guests=True) as service:
        yan, admin = front(service, "yan"), front(service, "admin")
        me = (await yan.get(f"{AUTH}/me")).json()
        await admin.patch(f"/api/v1/admin/users/{me['id']}", json={"disabled": True})
        assert (await yan.post(CONVERSATIONS, json={})).status_code == 401
        assert (await service.client(headers={USER: "yan"}).post(CONVERSATIONS, json={})).status_code == 403
        visitor = service.client()
        assert (await visitor.post(CONVERSATIONS, json={})).status_code == 201
        guest = (await visitor.get(f"{AUTH}/me")).json()["username"]
        assert code_of(await front(service, guest).get(f"{AUTH}/me")) == (409, "username_taken")


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"auth_secret": None}, "CHATKEEP_AUTH_PROXIES"),
        ({"auth_secret": "short"}, "at least 32 characters"),
        ({"allow_registration": True}, "CHATKEEP_ALLOW_REGISTRATION=false"),
    ],
)
def test_what_anybody_could_abuse_does_not_start(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigurationError, match=says):
        create_app(settings_for("postgresql://h/d", **(BEHIND | changes)))


def test_the_secret_is_not_shown() -> None:
    assert SECRET not in repr(vars(settings_for("postgresql://h/d", **BEHIND)))
    assert SECRET not in repr(TrustedHeaderAuth(USER, secret=SECRET))
