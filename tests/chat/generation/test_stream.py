"""Following and stopping a turn from anywhere: this replica, another one, now, later."""

import asyncio
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import httpx2
import pytest

from chatkeep.chat.models import Said
from chatkeep.chat.models.prompt import ChatPrompt
from tests.support.events import Event, read_events, streaming
from tests.support.models import HeldModel
from tests.support.running_service import Person, RunningService, running

REPLY = "日本語 and 👍 and e\u0301 "


def path(conversation: str, turn: str, *rest: str) -> str:
    return "/".join([f"/api/v1/conversations/{conversation}/turns", turn, *rest])


def on(person: Person, service: RunningService) -> Person:
    """The same person, on another replica."""
    client = service.client(cookies=person.client.cookies)
    return Person(client, person.id, person.username)


@asynccontextmanager
async def following(
    person: Person, conversation: str, turn: str, last_event_id: int | None = None
) -> AsyncIterator[AsyncIterator[Event]]:
    headers = {} if last_event_id is None else {"Last-Event-ID": str(last_event_id)}
    async with person.client.stream("GET", path(conversation, turn, "events"), headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        yield read_events(answer.aiter_lines())


async def rest_of(events: AsyncIterator[Event]) -> tuple[str, Event]:
    """Read to the end; return the text and the last event."""
    text, last = "", None
    async for event in events:
        text += event.data.get("text", "") if event.name == "delta" else ""
        last = event
    assert last is not None
    return text, last


@pytest.fixture
async def replicas(shared_database_url: str) -> AsyncIterator[tuple[RunningService, RunningService, HeldModel]]:
    """Two replicas on one database; the first one's model holds in the middle of its reply."""
    model = HeldModel(REPLY, "middle ", None, "end", " of it")
    async with (
        running(shared_database_url, model=model, flush_interval_ms=30) as one,
        running(shared_database_url, model=model, flush_interval_ms=30) as two,
    ):
        yield one, two, model


async def test_a_stream_goes_on_from_any_character_on_any_replica_now_and_later(
    replicas: tuple[RunningService, RunningService, HeldModel],
) -> None:
    one, two, model = replicas
    alice = await one.person()
    elsewhere = on(alice, two)
    conversation = await alice.conversation()
    whole = REPLY + "middle end of it"
    starts = (0, 1, 5, len(REPLY), len(REPLY) + 3)
    async with streaming(alice, conversation, "Hi") as events:
        turn = (await anext(events)).data["id"]
        await asyncio.sleep(0.2)  # written down by now

        async def follow(person: Person, start: int) -> tuple[str, Event]:
            async with following(person, conversation, turn, start) as events:
                assert (await anext(events)).data["status"] == "streaming"
                return await rest_of(events)

        follows = [asyncio.create_task(follow(person, n)) for person in (alice, elsewhere) for n in starts]
        await asyncio.sleep(0.3)
        model.go_on()
        text, done = await rest_of(events)
        assert text == whole
        for (follower, start), found in zip(
            [(person, n) for person in (alice, elsewhere) for n in starts], await asyncio.gather(*follows), strict=True
        ):
            assert (follower.username, found) == (alice.username, (whole[start:], done))
    for person in (alice, elsewhere):
        for start in (*starts, len(whole), len(whole) + 100):
            assert await follow(person, start) == (whole[start:], done)
    assert done.id == len(whole)


async def test_a_follower_that_joins_late_is_sent_what_there_is_at_once(
    replicas: tuple[RunningService, RunningService, HeldModel],
) -> None:
    one, two, model = replicas
    alice = await one.person()
    conversation = await alice.conversation()
    async with streaming(alice, conversation, "Hi") as events:
        turn = (await anext(events)).data["id"]
        await asyncio.sleep(0.2)
        async with following(on(alice, two), conversation, turn) as others:
            assert (await anext(others)).name == "turn"
            assert (await anext(others)).data == {"text": REPLY + "middle "}
        model.go_on()
        await rest_of(events)


class FastModel(HeldModel):
    """Lets others run between two pieces, and no more."""

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Said, None]:
        async for piece in super().stream(prompt, model=model, params=params):
            yield piece
            await asyncio.sleep(0.001)


@pytest.mark.parametrize(("pace_seconds", "deltas"), [(0, 20), (3600, 2)])
async def test_a_fast_models_first_and_last_words_come_at_once_and_others_together(
    shared_database_url: str, monkeypatch: pytest.MonkeyPatch, pace_seconds: int, deltas: int
) -> None:
    monkeypatch.setattr("chatkeep.chat.generation.stream.MIN_DELTA_INTERVAL_SECONDS", pace_seconds)
    async with running(shared_database_url, model=FastModel(*["word "] * 20)) as service:
        alice = await service.person()
        async with streaming(alice, await alice.conversation(), "Hi") as events, asyncio.timeout(10):
            found = [event async for event in events]
    assert [event.name for event in found] == ["turn", *["delta"] * deltas, "done"]
    assert found[1].data == {"text": "word "}
    assert "".join(event.data["text"] for event in found[1:-1]) == "word " * 20


