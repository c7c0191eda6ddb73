"""docs/chatstream.md as somebody would follow it: the server before, and the server after."""

import re
import secrets
from pathlib import Path

from tests.chatstream.with_chatstream.server import ROOT, chatstream

DOCUMENT = (ROOT / "docs" / "chatstream.md").read_text()
MY_MODEL = """
from chatstream import ChatPromptTogetherRedPajamaINCITEChat as MyChatPrompt
from tests.chatstream.with_chatstream.tiny_model import tiny_model

found = tiny_model()
model, tokenizer, device = found["model"], found["tokenizer"], found["device"]
"""


def write_application(folder: Path, which: str) -> str:
    """Write the document's server into `folder`; return its module's name."""
    found = re.search(rf"<!-- {which} -->\n```python\n(.*?)```", DOCUMENT, re.DOTALL)
    assert found is not None
    (folder / "my_model.py").write_text(MY_MODEL)
    (folder / f"server_{which}.py").write_text(found[1])
    return f"server_{which}"


async def test_the_server_before(database_url: str, tmp_path: Path) -> None:
    app = write_application(tmp_path, "before")
    async with chatstream(tmp_path, database_url, app=app) as server:
        assert (await server.tab().post("/chat_stream", {"user_input": "Hi"})).status_code == 200


async def test_the_server_after(database_url: str, tmp_path: Path) -> None:
    app = write_application(tmp_path, "after")
    async with chatstream(tmp_path, database_url, app=app) as server:
        assert (await server.tab().post("/chat_stream", {"user_input": "Hi"})).status_code == 401
        alice = await server.person(f"alice-{secrets.token_hex(4)}")
        reply = await alice.chat("Hi")
        prompt, cookies = await alice.prompt(), alice.client.cookies
        assert (prompt or "").startswith("<human>: Hi\n<bot>:")
    async with chatstream(tmp_path, database_url, app=app) as server:
        alice = server.tab(cookies)
        assert await alice.prompt() == prompt
        assert (await alice.chat("Hi again")).conversation == reply.conversation
