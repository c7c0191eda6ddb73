"""Front ends with a history of their own: requests as they make them, and what becomes of these here.

Of Open WebUI 0.12.4 the requests were written down as it sent them; those of LibreChat are after its source.
"""

from typing import Any

from tests.openai.clients import ApiUser
from tests.openai.test_completions import conversations, path, said
from tests.support.models import HeldModel

TASK = "### Task:\nGenerate a concise title.\n### Chat History:\n<chat_history>\n{}\n</chat_history>"
TOOL = {"type": "function", "function": {"name": "get_current_timestamp", "parameters": {"properties": {}}}}


class Chat:
    """Asks as a front end does.

    Args:
        fields, headers: of each request.
    """

    def __init__(self, user: ApiUser, model: HeldModel, fields: dict[str, Any], headers: dict[str, str]) -> None:
        self.user, self.model, self.fields, self.headers = user, model, fields, headers

    async def ask(self, messages: list[Any], reply: str) -> Any:
        """Send a history; return the assistant's message."""
        self.model.script = (reply,)
        asked = {"model": "m", "stream": True, "messages": messages, **self.fields}
        answer = await self.user.http.post("/v1/chat/completions", json=asked, headers=self.headers)
        assert answer.text.endswith("data: [DONE]\n\n"), answer.text
        return said("assistant", reply)

    async def task(self, name: str, chat: str) -> None:
        asked = {"model": "m", "messages": [said("user", TASK.format(chat))], "stream": False, "max_tokens": 1000}
        headers = {"X-Chatkeep-Task": name}
        answer = await self.user.http.post("/v1/chat/completions", json=asked, headers=headers)
        assert answer.status_code == 200, answer.text


async def test_open_webui(user: ApiUser, model: HeldModel) -> None:
    chat = Chat(user, model, {"tools": [TOOL]}, {"X-Chatkeep-Task": ""})
    await chat.task("title_generation", "USER: One")  # beside the first answer
    one = [said("user", "One")]
    one.append(await chat.ask(one, "Eins"))
    for name in ("tags_generation", "follow_up_generation", "title_generation"):
        await chat.task(name, "USER: One\nASSISTANT: Eins")
    await chat.ask([*one, said("user", "Two")], "Zwei")
    # Another reply, and then another prompt in the place of the second one: branches of the same conversation.
    await chat.ask([*one, said("user", "Two")], "Zwo")
    last = await chat.ask([*one, said("user", "Drei?")], "Ja")
    assert len(await conversations(user)) == 1
    assert await path(user) == [("One", "Eins"), ("Drei?", "Ja")]
    kept = await user.person.turns((await conversations(user))[0]["id"], order="asc")
    assert kept[-1]["siblings"] == {"count": 3, "position": 3}
    # The branch can be gone on with; a chat that is edited at its very beginning is another conversation.
    await chat.ask([*one, said("user", "Drei?"), last, said("user", "Vier?")], "Nein")
    await chat.ask([said("user", "Uno")], "Eins")
    assert [len(await path(user, number)) for number in range(2)] == [1, 3]
    assert [each["title"] for each in await conversations(user)] == ["Uno", "One"]


async def test_librechat(user: ApiUser, model: HeldModel) -> None:
    fields = {
        "user": "66f0c0ffee",
        "temperature": 1,
        "top_p": 1,
        "presence_penalty": 0,
        "frequency_penalty": 0,
        "stream_options": {"include_usage": True},
    }
    chat = Chat(user, model, fields, {"x-stainless-lang": "js", "x-stainless-retry-count": "0"})
    system = said("system", "Be short.")

    def parts(text: str) -> dict[str, Any]:
        return {"role": "user", "content": [{"type": "text", "text": text}]}

    # Texts alone or as parts, which its versions and its uploads differ in; the newest prompt may come either way.
    reply = await chat.ask([system, said("user", "One")], "Eins ")
    shown = {"role": "assistant", "content": [{"type": "text", "text": "Eins"}]}
    await chat.ask([system, parts("One"), shown, parts("Two")], "Zwei")
    await chat.ask([system, said("user", "One"), reply, said("user", "Two")], "Zwo")
    assert len(await conversations(user)) == 1
    assert await path(user) == [("One", "Eins "), ("Two", "Zwo")]
    # A reply that its user has written anew is sent on as the reply that it is.
    await chat.ask([system, said("user", "One"), said("assistant", "Uno"), said("user", "Two")], "Dos")
    assert (await path(user))[0][0] == "One\n\nUno\n\nTwo"