@pytest.mark.parametrize("where", [0, 1])
async def test_stop_ends_a_generation_wherever_it_runs_and_keeps_what_was_seen(
    replicas: tuple[RunningService, RunningService, HeldModel], where: int
) -> None:
    one, two, model = replicas
    alice = await one.person()
    conversation = await alice.conversation()
    async with streaming(alice, conversation, "Hi") as events:
        turn = (await anext(events)).data["id"]
        await anext(events)
        stopped = await on(alice, (one, two)[where]).client.post(path(conversation, turn, "stop"))
        assert stopped.status_code == 202
        async with asyncio.timeout(1):
            _, done = await rest_of(events)
    assert (done.data["status"], done.data["reply"]["content"]) == ("stopped", REPLY + "middle ")
    assert model.stopped == 1
    again = await alice.client.post(path(conversation, turn, "stop"))
    assert (again.status_code, again.json()["status"]) == (202, "stopped")
    model.go_on()
    assert (await alice.say(conversation, "Go on"))["status"] == "complete"


async def test_only_its_owner_follows_or_stops_a_turn(service: RunningService) -> None:
    alice, bob = await service.person(), await service.person()
    conversation = await alice.conversation()
    turn = (await alice.say(conversation, "mine"))["id"]
    assert (await bob.client.get(path(conversation, turn, "events"))).status_code == 404
    assert (await bob.client.post(path(conversation, turn, "stop"))).status_code == 404
    for wrong in ("-1", "abc", "1.5", str(2**31)):
        answer = await alice.client.get(path(conversation, turn, "events"), headers={"Last-Event-ID": wrong})
        assert answer.status_code == 422


async def test_two_tabs_see_one_reply(replicas: tuple[RunningService, RunningService, HeldModel]) -> None:
    one, _, model = replicas
    alice = await one.person()
    conversation = await alice.conversation()
    async with streaming(alice, conversation, "Hi") as events:
        turn = (await anext(events)).data["id"]
        async with (
            following(alice, conversation, turn) as first,
            following(alice, conversation, turn) as second,
        ):
            model.go_on()
            texts = [await rest_of(each) for each in (first, second, events)]
        assert len({text for text, _ in texts if text}) == 1


async def test_silence_is_kept_alive(
    replicas: tuple[RunningService, RunningService, HeldModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chatkeep.chat.generation.stream.KEEP_ALIVE_SECONDS", 0.1)
    one, two, model = replicas
    alice = await one.person()
    conversation = await alice.conversation()
    async with streaming(alice, conversation, "Hi") as events:
        turn = (await anext(events)).data["id"]
        for service in (one, two):
            client: httpx2.AsyncClient = on(alice, service).client
            async with client.stream("GET", path(conversation, turn, "events")) as answer:
                lines = answer.aiter_lines()
                async with asyncio.timeout(5):
                    while not (await anext(lines)).startswith(":"):
                        pass
        model.go_on()
        await rest_of(events)


async def test_feedback_is_given_changed_and_taken_back(service: RunningService) -> None:
    alice, bob = await service.person(), await service.person()
    conversation = await alice.conversation()
    turn = (await alice.say(conversation, "Hi"))["id"]
    where = path(conversation, turn, "feedback")
    for body in ({"rating": 1}, {"rating": -1, "comment": "いまいち"}):
        answer = await alice.client.put(where, json=body)
        assert (answer.status_code, answer.json()["feedback"]) == (200, {"comment": None, **body})
    for wrong in (
        {},
        {"rating": 0},
        {"rating": True},
        {"rating": "1"},
        {"rating": 1, "comment": "a\x00"},
        {"rating": 2},
    ):
        assert (await alice.client.put(where, json=wrong)).status_code == 422
    assert (await alice.turns(conversation))[0]["feedback"] == {"rating": -1, "comment": "いまいち"}
    assert (await bob.client.put(where, json={"rating": 1})).status_code == 404
    assert (await bob.client.delete(where)).status_code == 404
    assert (await alice.client.delete(where)).status_code == 204
    assert (await alice.turns(conversation))[0]["feedback"] is None


async def test_a_client_that_does_not_read_is_dropped_and_its_reply_goes_on(shared_database_url: str) -> None:
    model = HeldModel(*["👍" * 10_000] * 95)  # less than a reply's limit, and with a small socket more than is held
    async with running(shared_database_url, model=model, follower_timeout_seconds=1) as service:
        alice = await service.person()
        conversation = await alice.conversation()
        reader, writer = await asyncio.open_connection(sock=await _small_socket(service), limit=2**10)
        body = b'{"content": "a lot"}'
        cookie = f"sid={alice.client.cookies['sid']}".encode()
        writer.write(
            b"POST /api/v1/conversations/%b/turns HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n"
            b"Content-Type: application/json\r\nCookie: %b\r\nContent-Length: %d\r\n\r\n%b"
            % (conversation.encode(), cookie, len(body), body)
        )
        await reader.readline()
        async with asyncio.timeout(15):
            while (await alice.turns(conversation))[0]["status"] == "streaming":
                await asyncio.sleep(0.1)
        (turn,) = await alice.turns(conversation)
        assert (turn["status"], len(turn["reply"]["content"])) == ("complete", 95 * 10_000)
        # The rest of what was on its way, and then the end, without HTTP's own: nobody takes it for the whole.
        async with asyncio.timeout(15):
            while len(service.chat.streams):
                await asyncio.sleep(0.1)
            rest = b""
            with suppress(ConnectionResetError):  # what the kernel held is not delivered any more
                while chunk := await reader.read(2**20):
                    rest = (rest + chunk)[-1000:]
        assert not rest.endswith(b"\r\n0\r\n\r\n")
        assert b"event: done" not in rest
        writer.close()


async def _small_socket(service: RunningService) -> socket.socket:
    """Connect with room for little on its way; by itself Linux makes room for megabytes."""
    small = socket.socket()
    small.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    small.setblocking(False)
    await asyncio.get_running_loop().sock_connect(small, ("127.0.0.1", int(service.url.rpartition(":")[2])))
    return small
