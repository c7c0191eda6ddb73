"""Deleted data is nowhere: not a row, not a character of its text, in no table, whoever made that table.

The marks are of characters that nothing else holds, so that a single one of them gives away what is left: in JSON, in a
pair of neighbouring characters, or as bytes. What turns are found by is numbers: their rows are known by their ids.
"""

import asyncio
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import update

from chatkeep.chat.models import Delta, ModelError, Reasoning, Usage
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.clock import utc_now
from chatkeep.database.tables import conversations
from chatkeep.retention.policy import delete_old, rules
from tests.accounts.client import AUTH, log_in, rows
from tests.accounts.guests import guest
from tests.chat.files.pictures import add
from tests.support.running_service import PASSWORD, Person, RunningService, running
from tests.support.settled import settle
from tests.transfer.formats.test_chatgpt import conversation as chatgpt_conversation
from tests.transfer.formats.test_chatgpt import node as chatgpt_node
from tests.transfer.upload_client import imported

CONVERSATIONS = "/api/v1/conversations"
# Of the account, and of what was said. Headers and addresses take ASCII only.
NAME, WORD = "麤鱻驫羴", "qzxj7391wvk"
SAID = "龘靐齉爩"
# That something was done to an account is on record for good, under its id.
KEEP_IDS = {"audit_events", "audit_subjects"}


@dataclass
class MarkingModel:
    """Answers a mark with a mark; `hold` in a prompt has it wait for ever, `fail` has it break."""

    default_name: str = "marking"
    held: asyncio.Event = field(default_factory=asyncio.Event)

    async def stream(
        self, prompt: ChatPrompt, *, model: str | None, params: Mapping[str, object]
    ) -> AsyncGenerator[Delta | Reasoning | Usage, None]:
        asked = prompt.to_openai_messages()[-1]["content"]
        yield Reasoning(f"I say {SAID if SAID in asked else 'little'}.", "reasoning")
        yield Delta(f"The reply is {SAID if SAID in asked else 'short'}.")
        if "fail" in asked:
            raise ModelError(f"It broke at {SAID}.")
        if "hold" in asked:
            self.held.set()
            await asyncio.Event().wait()
        yield Usage(3, 5)

    async def close(self) -> None:
        return


@pytest.fixture(scope="module")
async def service(shared_database_url: str) -> AsyncIterator[RunningService]:
    async with running(shared_database_url, model=MarkingModel(), allow_guests=True, flush_interval_ms=20) as service:
        yield service


def forms_of(mark: str) -> set[str]:
    """Return the texts that give a mark away: each rare character, or all of an ASCII word; as text and as bytes."""
    parts = {mark.casefold(), mark} if mark.isascii() else {*mark, *unicodedata.normalize("NFKC", mark).casefold()}
    return parts | {part.encode().hex() for part in parts}


async def left(service: RunningService, *marks: str, ids: tuple[str, ...] = ()) -> set[str]:
    """Return the tables of which some row, cast to text, holds a form of a mark, or an id."""
    tables = await rows(
        service.database,
        "SELECT table_schema, table_name FROM information_schema.tables"
        " WHERE table_type = 'BASE TABLE' AND table_schema NOT IN ('pg_catalog', 'information_schema')",
    )
    forms = {form for mark in marks for form in forms_of(mark)}
    found = set()
    for schema, table in tables:
        text = "\n".join(
            each for (each,) in await rows(service.database, f'SELECT t::text FROM "{schema}"."{table}" t')
        )
        wanted = forms if table in KEEP_IDS else forms | set(ids)
        if any(form in text for form in wanted):
            found.add(table)
    return found


async def account(service: RunningService, username: str) -> Person:
    """Return a person whose every text holds a mark."""
    client = service.client(headers={"User-Agent": f"Browser {WORD}", "X-Request-ID": WORD})
    body = {"username": username, "password": PASSWORD, "email": f"{WORD}@example.org"}
    answer = await client.post(f"{AUTH}/register", json=body)
    assert answer.status_code == 201, answer.text
    await client.patch(f"{AUTH}/me", json={"display_name": f"{NAME} {WORD}"})
    assert (await client.post(f"{AUTH}/tokens", json={"name": f"{NAME} {WORD}"})).status_code == 201
    assert (await log_in(service.client(), username, f"{NAME} {WORD}")).status_code == 401
    assert (await log_in(service.client(headers={"User-Agent": WORD}), username)).status_code == 200
    return Person(client, answer.json()["id"], username)


