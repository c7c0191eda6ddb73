"""Names of files whose bytes are sent more than once: each turn has the name that it was sent with."""

from typing import Any

from tests.chat.files.pictures import FILES, add, png
from tests.support.models import HeldModel
from tests.support.running_service import Person, RunningService, running

TEXT = b"Sencha"
PDF = b"%PDF-1.7 tea"


async def names_of(person: Person) -> list[str]:
    return [each["name"] for each in (await person.client.get(FILES)).json()["items"]]


def item_of(turn: dict[str, Any]) -> Any:
    return turn["prompt"]["items"][0]


async def test_a_file_that_is_sent_again_takes_the_new_name(service: RunningService) -> None:
    person = await service.person()
    first = await add(person, png(), "draft.png")
    again = await add(person, png(), "../final.png")
    assert again == first | {"name": "final.png"}
    assert await names_of(person) == ["final.png"]
    answer = await person.client.get(f"{FILES}/{first['id']}/content")
    assert "final.png" in answer.headers["content-disposition"]


async def test_bytes_without_a_name_leave_the_name_as_it_is(service: RunningService) -> None:
    person = await service.person()
    await add(person, TEXT, "tea.txt")
    item = {"type": "input_file", "file_data": f"data:,{TEXT.decode()}"}
    turn = await person.say(await person.conversation(), "?", items=[item])
    assert (item_of(turn)["name"], await names_of(person)) == ("tea.txt", ["tea.txt"])


async def test_a_turn_has_the_name_that_its_item_gives(service: RunningService) -> None:
    person = await service.person()
    kept, conversation = await add(person, png(), "tea.png"), await person.conversation()
    names = [("a/cup.png", "cup.png"), ("", "tea.png"), (7, "tea.png"), (None, "tea.png")]
    for given, expected in names:
        turn = await person.say(conversation, "?", items=[{"type": "image", "file_id": kept["id"], "name": given}])
        assert item_of(turn)["name"] == expected
    # Of the same bytes twice in one prompt, each has its own name.
    items = [{"type": "file", "filename": name, "file_data": f"data:,{name[0]}"} for name in ("a.txt", "a.md")]
    turn = await person.say(conversation, "?", items=items)
    assert [item["name"] for item in turn["prompt"]["items"][:2]] == ["a.txt", "a.md"]


async def test_the_model_is_told_each_turns_own_name(shared_database_url: str) -> None:
    model = HeldModel("Tea.")
    async with running(shared_database_url, model=model) as service:
        person = await service.person()
        conversation = await person.conversation()
        for names in (("old.txt", "old.pdf"), ("new.txt", "new.pdf")):
            kept = [await add(person, data, name) for data, name in zip((TEXT, PDF), names, strict=True)]
            await person.say(conversation, "?", items=[{"type": "file", "file_id": each["id"]} for each in kept])
        messages = model.prompts[-1].to_openai_messages_with_files()
        told = [message["content"] for message in messages if message["role"] == "user"]
        assert [text["text"] for text, _, _ in told] == [
            f"File “{name}.txt”:\n```\nSencha\n```" for name in ("old", "new")
        ]
        assert [pdf["file"]["filename"] for _, pdf, _ in told] == ["old.pdf", "new.pdf"]
        items = [item_of(turn)["name"] for turn in await person.turns(conversation)]
        assert sorted(items) == ["new.txt", "old.txt"]
