"""Search as users meet it: everything of theirs that says it, nothing of others', newest first."""

import random
from typing import Any
from unittest.mock import AsyncMock
from uuid import UUID

import httpx2
import pytest

from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.chat.search import indexer, search
from chatkeep.chat.search.ended_turns import EndedTurns
from chatkeep.chat.search.indexer import index_pending
from chatkeep.database.user_lexeme import user_lexeme
from tests.accounts.client import change
from tests.chat.search.reference import expected
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService
from tests.support.settled import settle

SEARCH = "/api/v1/search"
SYLLABLES = ["東京", "京都", "都市", "の", "です。", "、", "茶", "カフェ", "서울", "🎉"]
WORDS = ["tea", "Tea-pot", "green", "C++", "GREEN tea", "it's", "naïve", "\n", "x"]


async def ask(person: Person, q: str, **params: Any) -> dict[str, Any]:
    answer = await person.client.get(SEARCH, params={"q": q, **params})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def found_ids(person: Person, q: str, limit: int = 200) -> list[str]:
    """Return the ids of all turns that are found, read `limit` at a time."""
    page = await ask(person, q, limit=limit)
    ids = [item["turn_id"] for item in page["items"]]
    while page["next_cursor"]:
        page = await ask(person, q, limit=limit, cursor=page["next_cursor"])
        ids += [item["turn_id"] for item in page["items"]]
    return ids


def some_text(chance: random.Random) -> str:
    words = [chance.choice(SYLLABLES if chance.random() < 0.6 else WORDS) for _ in range(chance.randint(1, 8))]
    return chance.choice(["", " "]).join(words)


async def talk(service: RunningService, person: Person, texts: list[tuple[str, str]]) -> list[str]:
    """Keep turns with these prompts and replies, as the service keeps them; return their ids, newest first."""
    conversation_id = UUID(await person.conversation(title="Talk"))
    log = service.chat.turn_store
    ids = []
    for prompt, reply in texts:
        begun = await log.begin(UUID(person.id), NewTurn(conversation_id, prompt), context_tokens=256)
        await log.end(begun, Outcome("complete", reply))
        ids.append(str(begun.id))
    await settle(log)
    return ids[::-1]


async def test_a_turn_is_found_when_it_is_finished(service: RunningService) -> None:
    person = await service.person()
    conversation_id = await person.conversation(title="Drinks")
    turn = await person.say(conversation_id, "Which <b>tea</b> keeps me awake?")
    found = await ask(person, "TEA awake")
    (item,) = found["items"]
    assert found["next_cursor"] is None
    assert item == {
        "conversation_id": conversation_id,
        "conversation_title": "Drinks",
        "turn_id": turn["id"],
        "snippet": "Which &lt;b&gt;<mark>tea</mark>&lt;/b&gt; keeps me <mark>awake</mark>?",
        "found_in": "text",
        "created_at": turn["created_at"],
    }


