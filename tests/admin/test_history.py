"""An administrator's view of every turn, held against a plain filter over all of them."""

import itertools
import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import httpx2
import pytest

from chatkeep.accounts.usernames import username_key
from chatkeep.chat.search import search
from chatkeep.ids import new_id
from tests.admin.rows import BEGINNING, MODELS, STATUSES, KeptTurn, keep, some_turns
from tests.chat.search.reference import expected as expected_by_words
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService

HISTORY = "/api/v1/admin/history"
TURNS = sorted(some_turns(random.Random(7)), key=lambda turn: turn.id, reverse=True)
CHANCE = random.Random(11)

Filters = dict[str, Any]
TESTS: dict[str, Callable[[KeptTurn, Any], bool]] = {
    "q": lambda turn, value: turn.status != "streaming" and expected_by_words(value, turn.prompt, turn.reply),
    "user_id": lambda turn, value: str(turn.user_id) == value,
    "username": lambda turn, value: username_key(turn.username) == username_key(value),
    "conversation_id": lambda turn, value: str(turn.conversation_id) == value,
    "model": lambda turn, value: turn.model == value,
    "status": lambda turn, value: turn.status == value,
    "rating": lambda turn, value: turn.rating == value,
    "from": lambda turn, value: turn.created_at >= datetime.fromisoformat(value),
    "to": lambda turn, value: turn.created_at < datetime.fromisoformat(value),
}


def some_value(name: str, turn: KeptTurn) -> Any:
    """Return a value of a filter that fits this turn, or one nearby."""
    near = turn.created_at + timedelta(microseconds=CHANCE.choice([-1, 0, 0, 1, 1000]))
    return {
        "q": CHANCE.choice(["prompt", "REPLY", turn.prompt, f'"{turn.prompt}"', "reply prompt 3"]),
        "user_id": str(turn.user_id),
        "username": CHANCE.choice([turn.username, turn.username.upper(), turn.username.lower()]),
        "conversation_id": str(turn.conversation_id),
        "model": turn.model or "qwen3",
        "status": turn.status,
        "rating": turn.rating or 1,
        "from": near.isoformat(),
        "to": near.isoformat(),
    }[name]


def expected(filters: Filters) -> list[KeptTurn]:
    return [turn for turn in TURNS if all(TESTS[name](turn, value) for name, value in filters.items())]


@pytest.fixture(scope="module")
async def administrator(service: RunningService, shared_database_url: str) -> Person:
    await keep(shared_database_url, TURNS)
    return await service.administrator()


async def page(administrator: Person, **params: Any) -> dict[str, Any]:
    answer = await administrator.client.get(HISTORY, params=params)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def whole(administrator: Person, limit: Any = 200, **filters: Any) -> list[dict[str, Any]]:
    """Return all that fits, read `limit` at a time."""
    found = await page(administrator, limit=limit, **filters)
    items: list[dict[str, Any]] = found["items"]
    while found["next_cursor"] is not None:
        found = await page(administrator, **(filters | {"limit": limit, "cursor": found["next_cursor"]}))
        items += found["items"]
    return items


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def ids_of(turns: list[KeptTurn]) -> list[str]:
    return [str(turn.id) for turn in turns]


async def test_every_turn_of_every_user_is_there_newest_first(administrator: Person) -> None:
    assert ids(await whole(administrator)) == ids_of(TURNS)


async def test_a_turn_is_told_as_its_user_sees_it_and_whose_it_is(administrator: Person) -> None:
    for item, turn in zip(await whole(administrator), TURNS, strict=True):
        told = {
            "id": str(turn.id),
            "user_id": str(turn.user_id),
            "username": turn.username,
            "conversation_id": str(turn.conversation_id),
            "conversation_title": turn.conversation_title,
            "parent_id": str(turn.parent_id) if turn.parent_id else None,
            "index": turn.position,
            "status": turn.status,
            "prompt": {"content": turn.prompt, "items": None},
            "model": turn.model,
            "siblings": {"count": 1, "position": 1},
            "created_at": turn.created_at.isoformat(timespec="microseconds").replace("+00:00", "Z"),
        }
        assert {name: item[name] for name in told} == told
        assert (item["feedback"] or {}).get("rating") == turn.rating
        if turn.status != "streaming":
            assert (item["reply"] or {}).get("content") == turn.reply


SINGLE = [
    *(("status", status) for status in sorted(set(STATUSES))),
    *(("model", model) for model in MODELS if model),
    *(("rating", rating) for rating in (1, -1)),
    *(("user_id", str(each)) for each in sorted({turn.user_id for turn in TURNS})),
    *(("username", each) for each in sorted({turn.username for turn in TURNS})),
    *(("conversation_id", str(each)) for each in sorted({turn.conversation_id for turn in TURNS})),
]


