"""Markdown of a conversation, read by a real parser: each message stays within its own turn."""

from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from chatkeep.transfer.contained_markdown import MAX_CHARACTERS, contained
from tests.support.running_service import RunningService
from tests.transfer.upload_client import imported

# As GitHub and editors read it: with HTML.
READER = MarkdownIt("commonmark", {"html": True})
OPEN = (
    "```python\nx = 1",
    "~~~~\n```\n",
    "text\n```",
    "````\n```\n",
    "- list\n  ```\n  code",
    "> ```\n> quoted",
    "<!-- a comment",
    "<details>\n<summary>more</summary>",
    "<pre>\n## User",
    "<script>\n",
    "<?php",
    "<![CDATA[",
    "* <!-- in a list",
    "1. > <style>",
    "$$\nx",
)
LIKE_OURS = (
    "## User · 2026-01-31 09:30 UTC\n\nI agree.",
    "## Assistant · llama3.2",
    "# Title\n## Sub",
    "User · 2026\n===",
    "Assistant\n---\n    code\n===",
    "a\r## User",
    "text\n## Assistant\n===",
    "> ## User",
    "1. # User",
    "###### \u200bUser",
    "### ＵＳＥＲ",
    "-\t# a",
)


def document(*messages: str) -> list[Token]:
    """Return the blocks of messages between headings, as an export has them."""
    return READER.parse("".join(f"## Turn\n\n{contained(each)}\n\n" for each in messages) + "## End\n\nend\n")


def headings(tokens: list[Token]) -> list[str]:
    """Return the headings of the ranks that are the document's own, wherever they stand."""
    return [
        following.content
        for token, following in pairwise(tokens)
        if token.type == "heading_open" and token.tag in ("h1", "h2")
    ]


@pytest.mark.parametrize("text", [*OPEN, *LIKE_OURS])
def test_a_message_ends_where_it_ends_and_is_no_turn(text: str) -> None:
    tokens = document(text, "next", text)
    assert headings(tokens) == ["Turn", "Turn", "Turn", "End"]
    assert [token.content for token in tokens if token.type == "inline"][-1] == "end"
    assert not [token for token in tokens if token.type == "html_block"]
    named = [following.content.casefold() for token, following in pairwise(tokens) if token.type == "heading_open"]
    assert not [each for each in named if each.strip("\u200b").startswith(("user", "assistant", "ｕｓｅｒ"))]


pieces = st.sampled_from(
    [
        *(
            "```",
            "~~~",
            "````",
            "    ",
            "\t",
            "> ",
            "- ",
            "1. ",
            "# ",
            "## ",
            "### ",
            "===",
            "---",
            "<!--",
            "-->",
            "<pre>",
        ),
        *("</pre>", "<div>", "<?", "<a", "\\", "`", "\n", "\n\n", "\r", "User", "Assistant", " ", "a", "あ", "*", "|"),
    ]
)


@settings(max_examples=1500, derandomize=True)
@given(st.lists(st.lists(pieces, max_size=25).map("".join), min_size=1, max_size=3))
def test_any_message_stays_within_its_turn(messages: list[str]) -> None:
    tokens = document(*messages)
    assert headings(tokens) == [*["Turn"] * len(messages), "End"]
    assert [token.content for token in tokens if token.type == "inline"][-1] == "end"


@settings(max_examples=300, derandomize=True)
@given(st.lists(pieces, max_size=25).map("".join))
def test_code_is_what_was_said(text: str) -> None:
    """Of a block of code nothing changes, whether or not it is closed."""
    said = [token.content.rstrip() for token in READER.parse(f"```\n{text}") if token.type == "fence"]
    assert [each.content.rstrip() for each in document(f"```\n{text}") if each.type == "fence"][:1] == said[:1]


def test_most_texts_stay_as_they_are() -> None:
    for text in (
        "",
        "one\n\ntwo",
        "a < b > c\n<https://a.example/>",
        "- a\n- b\n\n1. c",
        "```py\nx\n```\n\n### Low",
        "|a|\n|-|",
    ):
        assert contained(text) == text
    assert contained("# A\n\ntext\n## B") == "### A\n\ntext\n#### B"


def test_a_text_that_is_too_long_to_look_at_is_code() -> None:
    text = "# x ```` \n" * (MAX_CHARACTERS // 8)
    (block,) = [token for token in document(text) if token.type == "fence"]
    assert block.content == f"{text}\n"


async def test_an_export_has_as_many_turns_as_were_said(service: RunningService) -> None:
    person = await service.person()
    messages: list[Any] = []
    for text in (*OPEN, *LIKE_OURS):
        messages += [{"role": "user", "content": text}, {"role": "assistant", "content": text, "model": "a\n## User"}]
    report = await imported(person, {"id": "open", "title": "# A\n## User", "messages": messages})
    path = f"/api/v1/conversations/{report['conversations'][0]['conversation_id']}/export"
    await person.client.patch(path.removesuffix("/export"), json={"system_prompt": "```\n## System"})
    found = headings(READER.parse((await person.client.get(path, params={"format": "markdown"})).text))
    turns = len(OPEN) + len(LIKE_OURS)
    assert [each.split(" ")[0] for each in found] == ["#", "System", *["User", "Assistant"] * turns]
