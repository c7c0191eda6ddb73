"""The servlet's view of a session, as a handler has it."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from fastapi import Depends, FastAPI, Request
from fastapi.responses import StreamingResponse

from chatkeep.errors import ConfigurationError
from chatkeep.sessions import (
    AnswerBegun,
    CannotKeep,
    Changes,
    FasterSessionMiddleware,
    HttpSession,
    MemoryStore,
    SessionEnded,
    SessionStore,
    http_session,
)
from chatkeep.sessions.cookies import new_secret
from tests.sessions.applications import KEY, Browser, MovableClock, add_one, served

Step = Callable[[HttpSession], Awaitable[Any]]


class Steps:
    """An application whose next request does what the test says."""

    def __init__(self, **options: Any) -> None:
        self.app = FastAPI()
        given: dict[str, Any] = {"secret_key": KEY} | options
        self.app.add_middleware(FasterSessionMiddleware, **given)
        self.step: Step | None = None

        @self.app.get("/")
        async def take(request: Request) -> Any:
            assert self.step is not None
            await self.step(http_session(request))
            return {}

    async def take(self, browser: Browser, step: Step) -> None:
        self.step = step
        answer = await browser.ask("GET", "/")
        assert answer.status_code == 200


async def write(session: HttpSession) -> None:
    session.set_attribute("color", "green")


async def test_a_session_from_its_beginning(store: SessionStore, clock: MovableClock) -> None:
    steps, began_at = Steps(store=store, clock=clock), clock()

    async def first(session: HttpSession) -> None:
        assert (session.is_new, session.is_valid) == (True, True)
        assert (session.created_at, session.last_accessed_at) == (began_at, began_at)
        assert session.max_inactive_interval == 12 * 3600
        assert session.attribute_names == []
        assert len(session.id) == 64
        assert session.get_session_id() == session.id
        session.set_attribute("color", "green")
        session.set_attribute("size", 3)
        assert session.is_new

    async def second(session: HttpSession) -> None:
        assert not session.is_new
        assert (session.created_at, session.last_accessed_at) == (began_at, began_at)
        assert sorted(session.attribute_names) == ["color", "size"]
        assert (session.get_attribute("color"), session.get_attribute("x"), session.get_attribute("x", 1)) == (
            "green",
            None,
            1,
        )
        session.remove_attribute("color")
        session.remove_attribute("never there")
        session.set_attribute("size", None)

    async def third(session: HttpSession) -> None:
        assert (session.is_new, session.attribute_names) == (False, [])
        assert session.last_accessed_at == began_at + timedelta(hours=1)

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, first)
        for step in (second, third):
            clock.advance(3600)
            await steps.take(browser, step)


async def test_the_id_is_the_same_on_every_request_and_is_not_the_cookie(store: SessionStore) -> None:
    steps, ids = Steps(store=store), []

    async def note(session: HttpSession) -> None:
        session.set_attribute("color", "green")
        ids.append(session.id)

    async with served(steps.app) as running:
        browser = running.browser()
        for _ in range(3):
            await steps.take(browser, note)
        assert len(set(ids)) == 1
        assert ids[0] not in browser.cookies["sid"]


async def test_an_interval_of_its_own(store: SessionStore, clock: MovableClock) -> None:
    steps = Steps(store=store, clock=clock, max_inactive_interval=3600)

    async def shorten(session: HttpSession) -> None:
        assert session.max_inactive_interval == 3600
        session.set_attribute("color", "green")
        session.max_inactive_interval = 60

    async def stay(session: HttpSession) -> None:
        assert session.max_inactive_interval == 60
        session.max_inactive_interval = -1

    async def stayed(session: HttpSession) -> None:
        assert (session.max_inactive_interval, session.get_attribute("color")) == (0, "green")

    async def gone(session: HttpSession) -> None:
        assert session.is_new

    async with served(steps.app) as running:
        browser, other = running.browser(), running.browser()
        await steps.take(browser, shorten)
        await steps.take(other, shorten)
        clock.advance(59)
        await steps.take(browser, stay)
        clock.advance(60)
        await steps.take(other, gone)
        clock.advance(30 * 86_400)
        await steps.take(browser, stayed)


async def test_after_invalidate_nothing_can_be_asked_and_nothing_comes_back(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def invalidate(session: HttpSession) -> None:
        held = session.get_session()
        session.invalidate()
        assert not session.is_valid
        held["color"] = "red"
        for ask in (lambda: session.id, session.get_session, session.invalidate, session.change_id):
            with pytest.raises(SessionEnded):
                ask()

    async def look(session: HttpSession) -> None:
        assert (session.is_new, session.attribute_names) == (True, [])

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        copy = running.browser(browser.cookies)
        await steps.take(browser, invalidate)
        assert browser.cookies == {}
        await steps.take(copy, look)


async def test_invalidating_what_was_never_kept_sends_nothing() -> None:
    steps = Steps()

    async def invalidate(session: HttpSession) -> None:
        session.set_attribute("color", "green")
        session.invalidate()

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, invalidate)
        assert browser.sent == []


async def test_clearing_and_writing_begins_another_session(store: SessionStore) -> None:
    steps, ids = Steps(store=store), []

    async def clear_and_write(session: HttpSession) -> None:
        ids.append(session.id)
        session.clear_session()
        ids.append(session.get_session_id())
        assert session.is_new
        session.get_session()["note"] = "signed out"

    async def look(session: HttpSession) -> None:
        ids.append(session.id)
        assert dict(session.get_session()) == {"note": "signed out"}

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        await steps.take(browser, clear_and_write)
        await steps.take(browser, look)
    assert ids[0] != ids[1] == ids[2]


async def test_saving_at_once(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def save(session: HttpSession) -> None:
        session.set_attribute("size", 3)
        await session.save()
        found = await store.load(session.id, session.created_at)
        assert found is not None
        assert found.attributes["size"] == 3
        await session.save()

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, save)
        await steps.take(browser, save)


async def test_what_was_saved_at_once_stays_when_the_handler_fails(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def save_and_fail(session: HttpSession) -> None:
        session.set_attribute("size", 3)
        await session.save()
        session.set_attribute("size", 4)
        raise ZeroDivisionError

    async def look(session: HttpSession) -> None:
        assert session.get_attribute("size") == 3

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        steps.step = save_and_fail
        assert (await browser.ask("GET", "/")).status_code == 500
        await steps.take(browser, look)


async def test_who_saves_what_ended_is_told(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def save_late(session: HttpSession) -> None:
        stored = await store.load(session.id, session.created_at)
        assert stored is not None
        await store.end(stored)
        session.set_attribute("size", 3)
        with pytest.raises(SessionEnded):
            await session.save()
        with pytest.raises(SessionEnded):
            await session.update_atomically(add_one)
        with pytest.raises(SessionEnded):
            await session.reload()

    async def look(session: HttpSession) -> None:
        assert session.is_new

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        await steps.take(browser, save_late)
        assert browser.sent == []
        await steps.take(browser, look)


async def test_an_update_sees_what_others_kept_and_leaves_what_is_not_saved(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def update(session: HttpSession) -> None:
        attributes = session.get_session()
        attributes["mine"] = "not saved yet"
        attributes["count"] = 100
        await store.update(session.id, lambda kept: kept.update(others=1, count=5), session.created_at)
        assert await session.update_atomically(add_one) == 6
        assert dict(attributes) == {"color": "green", "mine": "not saved yet", "others": 1, "count": 6}
        found = await store.load(session.id, session.created_at)
        assert found is not None
        assert found.attributes == {"color": "green", "others": 1, "count": 6}

    async def look(session: HttpSession) -> None:
        assert dict(session.get_session()) == {"color": "green", "mine": "not saved yet", "others": 1, "count": 6}

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        await steps.take(browser, update)
        await steps.take(browser, look)


async def test_an_update_begins_a_session_where_there_is_none(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def count(session: HttpSession) -> None:
        session.get_session()["first"] = True
        assert await session.update_atomically(add_one) == 1

    async def look(session: HttpSession) -> None:
        assert dict(session.get_session()) == {"first": True, "count": 1}

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, count)
        await steps.take(browser, look)


async def test_updates_that_are_refused(store: SessionStore) -> None:
    """Nobody may be signed in for a moment under an id that somebody else may know."""
    steps = Steps(store=store)

    async def wait(kept: dict[str, Any]) -> None:
        raise NotImplementedError

    async def refused(session: HttpSession) -> None:
        with pytest.raises(CannotKeep):
            await session.update_atomically(lambda kept: kept.update(user="alice"))
        with pytest.raises(TypeError):
            _ = await session.update_atomically(wait)
        found = await store.load(session.id, session.created_at)
        assert found is not None
        assert found.attributes == {"color": "green"}

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        await steps.take(browser, refused)


async def test_reloading_shows_what_others_kept(store: SessionStore) -> None:
    steps = Steps(store=store)

    async def reload(session: HttpSession) -> None:
        session.get_session()["mine"] = 1
        await store.update(session.id, lambda kept: kept.update(others=2) or kept.pop("color"), session.created_at)
        await session.reload()
        assert dict(session.get_session()) == {"others": 2, "mine": 1}

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        await steps.take(browser, reload)


async def test_a_user_kept_as_a_dict_is_somebody_else_by_what_names_them(store: SessionStore) -> None:
    steps = Steps(store=store)
    user = {"id": 7, "name": "alice", "views": 0}

    def become(**changes: Any) -> Step:
        async def step(session: HttpSession) -> None:
            session.get_session()["user"] = user | changes

        return step

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, become())
        await steps.take(browser, become(views=1))
        assert browser.sent == []
        for change in ({"id": 8}, {"role": "admin"}, {"name": "bob"}):
            await steps.take(browser, become(**change))
            assert len(browser.sent) == 1


async def test_two_who_sign_in_at_once_with_one_cookie_are_both_signed_in(store: SessionStore) -> None:
    """And nothing of the session that ended between them comes back."""
    steps = Steps(store=store)

    async def sign_in_late(session: HttpSession) -> None:
        moved = await store.change_id(session.id, (new_secret().encode() * 2)[:32].hex(), Changes(), session.created_at)
        assert moved is not None
        session.get_session()["user"] = "bob"

    async def look(session: HttpSession) -> None:
        assert dict(session.get_session()) == {"user": "bob"}

    async with served(steps.app) as running:
        browser = running.browser()
        await steps.take(browser, write)
        await steps.take(browser, sign_in_late)
        await steps.take(browser, look)


def test_without_the_middleware_the_error_says_so() -> None:
    request = Request({"type": "http", "headers": []})
    with pytest.raises(ConfigurationError, match="FasterSessionMiddleware"):
        http_session(request)


async def test_fastapi_hands_it_out() -> None:
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY)

    @app.get("/")
    async def read(session: HttpSession = Depends(http_session)) -> Any:  # noqa: B008
        return {"new": session.is_new}

    async with served(app) as running:
        assert await running.browser().get() == {"new": True}


async def test_after_the_answer_has_begun_no_id_can_change() -> None:
    store, seen = MemoryStore(), []
    app = FastAPI()
    app.add_middleware(FasterSessionMiddleware, secret_key=KEY, store=store)

    @app.get("/")
    async def read(request: Request) -> Any:
        session = http_session(request)

        async def later() -> Any:
            yield b"{}"
            session.get_session()["color"] = "green"
            with pytest.raises(AnswerBegun):
                session.change_id()
            with pytest.raises(AnswerBegun):
                await session.save()
            with pytest.raises(AnswerBegun):
                await session.update_atomically(add_one)
            seen.append(True)

        return StreamingResponse(later())

    async with served(app) as running:
        browser = running.browser()
        await browser.get()
    assert (seen, browser.sent, len(store)) == ([True], [], 0)