@pytest.mark.parametrize(("name", "value"), SINGLE)
async def test_each_filter_alone(administrator: Person, name: str, value: object) -> None:
    found = ids(await whole(administrator, **{name: value}))
    assert found == ids_of(expected({name: value}))
    assert found


PAIRS = [*itertools.combinations(TESTS, 2), *itertools.combinations(TESTS, 3), tuple(TESTS)]


@pytest.mark.parametrize("names", PAIRS, ids="+".join)
async def test_filters_together_must_all_fit(administrator: Person, names: tuple[str, ...]) -> None:
    for _ in range(3):
        turn = CHANCE.choice(TURNS)
        filters = {name: some_value(name, turn) for name in names}
        assert ids(await whole(administrator, **filters)) == ids_of(expected(filters)), filters


async def test_bounds_of_time_are_exact_to_the_microsecond(administrator: Person) -> None:
    times = sorted({turn.created_at for turn in TURNS})
    for time in (times[0], times[-1], *CHANCE.sample(times, 12)):
        for shift in (-1, 0, 1):
            bound = (time + timedelta(microseconds=shift)).isoformat()
            assert ids(await whole(administrator, **{"from": bound})) == ids_of(expected({"from": bound}))
            assert ids(await whole(administrator, to=bound)) == ids_of(expected({"to": bound}))
    exactly = times[7]
    moment = {"from": exactly.isoformat(), "to": (exactly + timedelta(microseconds=1)).isoformat()}
    found = await whole(administrator, **moment)
    assert ids(found) == ids_of([turn for turn in TURNS if turn.created_at == exactly])
    assert found


@pytest.mark.parametrize(
    ("since", "until", "count"),
    [
        ("2026-01-31T18:30:00+09:00", "2026-01-31T18:30:00.000001+09:00", None),
        ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999Z", len(TURNS)),
        ("9999-12-31T23:59:59Z", "9999-12-31T23:59:59Z", 0),
        ("0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", 0),
        ("1969-12-31T23:59:59Z", "1970-01-01T00:00:00Z", 0),
        ("2026-06-01T00:00:00Z", "2026-01-01T00:00:00Z", 0),
    ],
)
async def test_any_time_may_be_asked_for(administrator: Person, since: str, until: str, count: int | None) -> None:
    found = await whole(administrator, **{"from": since, "to": until})
    assert ids(found) == ids_of(expected({"from": since, "to": until}))
    assert count is None or len(found) == count


@pytest.mark.parametrize("turns_a_match", [0, 10**6])
@pytest.mark.parametrize("q", ["prompt 17", "prompt", "reply", "nothing", "3"])
async def test_every_way_of_looking_for_words_gives_the_same_pages(
    administrator: Person, monkeypatch: pytest.MonkeyPatch, q: str, turns_a_match: float
) -> None:
    for name, value in (("FIRST_TURNS", 3), ("NEXT_TURNS", 7), ("TURNS_PER_MATCH", turns_a_match)):
        monkeypatch.setattr(search, name, value)
    user = str(TURNS[0].user_id)
    for limit, filters in ((23, {}), (199, {"status": "failed"}), (199, {"user_id": user}), (5, {"rating": 1})):
        assert ids(await whole(administrator, limit=limit, q=q, **filters)) == ids_of(expected({"q": q} | filters))


@pytest.mark.parametrize("turns_a_match", [0, 10**6])
async def test_a_turn_that_is_found_by_its_words_is_told_as_any_other(
    administrator: Person, monkeypatch: pytest.MonkeyPatch, turns_a_match: float
) -> None:
    """By the index and by walking: every field of it, in the same order."""
    monkeypatch.setattr(search, "FIRST_TURNS", 3)
    monkeypatch.setattr(search, "TURNS_PER_MATCH", turns_a_match)
    listed = await whole(administrator, username=TURNS[0].username)
    found = await whole(administrator, username=TURNS[0].username, q="prompt")
    assert [list(item.items()) for item in found] == [
        list(item.items()) for item in listed if item["status"] != "streaming"
    ]
    assert found


