"""Which test runs which block of code: no block of the documents passes unseen.

A test in tests/docs claims its block where it is written, and is given it:

    @runs("docs/operating.md", "chatkeep backup")
    async def test_backup_and_restore(block: Block, ...) -> None: ...

Tests in other folders are named in ELSEWHERE below. A block that cannot be run here is claimed with `weaker=`: a
reason, and a test of as much as can be looked at.
"""

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest

from tests.docs.documents import ROOT, Block, every


@dataclass(frozen=True)
class Claim:
    """A test, and the block that it runs.

    Attributes:
        holds: words that only this block of the document has.
        test: the file and the name of the test, as pytest writes them.
        weaker: why the block is not run; empty where it is.
    """

    document: str
    holds: str
    test: str
    weaker: str = ""

    def fits(self, block: Block) -> bool:
        return block.document == self.document and self.holds in block.text

    @property
    def words(self) -> str:
        return f"{self.test} claims {self.document}, {self.holds!r}"


_SESSIONS = "tests/sessions/test_docs.py"
_PROXIES = "tests/proxies"
_DEPLOY = "tests/deploy"
# `make test-clients` runs these, which takes clients that are not installed elsewhere.
_CLIENTS = "tests/clients"

# Tests of other folders that read their block from the document themselves.
ELSEWHERE = (
    Claim("docs/clients.md", 'import OpenAI from "openai"', f"{_CLIENTS}/test_recipes.py::test_javascript"),
    Claim("docs/clients.md", "Runner.run_sync(agent", f"{_CLIENTS}/test_recipes.py::test_agents_add_to_a_conversation"),
    Claim(
        "docs/clients.md",
        "session = OpenAIConversationsSession()",
        f"{_CLIENTS}/test_recipes.py::test_a_session_of_an_agent",
    ),
    Claim("docs/clients.md", "from langchain_openai", f"{_CLIENTS}/test_recipes.py::test_langchain"),
    Claim("docs/clients.md", "from pydantic_ai import", f"{_CLIENTS}/test_recipes.py::test_pydantic_ai"),
    Claim(
        "docs/clients.md", "export async function openChat", f"{_CLIENTS}/test_recipes.py::test_a_chat_of_the_ai_sdk"
    ),
    Claim("docs/clients.md", "wire_api", f"{_CLIENTS}/test_recipes.py::test_codex"),
    Claim(
        "docs/extending.md",
        "from agents import Agent",
        f"{_CLIENTS}/test_agents_session.py::test_the_documented_application_keeps_what_its_agent_says",
    ),
    Claim(
        "docs/operating.md",
        "target_session_attrs=read-write",
        "tests/database/test_failover.py::test_a_standby_that_is_promoted_under_load_has_all_that_was_acknowledged",
    ),
    Claim(
        "docs/scaling.md",
        "target_session_attrs=read-write",
        "tests/crash/test_crashes.py::test_a_failover_of_patroni_loses_nothing",
    ),
    Claim("docs/sessions.md", "from fastsession import", f"{_SESSIONS}::test_one_line_differs"),
    Claim(
        "docs/sessions.md",
        "from chatkeep.sessions import FastSessionMiddleware",
        f"{_SESSIONS}::test_the_application_after_the_change",
    ),
    Claim("docs/sessions.md", '"used before"', f"{_SESSIONS}::test_the_session_that_is_handed_out"),
    Claim("docs/sessions.md", "take_ticket", f"{_SESSIONS}::test_tickets"),
    Claim("docs/sessions.md", "is_right", f"{_SESSIONS}::test_the_pattern_for_signing_in"),
    Claim("docs/sessions.md", "class Counter", f"{_SESSIONS}::test_the_listener"),
    Claim("docs/sessions.md", '["SESSION_KEYS"]', f"{_SESSIONS}::test_several_keys"),
    Claim(
        "docs/operating.md",
        "upstream chatkeep {",
        f"{_PROXIES}/test_nginx.py::test_a_reply_comes_piece_by_piece_through_nginxs_buffers",
    ),
    Claim(
        "docs/operating.md",
        "location /chat/ {",
        f"{_PROXIES}/test_pages.py::test_chatting_reloading_searching_and_signing_out",
    ),
    Claim(
        "docs/operating.md",
        "reverse_proxy",
        f"{_PROXIES}/test_caddy.py::test_people_sign_up_and_see_replies_come",
    ),
    Claim(
        "docs/deploying.md",
        "mkdir -m 700 secrets",
        f"{_DEPLOY}/test_compose.py::test_the_service_reads_the_secrets_that_were_made",
    ),
    Claim(
        "docs/deploying.md",
        "docker compose up",
        f"{_DEPLOY}/test_compose.py::test_it_is_valid_by_the_schema_of_the_specification",
        weaker="takes Docker, as the document says of what was tried: the file is looked at",
    ),
    Claim(
        "docs/deploying.md",
        "docker build",
        f"{_DEPLOY}/test_dockerfile.py::test_the_linter_has_nothing_to_say",
        weaker="takes Docker, as the document says of what was tried: the file is looked at",
    ),
    Claim(
        "docs/deploying.md",
        "cp deploy/chatkeep.service",
        f"{_DEPLOY}/test_unit.py::test_the_documented_commands_make_what_it_reads",
        weaker="installs into the machine and takes a running systemd: the commands are held against the unit",
    ),
)

