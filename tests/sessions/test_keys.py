"""Keys of the cookie: which are refused, and how one takes another's place."""

import logging
from typing import Any

import pytest
from starlette.datastructures import Secret

from chatkeep.errors import ConfigurationError
from chatkeep.sessions import FasterSessionMiddleware, MemoryStore
from tests.sessions.applications import KEY, NEWER_KEY, notebook, served


async def application(scope: Any, receive: Any, send: Any) -> None:
    raise NotImplementedError


@pytest.mark.parametrize(
    "key",
    [
        "",
        "   ",
        b"",
        [],
        [KEY, ""],
        ["", KEY],
        "my-secret-key",
        "MY_SECRET_KEY",
        "your-session-secret-key",
        "your-secret-key",
        "secret",
        "change-me-please-0123456789012345678901",
        "<a key>",
        [KEY, "my-secret-key"],
    ],
)
def test_empty_keys_and_examples_are_refused(key: Any) -> None:
    with pytest.raises(ConfigurationError, match="secret_key") as refused:
        FasterSessionMiddleware(application, secret_key=key)
    assert "my-secret-key" not in str(refused.value)


@pytest.mark.parametrize("key", [KEY, KEY.encode(), b"\xff" * 40, Secret(KEY), [KEY, NEWER_KEY], (KEY,)])
def test_strings_bytes_and_lists_are_keys(key: Any) -> None:
    FasterSessionMiddleware(application, secret_key=key)


def test_a_short_key_is_complained_of(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        FasterSessionMiddleware(application, secret_key="x1y2z3")
    assert "secret_key is shorter than 32" in caplog.text
    assert "x1y2z3" not in caplog.text


@pytest.mark.parametrize(
    "options",
    [
        {"same_site": "sometimes"},
        {"same_site": "none", "secure": False},
        {"session_cookie": "a b"},
        {"session_cookie": ""},
        {"max_age": -1},
        {"max_age": 10**12},
        {"max_inactive_interval": -1},
        {"store": object()},
    ],
)
def test_what_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        FasterSessionMiddleware(application, secret_key=KEY, **options)


async def test_a_key_is_retired_without_signing_anybody_out() -> None:
    store = MemoryStore()
    async with served(notebook(secret_key=KEY, store=store)) as before:
        browser = before.browser()
        await browser.put(user="alice")
    old = browser.cookies["sid"]
    async with served(notebook(secret_key=[KEY, NEWER_KEY], store=store)) as during:
        again = during.browser(browser.cookies)
        assert await again.content() == {"user": "alice"}
        # Without waiting for anything to change: the next time the old key may be gone.
        assert again.cookies["sid"] != old
        assert again.cookies["sid"].partition(".")[0] == old.partition(".")[0]
        await again.get()
        assert again.sent == []
    async with served(notebook(secret_key=NEWER_KEY, store=store)) as after:
        assert await after.browser(again.cookies).content() == {"user": "alice"}
        assert await after.browser({"sid": old}).content() == {}
