"""Items of a reply beside its text, wherever a history goes."""

import csv
import io
import json

from tests.chat.test_items import CALL, ITEMS, WHOLE, without_seconds
from tests.support.models import HeldModel
from tests.support.running_service import PASSWORD, running
from tests.transfer.upload_client import history, imported


async def test_items_are_exported_imported_found_read_by_administrators_and_erased(database_url: str) -> None:
    async with running(database_url, model=HeldModel(*WHOLE)) as service:
        author, reader = await service.person(), await service.person()
        conversation = await author.conversation()
        turn = await author.say(conversation, "Tea?", items=[{"type": "x", "y": "prompt"}])
        path = f"/api/v1/conversations/{conversation}/export"
        assert without_seconds(turn["reply"]["items"]) == ITEMS
        assert [each["type"] for each in turn["prompt"]["items"]] == ["x", "message"]

        # Into an empty account and out again.
        file = (await author.client.get("/api/v1/export")).content
        assert (await imported(reader, file))["imported"] == 1
        ((kept,),) = [each["turns"] for each in await history(reader)]
        for name in ("status", "finish_reason", "prompt", "reply", "usage", "context"):
            assert kept[name] == turn[name]
        lines = (await author.client.get(path, params={"format": "jsonl"})).text
        assert json.loads(lines) == turn

        # To read.
        markdown = (await author.client.get(path, params={"format": "markdown"})).text
        for said in ("> They want tea. 👍", "Tea is\u2028good.", '"name": "search"', "> Not more.", '"y": "prompt"'):
            assert said in markdown

        # The text is found as ever.
        found = (await reader.client.get("/api/v1/search", params={"q": "終わり"})).json()
        assert [each["conversation_title"] for each in found["items"]] == ["Tea?"]

        # By an administrator, as JSON and as a table.
        admin = await service.administrator()
        listed = (await admin.client.get(f"/api/v1/admin/conversations/{conversation}/turns")).json()
        assert listed["items"][0]["reply"] == turn["reply"]
        filters = {"format": "csv", "user_id": author.id, "status": "complete"}
        table = (await admin.client.get("/api/v1/admin/history/export", params=filters)).text
        (row,) = csv.DictReader(io.StringIO(table, newline=""))
        assert CALL in json.loads(row["reply_items"])
        assert (row["refusal"], row["finish_reason"], row["left_out"]) == ("Not more.", "stop", "0")

        # And gone with the account.
        gone = await author.client.request("DELETE", "/api/v1/auth/me", json={"password": PASSWORD})
        assert gone.status_code == 204
        answer = await admin.client.get("/api/v1/admin/history", params={"user_id": author.id})
        assert answer.json()["items"] == []


async def test_an_export_whose_items_do_not_fit_their_text_is_not_imported(database_url: str) -> None:
    async with running(database_url, model=HeldModel(*WHOLE)) as service:
        author, reader = await service.person(), await service.person()
        await author.say(await author.conversation(), "Tea?")
        exported = json.loads((await author.client.get("/api/v1/export")).content)
        exported["turns"][0]["reply"]["items"][1]["end"] = 7
        report = await imported(reader, json.dumps(exported).encode())
        assert report["imported"] == 0
        assert report["failed"][0]["reason"] == "The items of one of its replies do not fit its text."
        # From before there were items.
        exported["turns"][0]["reply"] = {"content": "plain"}
        for name in ("finish_reason", "context", "continues"):
            del exported["turns"][0][name]
        assert (await imported(reader, json.dumps(exported).encode()))["imported"] == 1
