"""Listeners are told once, after it happened."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Any

import pytest

from chatkeep.sessions import DatabaseStore, SessionListener, SessionStore, StoredSession
from tests.sessions.applications import MovableClock, notebook, served


class Diary(SessionListener):
    def __init__(self) -> None:
        self.lines: list[Any] = []

    def created(self, session: StoredSession) -> None:
        self.lines.append(("created", session.session_id, dict(session.attributes)))

    async def destroyed(self, session: StoredSession) -> None:
        self.lines.append(("destroyed", session.session_id, dict(session.attributes)))

    def id_changed(self, session: StoredSession, old_id: str) -> None:
        self.lines.append(("id changed", session.session_id, old_id))


class Clumsy(SessionListener):
    def created(self, session: StoredSession) -> None:
        raise ZeroDivisionError


@pytest.fixture
async def database_store(database_url: str) -> AsyncIterator[DatabaseStore]:
    store = DatabaseStore(database_url)
    yield store
    await store.close()


async def test_beginning_changing_and_ending_are_told(store: SessionStore) -> None:
    diary = Diary()
    async with served(notebook(store=store, listeners=[diary])) as running:
        browser = running.browser()
        await browser.get()
        assert diary.lines == []
        first = (await browser.put(a=1))["id"]
        await browser.put(a=2)
        await browser.ask("POST", "/sign-in", {"user": "alice"})
        second = (await browser.get())["id"]
        await browser.ask("DELETE", "/")
        await browser.ask("DELETE", "/")
    assert diary.lines == [
        ("created", first, {"a": 1}),
        ("id changed", second, first),
        ("destroyed", second, {"a": 2, "user": "alice"}),
    ]


async def test_clearing_is_an_end_and_writing_a_beginning(store: SessionStore) -> None:
    diary = Diary()
    async with served(notebook(store=store, listeners=[diary])) as running:
        browser = running.browser()
        await browser.put(a=1)
        await browser.ask("DELETE", "/clear")
        await browser.put(b=1)
    assert [line[0] for line in diary.lines] == ["created", "destroyed", "created"]


async def test_an_end_by_time_is_told(clock: MovableClock) -> None:
    diary = Diary()
    async with served(notebook(listeners=[diary], clock=clock)) as running:
        session_id = (await running.browser().put(a=1))["id"]
        clock.advance(13 * 3600)
        await running.browser().get()
    assert diary.lines[1:] == [("destroyed", session_id, {"a": 1})]


async def test_of_several_processes_one_tells_of_an_end_by_time(
    database_store: DatabaseStore, clock: MovableClock
) -> None:
    diary = Diary()
    app, replica = (notebook(store=database_store, listeners=[diary], clock=clock) for _ in range(2))
    async with served(app) as first, served(replica) as second:
        session_id = (await first.browser().put(a=1))["id"]
        await second.browser().get()
        clock.advance(13 * 3600)
        await asyncio.gather(first.browser().get(), second.browser().get())
    assert diary.lines[1:] == [("destroyed", session_id, {"a": 1})]


async def test_a_listener_that_raises_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    diary = Diary()
    with caplog.at_level(logging.WARNING):
        async with served(notebook(listeners=[Clumsy(), diary])) as running:
            browser = running.browser()
            await browser.put(a=1)
            assert await browser.content() == {"a": 1}
    assert [line[0] for line in diary.lines] == ["created"]
    assert "Clumsy raised ZeroDivisionError" in caplog.text