_claimed: list[Claim] = []


def runs(document: str, *holds: str, weaker: str = "") -> Callable[[Any], Any]:
    """Claim the block of `document` that holds this text, and give it to the test as `block`.

    With several texts, claim a block for each and give them to the test as `blocks`.
    """

    def claim(test: Any) -> Any:
        file = test.__module__.replace(".", "/") + ".py"
        _claimed.extend(Claim(document, each, f"{file}::{test.__name__}", weaker) for each in holds)
        wanted = ("block", [(document, holds[0])]) if len(holds) == 1 else ("blocks", [(document, holds)])
        return pytest.mark.parametrize(*wanted, indirect=True, ids=[document])(test)

    return claim


def claims() -> list[Claim]:
    """Return every claim; those of this folder are known once its tests are imported."""
    return [*ELSEWHERE, *_claimed]


def unclaimed() -> Iterator[str]:
    """Yield, of each block that no test runs, where it is and what to do about it."""
    for document in every():
        for block in document.blocks:
            if not any(claim.fits(block) for claim in claims()):
                yield (
                    f"{block.place}: no test runs this block ({block.language or 'without a language'}), which begins "
                    f"with {block.text.strip().splitlines()[0]!r}. Write a test in tests/docs with "
                    f"@runs({block.document!r}, <words of it>) that runs it as a reader would; or, where a test of "
                    "another folder reads it from the document, name that one in ELSEWHERE of tests/docs/claims.py. "
                    "Where it cannot run here, say why in weaker= and in the document, and test what can be tested."
                )


def wrong_claims() -> Iterator[str]:
    """Yield the faults of claims: no block, several blocks, no such test, or one that reads another document."""
    blocks = [block for document in every() for block in document.blocks]
    for claim in claims():
        found = [block.place for block in blocks if claim.fits(block)]
        if len(found) != 1:
            yield f"{claim.words}: it should be one block, and is {found or 'none'}. Put the claim right."
        file, _, name = claim.test.partition("::")
        if name not in _tests_of(file):
            yield f"{claim.words}: there is no such test."
        elif claim.document.rpartition("/")[2] not in _text_of(file) + _texts_below(file):
            yield f"{claim.words}: that file never names the document, so it cannot read the block from there."


@cache
def _text_of(file: str) -> str:
    path = ROOT / file
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _texts_below(file: str) -> str:
    """Return the texts of the tests' own modules that the file imports: one of them may read the document for it."""
    found = re.findall(r"^from (tests[\w.]*) import ([\w, ]+)", _text_of(file), re.MULTILINE)
    modules = [*(package for package, _ in found), *(f"{p}.{name}" for p, names in found for name in names.split(", "))]
    return "".join(_text_of(f"{module.replace('.', '/')}.py") for module in modules)


@cache
def _tests_of(file: str) -> frozenset[str]:
    tree = ast.parse(_text_of(file))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
