"""Filters of a query, titles and the order of relevance, as the API has them."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.chat.search import ranking
from chatkeep.chat.search.filters import Filters, filter_of
from tests.accounts.client import change
from tests.chat.search.test_search import ask, found_ids, talk
from tests.http.test_bodies import code_of
from tests.support.running_service import Person, RunningService
from tests.support.settled import settle


@pytest.mark.parametrize(
    ("name", "value", "changes"),
    [
        ("from", "me", {"speaker": "me"}),
        ("FROM", "Assistant", {"speaker": "model"}),
        ("in", "title", {"where": "title"}),
        ("ｉｎ", "reasoning", {"where": "reasoning"}),
        ("has", "files", {"has_file": True}),
        ("model", "gpt-4o", {"model": "gpt-4o"}),
        ("before", "2026-02", {"before": datetime(2026, 2, 1, tzinfo=UTC)}),
        ("after", "2026/01/31", {"after": datetime(2026, 1, 31, tzinfo=UTC)}),
        ("after", "2026", {"after": datetime(2026, 1, 1, tzinfo=UTC)}),
        *(("before", value, None) for value in ("noon", "2026-13", "2026-02-30", "26", "2026-1-1-1", "٢٠٢٦", "0000")),
        ("from", "anna", None),
        ("model", "", None),
        ("in", "java", None),
        ("has", "fun", None),
        ("foo", "bar", None),
    ],
)
def test_a_filter_is_one_or_it_is_words(name: str, value: str, changes: dict[str, Any] | None) -> None:
    assert filter_of(name, value) == changes
    if changes is not None:
        Filters(**changes)


async def dated(service: RunningService, person: Person) -> list[str]:
    """Keep four turns, by different models, a month apart; return their ids, the oldest first."""
    conversation_id = UUID(await person.conversation(title="Kettles"))
    store = service.chat.turn_store
    ids = []
    for number, model in enumerate(("gpt-4o", "gpt-4o-mini", "qwen3", "qwen3"), start=1):
        begun = await store.begin(UUID(person.id), NewTurn(conversation_id, f"kettle {number}"), context_tokens=100)
        await store.end(begun, Outcome("complete", "tea"))
        ids.append(str(begun.id))
        await change(service.database, "UPDATE turns SET model = :m WHERE id::text = :t", m=model, t=ids[-1])
    await settle(store)
    return ids


async def test_turns_of_a_model_or_a_time_are_found_by_their_owner_and_by_administrators(
    service: RunningService,
) -> None:
    person = await service.person()
    ids = await dated(service, person)
    administrator = (await service.administrator()).client
    year = datetime.now(UTC).year
    for query, wanted in (
        ("kettle model:gpt", ids[:2]),
        ("kettle model:QWEN3", ids[2:]),
        ("model:mini", ids[1:2]),
        (f"kettle after:{year}", ids),
        (f"kettle after:{year + 1}", []),
        (f"kettle before:{year}", []),
        (f"before:{year + 1}", ids),
        ("kettle has:file", []),
        ("from:me kettle", ids),
        ("from:model kettle", []),
        ("kettle -gpt", ids),
        ("in:title kettles", ids[3:]),
        ("in:title kettle model:gpt", []),
        ("in:title tea", []),
    ):
        assert await found_ids(person, query) == wanted[::-1], query
        assert await found_ids(person, query, limit=1) == wanted[::-1], query
        answer = await administrator.get("/api/v1/admin/history", params={"q": query, "user_id": person.id})
        assert [item["id"] for item in answer.json()["items"]] == wanted[::-1], query


async def test_a_title_is_shown_where_it_is_what_was_found(service: RunningService) -> None:
    person = await service.person()
    for title in ("Grüner Tee", "Schwarzer Tee", "Kaffee"):
        conversation_id = UUID(await person.conversation(title=title))
        store = service.chat.turn_store
        await store.end(
            await store.begin(UUID(person.id), NewTurn(conversation_id, "x"), context_tokens=100),
            Outcome("complete", ""),
        )
    await person.conversation(title="Tee ohne Worte")
    page = await ask(person, "in:title gruner tee", limit=1)
    (item,) = page["items"]
    assert item["snippet"] == "<mark>Grüner</mark> <mark>Tee</mark>"
    assert item["found_in"] == "title"
    assert page["next_cursor"] is None
    first = await ask(person, "in:title tee", limit=1)
    second = await ask(person, "in:title tee", limit=1, cursor=first["next_cursor"])
    titles = [page["items"][0]["conversation_title"] for page in (first, second)]
    assert titles == ["Schwarzer Tee", "Grüner Tee"]
    assert second["next_cursor"] is None


async def test_the_order_of_relevance_goes_on_page_by_page(
    service: RunningService, monkeypatch: pytest.MonkeyPatch
) -> None:
    person = await service.person()
    texts = [("kettle kettle kettle", ""), ("a kettle among many other words of all kinds " * 3, ""), ("a kettle", "")]
    most, least, some = (await talk(service, person, texts))[::-1]
    found, page = [], await ask(person, "kettle", sort="relevance", limit=1)
    while True:
        found += [item["turn_id"] for item in page["items"]]
        if not page["next_cursor"]:
            break
        page = await ask(person, "kettle", sort="relevance", limit=1, cursor=page["next_cursor"])
    assert sorted(found) == sorted([most, some, least])
    assert found[0] == most
    by_date = await person.client.get("/api/v1/search", params={"q": "kettle", "cursor": "WyJyZWxldmFuY2UiLDEsMV0"})
    assert code_of(by_date, 422) == "invalid_cursor"
    monkeypatch.setattr("chatkeep.chat.search.own_search.MAX_RANKED", 2)
    assert len((await ask(person, "kettle", sort="relevance"))["items"]) == 2
    assert ranking.MAX_RANKED == 500


@pytest.mark.parametrize("sort", ["", "oldest", "Date"])
async def test_another_order_is_refused(service: RunningService, sort: str) -> None:
    person = await service.person()
    answer = await person.client.get("/api/v1/search", params={"q": "tea", "sort": sort})
    assert code_of(answer, 422) == "invalid_request"


async def test_titles_in_the_list_are_filtered_by_the_same_rules(service: RunningService) -> None:
    person = await service.person()
    for title in ("Straße 5", "ΟΔΟΣ", "İzmir", "ﾃﾞｰﾀ", "Café", "100%_x", "東 京", None):
        await person.conversation(title=title)
    for q, wanted in (
        ("STRASSE", ["Straße 5"]),
        ("tra", ["Straße 5"]),
        ("οδος", ["ΟΔΟΣ"]),
        ("izmir", ["İzmir"]),
        ("データ", ["ﾃﾞｰﾀ"]),
        ("cafe", ["Café"]),
        ("afé", ["Café"]),
        ("çafe", []),
        ("%", ["100%_x"]),
        ("_", ["100%_x"]),
        ("東京", ["東 京"]),
    ):
        answer = await person.client.get("/api/v1/conversations", params={"q": q})
        assert [item["title"] for item in answer.json()["items"]] == wanted, q
    first = (await person.client.get("/api/v1/conversations", params={"q": "a", "limit": 1})).json()
    rest = await person.client.get("/api/v1/conversations", params={"q": "a", "cursor": first["next_cursor"]})
    assert [item["title"] for item in (*first["items"], *rest.json()["items"])] == ["Café", "Straße 5"]
