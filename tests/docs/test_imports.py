"""`docs/imports.md`: its table has every program, and its form is read as it says."""

import re

import pytest

from chatkeep.transfer.formats.detection import names_of_programs
from tests.docs.claims import runs
from tests.docs.documents import ROOT, Block
from tests.support.running_service import Person, RunningService
from tests.transfer.upload_client import only, path

TEXT = (ROOT / "docs" / "imports.md").read_text(encoding="utf-8")


@pytest.fixture
async def person(service: RunningService) -> Person:
    return await service.person()


def test_the_table_has_every_program() -> None:
    rows = re.findall(r"^\| ([^|]+) \|", TEXT.partition("## ")[0], re.MULTILINE)
    assert set(names_of_programs()) == set(rows) - {"program"}


@runs("docs/imports.md", '"messages"')
async def test_the_neutral_form_is_read(block: Block, person: Person) -> None:
    kept = await only(person, block.text.encode())
    assert (kept["title"], kept["system_prompt"]) == ("Tea", "Answer in one sentence.")
    assert path(kept) == ["Which tea keeps me awake?"]
    assert [turn["reply"]["content"] for turn in kept["turns"]] == ["Black tea.", "Mate."]
    assert [turn["model"] for turn in kept["turns"]] == ["llama3.2"] * 2
    assert kept["turns"][0]["created_at"] == "2026-01-31T09:30:00.000000Z"
