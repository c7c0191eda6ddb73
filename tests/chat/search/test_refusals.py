"""Refusals are text that people saw: they are found as what was said is."""

from collections.abc import Sequence
from uuid import UUID

from chatkeep.chat.history.turn import NewTurn, Outcome
from chatkeep.chat.items import JsonItem, refusal_item, text_item
from tests.chat.search.test_search import ask, found_ids
from tests.support.running_service import Person, RunningService
from tests.support.settled import settle
from tests.transfer.upload_client import history, imported


async def keep(service: RunningService, person: Person, items: Sequence[JsonItem] | None, reply: str = "Oh.") -> str:
    """Keep a turn whose reply is made of these items; return its id."""
    store = service.chat.turn_store
    new = NewTurn(UUID(await person.conversation(title="Talk")), "question")
    begun = await store.begin(UUID(person.id), new, context_tokens=256)
    await store.end(begun, Outcome("complete", reply, None if items is None else [*items]))
    await settle(store)
    return str(begun.id)


async def test_a_refusal_is_found_among_what_was_said(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    turn = await keep(
        service, person, [refusal_item("I cannot <b>poach</b> eggs."), refusal_item("卵はゆでません。")], ""
    )
    await keep(service, other, [refusal_item("I cannot poach eggs.")])
    for query in ("poach", '"i cannot"', "ゆでま", "question poach", "poach 卵"):
        assert await found_ids(person, query) == [turn], query
    for query in ("in:reasoning poach", '"eggs 卵"', "poachers"):
        assert await found_ids(person, query) == [], query
    (item,) = (await ask(person, "eggs"))["items"]
    assert item["snippet"] == "I cannot &lt;b&gt;poach&lt;/b&gt; <mark>eggs</mark>."
    assert item["found_in"] == "text"


async def test_an_administrator_finds_it(service: RunningService) -> None:
    person = await service.person()
    turn = await keep(service, person, [text_item(0, 3), refusal_item("No blanching.")])
    client = (await service.administrator()).client
    for more in ({}, {"username": person.username}, {"status": "complete"}):
        answer = await client.get("/api/v1/admin/history", params={"q": "blanching", **more})
        assert [each["id"] for each in answer.json()["items"]] == [turn], more


async def test_an_imported_refusal_is_found(service: RunningService) -> None:
    person, other = await service.person(), await service.person()
    await keep(service, person, [text_item(0, 3), refusal_item("No simmering."), {"type": "refusal", "refusal": 7}])
    await imported(other, (await history(person))[0])
    assert len(await found_ids(other, "simmering")) == 1