async def test_a_search_that_takes_too_long_is_stopped_and_says_so(
    administrator: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_SEARCH_SECONDS", 0)
    answer = await administrator.client.get(HISTORY, params={"q": "nothing"})
    assert code_of(answer, 503) == "query_too_slow"
    assert "Ask for rarer words, or for more of them." in answer.json()["detail"]
    assert len((await page(administrator, q="prompt", limit=2))["items"]) == 2


async def test_punctuation_alone_is_nothing_to_look_for(administrator: Person) -> None:
    assert code_of(await administrator.client.get(HISTORY, params={"q": "…"}), 422) == "nothing_to_find"


@pytest.mark.parametrize("limit", [1, 7, 199])
async def test_pages_together_are_the_filtered_list(administrator: Person, limit: int) -> None:
    filters = {"status": "complete", "from": BEGINNING.isoformat()}
    assert ids(await whole(administrator, limit=limit, **filters)) == ids_of(expected(filters))


async def test_filters_may_change_between_pages(administrator: Person) -> None:
    first = await page(administrator, limit=10)
    rest = await whole(administrator, status="failed", cursor=first["next_cursor"])
    assert ids(rest) == ids_of([turn for turn in TURNS[10:] if turn.status == "failed"])


async def test_nothing_is_skipped_or_repeated_while_turns_are_taken(
    service: RunningService, administrator: Person
) -> None:
    person = await service.person()
    conversation_id = await person.conversation()
    await person.say(conversation_id, "first")
    before = ids(await whole(administrator, user_id=person.id))
    found = await page(administrator, limit=3)
    seen = ids(found["items"])
    while found["next_cursor"] is not None and len(seen) < 30:
        await person.say(conversation_id, "more")
        found = await page(administrator, limit=3, cursor=found["next_cursor"])
        seen += ids(found["items"])
    assert seen == [before[0], *ids_of(TURNS)][: len(seen)]
    assert len(await whole(administrator, user_id=person.id)) == len(before) + (len(seen) // 3 - 1)


async def test_a_turn_that_is_being_answered_is_there_with_what_there_is(
    service: RunningService, administrator: Person
) -> None:
    person = await service.person()
    conversation_id = await person.conversation(title="mine")
    turn = await person.say(conversation_id, "Hello")
    (item,) = await whole(administrator, conversation_id=conversation_id)
    own = (await person.client.get(f"/api/v1/conversations/{conversation_id}/turns/{turn['id']}")).json()
    extra = {"user_id": person.id, "username": person.username, "conversation_title": "mine"}
    assert item == own | extra


async def test_siblings_are_counted_among_all_branches(service: RunningService, administrator: Person) -> None:
    person = await service.person()
    conversation_id = await person.conversation()
    root = await person.say(conversation_id, "root")
    for _ in range(3):
        await person.say(conversation_id, "branch", parent_id=root["id"])
    found = await whole(administrator, conversation_id=conversation_id)
    assert [item["siblings"] for item in found] == [
        {"count": 3, "position": 3},
        {"count": 3, "position": 2},
        {"count": 3, "position": 1},
        {"count": 1, "position": 1},
    ]


async def test_a_username_counts_whatever_its_case_and_width(administrator: Person) -> None:
    for name in ("Ännä-1", "ÄNNÄ-1", "ännä-1", "A\u0308nna\u0308-1", "Ännä－１"):
        assert ids(await whole(administrator, username=name)) == ids_of(expected({"username": "Ännä-1"})), name
    for name in ("Ännä", "nnä-1", "Ännä-1 ", "%", "_nnä-1", ""):
        assert await whole(administrator, username=name) == [], name


async def test_nobody_by_that_name_or_of_another_id_has_turns(administrator: Person) -> None:
    turn = TURNS[0]
    other = next(each for each in TURNS if each.user_id != turn.user_id)
    assert await whole(administrator, user_id=str(new_id())) == []
    assert await whole(administrator, conversation_id=str(new_id())) == []
    assert await whole(administrator, username=turn.username, user_id=str(other.user_id)) == []
    assert await whole(administrator, model="no such model") == []


@pytest.mark.parametrize(
    "params",
    [
        {"q": ""},
        {"user_id": "x"},
        {"conversation_id": "1"},
        {"status": "Complete"},
        {"status": ""},
        {"rating": "0"},
        {"rating": "2"},
        {"rating": "1.0"},
        {"rating": "true"},
        {"from": "yesterday"},
        {"from": "2026-01-31"},
        {"to": "2026-01-31T09:30:00"},
        {"to": "1769851800"},
        {"to": "2026-01-31T09:30:60Z"},
        {"to": "2026-02-30T09:30:00Z"},
    ],
)
async def test_a_filter_that_cannot_be_is_an_invalid_request(administrator: Person, params: dict[str, str]) -> None:
    answer: httpx2.Response = await administrator.client.get(HISTORY, params=params)
    assert code_of(answer, 422) == "invalid_request"