async def conversation(person: Person) -> list[str]:
    """Begin a conversation whose every text holds a mark; return its id and those of its turns."""
    settings = {"model": SAID, "params": {"stop": [SAID]}}
    said = {"title": SAID, "system_prompt": SAID, "metadata": {SAID: [SAID, {"x": SAID}]}, **settings}
    conversation_id = await person.conversation(**said)
    path = f"{CONVERSATIONS}/{conversation_id}/turns"
    turn = await person.say(conversation_id, f"{SAID} and 全角{SAID}", **settings)
    kept = await add(person, f"a text of {SAID}".encode(), f"{SAID}.txt")
    with_file = await person.say(conversation_id, f"read {SAID}", items=[{"type": "file", "file_id": kept["id"]}])
    ids = [kept["id"], with_file["id"], turn["id"], (await person.say(conversation_id, f"fail {SAID}"))["id"]]
    keyed = {"content": f"once {SAID}", "stream": False}
    again = await person.client.post(path, json=keyed, headers={"Idempotency-Key": WORD})
    edited = await person.client.post(f"{path}/{turn['id']}/edit", json={"content": f"edited {SAID}", "stream": False})
    regenerated = await person.client.post(f"{path}/{turn['id']}/regenerate", json={"stream": False})
    ids += [each.json()["id"] for each in (again, edited, regenerated)]
    ids.insert(0, conversation_id)
    rated = {"rating": -1, "comment": f"I wanted {SAID}"}
    assert (await person.client.put(f"{path}/{turn['id']}/feedback", json=rated)).status_code == 200
    return ids


async def import_of_marks(service: RunningService, person: Person) -> list[str]:
    """Import a conversation whose every text holds a mark; return its id and those of its turns."""
    marked: dict[str, Any] = {"metadata": {"model_slug": SAID, SAID: SAID}, "status": SAID, SAID: [SAID]}
    question, answer, tool = (f"{role} {SAID}" for role in ("user", "assistant", "tool"))
    exported = chatgpt_conversation(
        chatgpt_node("system", None, "system", SAID, children=(question,), **marked),
        chatgpt_node(question, "system", "user", SAID, {SAID: SAID}, children=(tool,), **marked),
        chatgpt_node(tool, question, "tool", SAID, children=(answer,), recipient=SAID, **marked),
        chatgpt_node(answer, tool, "assistant", SAID, **marked),
        id=SAID,
        conversation_id=f"{SAID} {WORD}",
        title=SAID,
        default_model_slug=SAID,
        gizmo_id={SAID: SAID},
    )
    report = await imported(person, [exported, {"id": f"broken {SAID}", "mapping": SAID}])
    assert (report["imported"], len(report["failed"])) == (1, 1), report
    (made,) = report["conversations"]
    query = "SELECT id::text FROM turns WHERE conversation_id::text = :id"
    turns = await rows(service.database, query, id=made["conversation_id"])
    assert len(turns) == 1
    return [made["conversation_id"], *(turn_id for (turn_id,) in turns)]


async def being_answered(service: RunningService, person: Person) -> tuple[asyncio.Task[Any], list[str]]:
    """Begin a turn whose reply does not end, and wait until some of it is written down."""
    conversation_id = await person.conversation(title=SAID)
    path = f"{CONVERSATIONS}/{conversation_id}/turns"
    following = asyncio.create_task(person.client.post(path, json={"content": f"hold {SAID}", "stream": False}))
    query = "SELECT turn_id::text FROM reply_fragments WHERE user_id::text = :id"
    while not (written := await rows(service.database, query, id=person.id)):
        await asyncio.sleep(0.02)
    return following, [conversation_id, *{turn_id for (turn_id,) in written}]


