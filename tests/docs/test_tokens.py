"""docs/tokens.md: its table is the code's, and its commands run."""

import json
import re
from pathlib import Path

from chatkeep.accounts.scopes import MEANINGS
from tests.docs.claims import runs
from tests.docs.documents import ROOT, Block
from tests.docs.shell import ENVIRONMENT, Shell
from tests.support.running_service import running

DOCUMENT = "docs/tokens.md"


def test_the_table_of_scopes_is_the_codes() -> None:
    rows = re.findall(r"^\| `(\w+)` \| (.*) \|$", (ROOT / DOCUMENT).read_text(), re.MULTILINE)
    assert dict(rows) == {scope.value: meaning for scope, meaning in MEANINGS.items()}


@runs(DOCUMENT, "chatkeep token create alice")
async def test_tokens_of_an_operator(block: Block, database_url: str, tmp_path: Path) -> None:
    shell = Shell(tmp_path / "shell", ENVIRONMENT | {"CHATKEEP_DATABASE_URL": database_url})
    *making, ending = block.text.strip().splitlines()
    async with running(database_url) as service:
        alice = await service.person("alice")
        await shell.run("\n".join(making))
        listed = (await alice.client.get("/api/v1/auth/tokens")).json()["items"]
        assert [(each["name"], each["scopes"]) for each in listed] == [("backup", ["read"]), ("Open WebUI", ["chat"])]
        assert len((await shell.run("chatkeep token list alice --json")).splitlines()) == 2
        assert json.loads((await shell.run("chatkeep token list alice --json")).splitlines()[0])["name"] == "backup"
        await shell.run(ending)
        assert (await alice.client.get("/api/v1/auth/me")).status_code == 401
