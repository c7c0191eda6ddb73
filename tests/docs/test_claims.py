"""Every block of code in the documents is run by a test, or it is said why not."""

from importlib import import_module

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs import claims, documents

FOLDER = documents.ROOT / "tests" / "docs"


@pytest.fixture(autouse=True, scope="module")
def tests_of_this_folder() -> None:
    """Import them all, so that their claims are known also where this file runs alone."""
    for file in FOLDER.glob("test_*.py"):
        import_module(f"tests.docs.{file.stem}")


def test_every_block_of_code_is_run_by_a_test() -> None:
    missing = list(claims.unclaimed())
    assert not missing, "\n\n" + "\n\n".join(missing)


def test_every_claim_is_of_one_block_and_by_a_test_that_reads_it() -> None:
    wrong = list(claims.wrong_claims())
    assert not wrong, "\n\n" + "\n".join(wrong)


def test_every_block_is_claimed_once() -> None:
    for document in documents.every():
        for block in document.blocks:
            by = [claim.test for claim in claims.claims() if claim.fits(block)]
            assert len(by) <= 1, f"{block.place} would be run twice, by {by}"


def test_a_reason_stands_where_a_block_is_not_run() -> None:
    for claim in claims.claims():
        assert claim.weaker == "" or len(claim.weaker.split()) >= 3, claim.words


# The harness itself: what it must not overlook.


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def test_a_block_is_found_wherever_it_stands() -> None:
    text = """<table><tr><td>

```sh
one
```

</td></tr></table>

- item

  ~~~python title
  two
  ~~~

> ```
> three
> ```

    four
"""
    found = [(each.language, each.text.strip()) for each in documents._blocks("x.md", parsed(text))]
    assert found == [("sh", "one"), ("python", "two"), ("", "three"), ("", "four")]


def test_a_block_that_nobody_claims_is_named_with_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(claims, "ELSEWHERE", ())
    message = next(each for each in claims.unclaimed() if each.startswith("docs/sessions.md"))
    assert "no test runs this block (python), which begins with 'import os'" in message
    assert "@runs('docs/sessions.md'" in message


def test_a_claim_of_nothing_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    here = "tests/docs/test_claims.py"
    for claim, wrong in (
        (claims.Claim("README.md", "no such words in it", f"{here}::test_headings"), "should be one block"),
        (claims.Claim("docs/sessions.md", "take_ticket", f"{here}::test_of_no_such_name"), "no such test"),
        (claims.Claim("docs/sessions.md", "take_ticket", "tests/test_nothing.py::test_x"), "no such test"),
    ):
        monkeypatch.setattr(claims, "ELSEWHERE", (claim,))
        assert any(claim.words in each and wrong in each for each in claims.wrong_claims())


def test_headings_become_anchors_as_the_repositorys_pages_make_them() -> None:
    found = list(documents._anchors(parsed("# A `b`: c?\n\n## Users from a *server*\n\n## Twice\n\n## Twice\n")))
    assert found == ["a-b-c", "users-from-a-server", "twice", "twice-1"]