async def settled(service: RunningService) -> None:
    """Wait until nothing is generated, and everything that was said can be found."""
    while len(service.chat.generations):
        await asyncio.sleep(0.02)
    await settle(service.chat.turn_store)
    while await rows(service.database, "SELECT 1 FROM turn_entries WHERE lexemes IS NULL LIMIT 1"):
        await asyncio.sleep(0.05)
    while await rows(service.database, "SELECT 1 FROM reasoning_entries WHERE lexemes IS NULL LIMIT 1"):
        await asyncio.sleep(0.05)
    await service.chat.files.sweep()


async def by_themselves(service: RunningService, person: Person) -> int:
    return (await person.client.request("DELETE", f"{AUTH}/me", json={"password": PASSWORD})).status_code


async def by_an_administrator(service: RunningService, person: Person) -> int:
    administrator = await service.administrator()
    return (await administrator.client.delete(f"/api/v1/admin/users/{person.id}")).status_code


@pytest.mark.parametrize("delete", [by_themselves, by_an_administrator])
async def test_a_deleted_user_is_in_no_table(service: RunningService, delete: Any) -> None:
    person, neighbour = await account(service, f"{NAME}{WORD}"), await service.person()
    await neighbour.say(await neighbour.conversation(), "mine")
    ids = [person.id, *await conversation(person), *await import_of_marks(service, person)]
    assert (await person.client.post("/chat_stream", json={"user_input": SAID})).status_code == 200
    await settled(service)
    following, more = await being_answered(service, person)
    # Otherwise what is not found afterwards was never there.
    wanted = {"users", "login_sessions", "access_tokens", "conversations", "turns", "reply_fragments"}
    wanted |= {"files", "file_pieces", "imported_conversations"}
    assert wanted <= await left(service, NAME, WORD, SAID)
    of_user = {"user_activity", "statistics_notes", "file_usage", "turn_files", "turn_entries", "reasoning_entries"}
    assert of_user <= await left(service, ids=(person.id,))
    kept = await left(service, ids=(neighbour.id,))

    assert await delete(service, person) == 204
    await following
    await settled(service)
    assert await left(service, NAME, WORD, SAID, ids=(*ids, *more)) == set()
    assert await left(service, ids=(neighbour.id,)) == kept


async def test_a_deleted_conversation_is_in_no_table(service: RunningService) -> None:
    person = await service.person()
    ids = await conversation(person)
    following, more = await being_answered(service, person)
    for conversation_id in (ids[0], more[0]):
        assert (await person.client.delete(f"{CONVERSATIONS}/{conversation_id}")).status_code == 204
    await following
    await settled(service)
    assert await left(service, SAID, ids=(*ids, *more)) == set()
    assert (await person.client.get(CONVERSATIONS)).json()["items"] == []


async def test_what_was_too_old_is_in_no_table(service: RunningService) -> None:
    person = await service.person()
    ids = [*await conversation(person), *await import_of_marks(service, person)]
    await settled(service)
    wanted = {"conversations", "turns", "turn_entries", "reasoning_entries", "imported_conversations"}
    wanted |= {"files", "file_pieces", "turn_files"}
    assert wanted <= await left(service, SAID, ids=tuple(ids))
    async with service.database.transaction() as connection:
        await connection.execute(update(conversations).values(last_turn_at=utc_now() - timedelta(days=2)))
    await delete_old(service.database, service.audit, rules({"user": 1}, utc_now()))
    await settled(service)
    assert await left(service, SAID, ids=tuple(ids)) == set()


async def test_a_guest_who_signed_in_and_was_deleted_is_in_no_table(service: RunningService) -> None:
    person, somebody = await service.person(), await guest(service)
    ids = [person.id, somebody.id, *await conversation(somebody)]
    assert (await log_in(somebody.client, person.username)).status_code == 200
    assert await by_themselves(service, person) == 204
    await settled(service)
    assert await left(service, SAID, ids=tuple(ids)) == set()


async def test_the_counters_keep_no_character_of_what_was_said(service: RunningService) -> None:
    person = await service.person()
    await conversation(person)
    query = "SELECT sum(count) FROM statistics WHERE measure = 'complete'"
    assert await by_themselves(service, person) == 204
    ((before,),) = await rows(service.database, query)
    assert before > 0
    assert await left(service, SAID) == set()