async def test_a_turn_is_found_before_the_index_has_it(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its own user and by an administrator, once, in its place; by nobody else."""
    person, other = await service.person(), await service.person()
    before = await talk(service, person, [("old tea", "")] * 3)
    # Nobody makes the entries of what comes now.
    monkeypatch.setattr(service.chat.turn_store, "ended_turns", EndedTurns())
    monkeypatch.setattr("chatkeep.chat.generation.worker.index_ended", AsyncMock())
    conversation_id = await person.conversation()
    new = [(await person.say(conversation_id, f"new tea {number}"))["id"] for number in range(2)]
    await other.say(await other.conversation(), "new coffee")
    expected = [*reversed(new), *before]
    assert await found_ids(person, "tea") == expected
    assert await found_ids(person, "new") == expected[:2]
    pages = [await ask(person, "tea", limit=2)]
    pages.append(await ask(person, "tea", limit=3, cursor=pages[0]["next_cursor"]))
    assert [item["turn_id"] for page in pages for item in page["items"]] == expected
    assert await found_ids(other, "tea") == []
    administrator = await service.administrator()
    history = await administrator.client.get("/api/v1/admin/history", params={"q": "tea", "user_id": person.id})
    assert [item["id"] for item in history.json()["items"]] == expected
    monkeypatch.undo()
    monkeypatch.setattr(indexer, "LEFT_BEHIND_SECONDS", 0)
    await index_pending(service.database)
    assert await found_ids(person, "tea") == expected


async def test_a_reply_of_100_000_characters_is_found_by_its_last_sentence(service: RunningService) -> None:
    person = await service.person()
    japanese = "これは長い返事です。" * 10_000 + "最後の一文は鳳凰について。"
    english = "This is a long reply. " * 4_600 + "The last sentence names a phoenix."
    ids = await talk(service, person, [("長い話", japanese), ("A long one", english)])
    assert await found_ids(person, "鳳凰") == ids[1:]
    assert await found_ids(person, "最後の一文は鳳凰について。") == ids[1:]
    assert await found_ids(person, '"last sentence names a phoenix"') == ids[:1]


async def test_what_is_found_is_what_the_rules_say_of_every_turn(service: RunningService) -> None:
    person, other, chance = await service.person(), await service.person(), random.Random(5)
    texts = [(some_text(chance) or "x", some_text(chance)) for _ in range(60)]
    ids = await talk(service, person, texts)
    await talk(service, other, texts)
    queries = [
        "東",
        "茶",
        "の",
        "東京",
        "京都の",
        "です。",
        "tea",
        '"green tea"',
        "tea green",
        "c++",
        "🎉",
        "it's x",
        "茶 の",
    ]
    queries += [text.strip()[: chance.randint(2, 9)].strip() for text, _ in texts]
    for query in queries:
        wanted = [each for each, texts in zip(ids, texts[::-1], strict=True) if expected(query, *texts)]
        answer = await person.client.get(SEARCH, params={"q": query, "limit": 200})
        if answer.status_code == 422:
            assert not any(character.isalnum() for character in query)
        else:
            assert [item["turn_id"] for item in answer.json()["items"]] == wanted, query


@pytest.mark.parametrize("turns_a_match", [0, 10**6])
async def test_every_way_of_looking_gives_the_same_pages(
    service: RunningService, monkeypatch: pytest.MonkeyPatch, turns_a_match: float
) -> None:
    monkeypatch.setattr(search, "TURNS_PER_MATCH", turns_a_match)
    monkeypatch.setattr(search, "FIRST_TURNS", 3)
    monkeypatch.setattr(search, "NEXT_TURNS", 7)
    person = await service.person()
    texts = [("tea" if n % 2 else "tee", ("rare " if n % 17 == 0 else "茶 ") + f"n{n} green tea") for n in range(40)]
    ids = await talk(service, person, texts)
    long = ("green n17 rare tea", "tee rare n34 green tea", "tee rare n17 green tea")
    for query in ("tea", "rare", "茶", '"green tea"', '"tea green"', "n3", "nothing", *long):
        wanted = [each for each, texts in zip(ids, texts[::-1], strict=True) if expected(query, *texts)]
        for limit in (1, 7, 200):
            assert await found_ids(person, query, limit) == wanted, (query, limit)


async def test_nothing_is_skipped_or_repeated_while_turns_are_added(service: RunningService) -> None:
    person = await service.person()
    ids = await talk(service, person, [(f"tea {number}", "") for number in range(7)])
    page = await ask(person, "tea", limit=3)
    seen = [item["turn_id"] for item in page["items"]]
    await talk(service, person, [("tea again", "")])
    while page["next_cursor"]:
        page = await ask(person, "tea", limit=3, cursor=page["next_cursor"])
        seen += [item["turn_id"] for item in page["items"]]
    assert seen == ids


async def test_a_search_that_takes_too_long_is_stopped_and_says_so(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(search, "MAX_SEARCH_SECONDS", 0)
    person = await service.person()
    ids = await talk(service, person, [("green tea", "")] * 3)
    answer = await person.client.get(SEARCH, params={"q": "coffee"})
    assert code_of(answer, 503) == "query_too_slow"
    assert "Ask for rarer words, or for more of them." in answer.json()["detail"]
    # A page that is full is given, however late.
    assert [item["turn_id"] for item in (await ask(person, "tea", limit=2))["items"]] == ids[:2]


async def test_another_users_mark_in_a_users_lexemes_opens_nothing(service: RunningService) -> None:
    """Two users may have the same lexeme: whose a turn is, its row decides."""
    person, other = await service.person(), await service.person()
    await talk(service, other, [("secret tea", "")])
    await change(
        service.database,
        "UPDATE turn_entries SET lexemes = lexemes || CAST(:mark AS integer) WHERE user_id = :u",
        mark=user_lexeme(UUID(person.id)),
        u=other.id,
    )
    assert (await ask(person, "secret"))["items"] == []


@pytest.mark.parametrize("q", ["...", " ", '""', "。、", "?!", "in:title", "from:me"])
async def test_punctuation_alone_is_refused(service: RunningService, q: str) -> None:
    person = await service.person()
    assert code_of(await person.client.get(SEARCH, params={"q": q}), 422) == "nothing_to_find"


@pytest.mark.parametrize(
    ("params", "code"),
    [
        ({}, "invalid_request"),
        ({"q": ""}, "invalid_request"),
        ({"q": "x" * 10_001}, "invalid_request"),
        ({"q": "a\x00b"}, "invalid_text"),
        ({"q": "tea", "limit": "0"}, "invalid_request"),
        ({"q": "tea", "cursor": "nonsense"}, "invalid_cursor"),
        ({"q": "tea", "cursor": "WyJoaXN0b3J5IiwiMSJd"}, "invalid_cursor"),
    ],
)
async def test_what_cannot_be_asked_is_said(service: RunningService, params: dict[str, str], code: str) -> None:
    person = await service.person()
    answer: httpx2.Response = await person.client.get(SEARCH, params=params)
    assert code_of(answer, 422) == code


@pytest.mark.parametrize(
    "q",
    [
        "'",
        "\\ x",
        "a' | 'b",
        "':* x",
        "!x & (y",
        "x" * 500,
        "東" * 500,
        "a <-> b",
        "01a213bb-f785-773b-9446-8f56c5405527",
    ],
)
async def test_no_query_is_read_as_the_databases_own_language(service: RunningService, q: str) -> None:
    person = await service.person()
    (turn_id,) = await talk(service, person, [(f"before {q} after", "")])
    answer = await person.client.get(SEARCH, params={"q": q})
    if answer.status_code == 200:
        assert [item["turn_id"] for item in answer.json()["items"]] == [turn_id]
    else:
        assert code_of(answer, 422) == "nothing_to_find"
