"""Roles: what an account may use, in the form of ChatStream's `client_roles`."""

import json

import pytest

from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError
from tests.chatstream.front_end import FrontEnd
from tests.chatstream.test_endpoints import ALL
from tests.support.running_service import running, settings_for

DENIED = {"success": False, "message": "Forbidden", "detail": "Denied on role layer."}
CHATSTREAMS_OWN = {"user": {"apis": {"allow": ["chat_stream", "clear_context", "set_feedback"]}}}


async def test_a_role_uses_what_it_is_allowed(shared_database_url: str) -> None:
    roles = CHATSTREAMS_OWN | {"admin": {"apis": {"allow": "all"}}}
    async with running(shared_database_url, chatstream_roles=roles) as service:
        user = FrontEnd((await service.person()).client)
        admin = FrontEnd((await service.administrator()).client)
        message = (await user.chat("Hi")).message_id
        body = {"user_input": "Hi", "message_id": message}
        for method, path in ALL:
            answer = await user.client.request(method, path, json=body if method == "POST" else None)
            if path in ("/chat_stream", "/clear_context", "/set_feedback"):
                assert answer.status_code == 200
            else:
                assert (answer.status_code, answer.json()) == (403, DENIED)
            allowed = await admin.client.request(method, path, json=body if method == "POST" else None)
            assert allowed.status_code == (404 if path == "/set_feedback" else 200)


async def test_a_role_that_is_not_named_may_nothing(shared_database_url: str) -> None:
    async with running(shared_database_url, chatstream_roles=CHATSTREAMS_OWN) as service:
        admin = (await service.administrator()).client
        for method, path in ALL:
            answer = await admin.request(method, path, json={"user_input": "Hi"} if method == "POST" else None)
            assert (answer.status_code, answer.json()) == (403, DENIED)


def test_roles_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATKEEP_CHATSTREAM_ROLES", json.dumps(CHATSTREAMS_OWN))
    roles = Settings.read().chatstream_roles
    assert roles["user"].allows("chat_stream")
    assert not roles["user"].allows("get_prompt")
    assert "admin" not in roles


@pytest.mark.parametrize(
    "roles",
    [
        {"guest": {"apis": {"allow": "all"}}},
        {"user": {"apis": {"allow": ["chat"]}}},
        {"user": {"apis": {"allow": "some"}}},
        {"user": {"apis": {"allow": "all", "auth_method": "header_phrase", "header_phrase": "x"}}},
        {"user": {}},
    ],
)
def test_roles_that_would_not_be_obeyed_are_refused(roles: object) -> None:
    with pytest.raises(ConfigurationError, match="CHATSTREAM_ROLES"):
        settings_for("postgresql://localhost/x", chatstream_roles=roles)
