"""A model's Markdown as HTML, with nothing in it but text, and little of that which costs."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from bench.hostile import MARKDOWN
from chatkeep.prose.markdown import (
    MAX_BLOCK_TOKENS,
    MAX_HIGHLIGHTED_CHARACTERS,
    MAX_INLINE_STEPS,
    MAX_MARKDOWN_CHARACTERS,
    MAX_NAME_CHARACTERS,
    render,
)
from tests.support.growth import require_proportional, require_quick

# Of a whole reply of the longest kind, on a machine that is busy with other things too.
MAX_SECONDS = 3.0
MAX_SECONDS_OF_MARKS = 0.7
PLAIN = '<div class="plain">'
ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and `code`", "<p><strong>bold</strong> and <code>code</code></p>\n"),
        ("one\ntwo", "<p>one<br>\ntwo</p>\n"),
        ("~~gone~~", "<p><s>gone</s></p>\n"),
        ("3. c\n4. d", '<ol start="3">\n<li>c</li>\n<li>d</li>\n</ol>\n'),
        ("H<sub>2</sub>O, x<sup>**2**</sup>", "<p>H<sub>2</sub>O, x<sup><strong>2</strong></sup></p>\n"),
        ("one<br>two<BR/>", "<p>one<br>\ntwo<br>\n</p>\n"),
        ("<sub>open, <sup>a</sub>", "<p><sub>open, &lt;sup&gt;a</sub></p>\n"),
        ("<sub>a", "<p>&lt;sub&gt;a</p>\n"),
        (
            "- [ ] a\n- [x] **b**",
            '<ul>\n<li class="task">☐ a</li>\n<li class="task">☑ <strong>b</strong></li>\n</ul>\n',
        ),
        ("- [y] a", "<ul>\n<li>[y] a</li>\n</ul>\n"),
        ("<b>not bold</b>", "<p>&lt;b&gt;not bold&lt;/b&gt;</p>\n"),
        ("`日本語`です", "<p><code>日本語</code>です</p>\n"),
        ("", ""),
    ],
)
def test_markdown_becomes_html(text: str, html: str) -> None:
    assert render(text) == html


def test_headings_come_below_the_pages_own_and_leave_none_out() -> None:
    found = re.findall(r"<h(\d)>(\w)</h\d>", render("# a\n\n### b\n\n##### c\n\n# d\n"))
    assert found == [("3", "a"), ("4", "b"), ("5", "c"), ("3", "d")]


def test_code_is_coloured_by_classes_and_says_its_language() -> None:
    html = render("```python\nreturn 'x'\n```")
    assert '<pre data-language="python" tabindex="0">' in html
    assert '<span class="k">return</span>' in html
    assert "style=" not in html


@pytest.mark.parametrize(
    ("info", "named"),
    [
        ("nolanguage", ' data-language="nolanguage"'),
        ('"><script>', ' data-language="&quot;&gt;&lt;script&gt;"'),
        (" brainfuck ", ' data-language="brainfuck"'),
        ("", ""),
        ("x" * 100, f' data-language="{"x" * MAX_NAME_CHARACTERS}"'),
    ],
)
def test_code_of_an_unknown_language_is_shown_as_it_is_with_its_name(info: str, named: str) -> None:
    assert render(f"```{info}\na < b\n```") == f'<pre{named} tabindex="0"><code>a &lt; b\n</code></pre>\n'


@pytest.mark.parametrize("info", ["python:app.py", 'Python title="app.py"', "python{1,3}"])
def test_code_is_coloured_by_the_first_word_of_its_name(info: str) -> None:
    html = render(f"```{info}\nreturn 1\n```")
    assert '<span class="k">return</span>' in html
    assert f'data-language="{info}"'.replace('title="app.py"', "title=&quot;app.py&quot;") in html


def test_tables_align_by_classes_and_can_be_scrolled_with_the_keyboard() -> None:
    html = render("| a | b |\n|:-:|--:|\n| 1 | 2 |")
    assert '<div class="scroll" tabindex="0"><table>' in html
    assert '<td class="center">1</td>\n<td class="right">2</td>' in html


@pytest.mark.parametrize(
    ("text", "addresses"),
    [
        ("see https://a.example/b_c_d. And", ["https://a.example/b_c_d"]),
        (
            "(http://a.example/x(y)), “https://b.example/?q=1&r=2”",
            ["http://a.example/x(y)", "https://b.example/?q=1&r=2"],
        ),
        ("https://a.example/です。", ["https://a.example/"]),
        ("詳細はhttps://a.example/x。", ["https://a.example/x"]),
        ("**https://a.example/**", ["https://a.example/"]),
        ("[https://a.example/](https://b.example/)", ["https://b.example/"]),
        ("`https://a.example/`", []),
        ("xhttps://a.example/ https://例.example ftp://a.example https:// javascript://a.example", []),
    ],
)
def test_bare_addresses_are_links_without_the_sentence_around_them(text: str, addresses: list[str]) -> None:
    assert re.findall(r'href="([^"]*)"', render(text).replace("&amp;", "&")) == addresses


def test_links_open_elsewhere_and_tell_nothing() -> None:
    html = render("[a](https://a.example/x)")
    assert 'href="https://a.example/x"' in html
    assert 'target="_blank"' in html
    assert 'rel="noopener noreferrer nofollow"' in html


@pytest.mark.parametrize(
    "address",
    ["/account", "//evil.example", "javascript:alert(1)", "data:text/html,x", "JaVaScRiPt:x", "vbscript:x", "x"],
)
def test_links_that_mean_this_service_or_a_program_lead_nowhere(address: str) -> None:
    assert "href" not in render(f"[a]({address})").replace(f"[a]({address})", "")


def test_an_image_is_a_link_and_loads_nothing() -> None:
    html = render("![a chart](https://evil.example/?secret=1)")
    assert "<img" not in html
    assert ">a chart</a>" in html


def test_what_is_too_long_is_shown_as_it_is() -> None:
    assert render("*" + "a" * MAX_MARKDOWN_CHARACTERS + "*").startswith('<div class="plain">*aaa')
    assert "<span" not in render("```python\n" + "x = 1\n" * MAX_HIGHLIGHTED_CHARACTERS + "```")
    many = render(("```python\n" + "x = 1\n" * 900 + "```\n\n") * 5)
    assert many.count("<pre") == 5
    assert many.count('class="n"') == 2 * 900


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "*",
            "a*",
            "**a ",
            "_a",
            "*a_ ",
            "~~a",
            "[",
            "![",
            "](",
            "[a](b)",
            "[a]: b\n",
            "<",
            "<!--",
            "<http://a",
            "&",
            "\\",
        ),
        *("`", "``a`", ">", "- a\n ", "1.", "# a\n", "|", "a|b\n", "```python\n'\n```\n", "```json\n[[[[[[[[\n```\n"),
    ],
)
def test_hostile_text_costs_what_its_length_does(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = (unit * (size // len(unit) + 1))[:size]
        return lambda: render(text)

    require_proportional(work, MAX_MARKDOWN_CHARACTERS // 4, MAX_SECONDS)


@pytest.mark.parametrize("name", MARKDOWN)
def test_text_of_nothing_but_marks_costs_little(name: str) -> None:
    """The longest text that is rendered, made of what costs most: it took up to 1.4 s before there was a bound."""
    text = (MARKDOWN[name] * MAX_MARKDOWN_CHARACTERS)[:MAX_MARKDOWN_CHARACTERS]
    html = render(text)
    assert html.startswith(PLAIN) or html.count("<") <= 4 * (MAX_BLOCK_TOKENS + MAX_INLINE_STEPS)
    require_quick(lambda: render(text), MAX_SECONDS_OF_MARKS)


@pytest.mark.parametrize("unit", ["**a** ", "- a\n", "|a|b|\n|-|-|\n", "![", "[a](b) ", "<http://a.b> ", "a\n"])
def test_what_is_beyond_the_bounds_is_shown_as_it_is(unit: str) -> None:
    text = (unit * MAX_MARKDOWN_CHARACTERS)[:MAX_MARKDOWN_CHARACTERS]
    assert render(text).startswith(PLAIN)
    assert not render(text[:6_000]).startswith(PLAIN)


def test_a_table_of_empty_cells_is_bounded_too() -> None:
    """Few marks make many cells: each short row is filled up to the width of the head."""
    assert render("a|" * 5000 + "\n" + "-|" * 5000 + "\n" + "b\n" * 15).startswith(PLAIN)


LONG = ["README.md", "CHANGELOG.md", "docs/operating.md", "service/chatkeep/database/DECISIONS.md"]


@pytest.mark.parametrize("name", LONG)
def test_long_documents_are_rendered(name: str) -> None:
    text = (ROOT / name).read_text()[:MAX_MARKDOWN_CHARACTERS]
    assert not render(text).startswith(PLAIN)
