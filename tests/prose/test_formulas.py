"""Formulas of a reply: which text is one, what becomes of it, and that it costs little and draws over nothing."""

import re
from collections.abc import Callable

import pytest

from chatkeep.prose.formulas import ATTRIBUTES, ELEMENTS, MAX_CHARACTERS, MAX_CHARACTERS_OF_REPLY
from chatkeep.prose.markdown import MAX_MARKDOWN_CHARACTERS, render
from tests.support.growth import require_proportional, require_quick

# Of a reply of the longest kind, with all its formulas, on a machine that is busy with other things too.
MAX_SECONDS = 1.0


def sources(text: str) -> list[str]:
    """Return the formulas of a text that are typeset, as they were written."""
    html = render(text)
    assert '<code class="tex">' not in html
    found = re.findall(r'<math display="\w+" alttext="([^"]*)"', html)
    return [each.replace("&amp;", "&").replace("&lt;", "<").replace("&gt;", ">") for each in found]


@pytest.mark.parametrize(
    "formula",
    [
        "$x^2$",
        "$5x$",
        "$2+2$",
        "$3$",
        "$ABC$",
        r"$\frac{a}{b}$",
        r"$x < 3$",
        r"\(a_1 * b_1 * c_1\)",
        "$$x$$",
        r"\[ a * b * c \]",
        r"$$\text{a<b}$$",
        r"$50\%$",
        r"$\text{US\$}5$",
    ],
)
@pytest.mark.parametrize(
    "around", ["{}", "so {}, and", "（{}）です", "**{}**", "- {}", "| a |\n|-|\n| {} |", "> {}", "# {}"]
)
def test_formulas_are_typeset_wherever_they_stand(formula: str, around: str) -> None:
    assert sources(around.format(formula)) == [formula]


@pytest.mark.parametrize(
    "formula",
    [
        "$$\nx\n$$",
        "\\[\nx - y\n- z\n\\]",
        "$$a\n\nb$$",
        "\\begin{align}\na &= b \\\\\nc &= d\n\\end{align}",
        "\\begin{equation*}\nx\n\\end{equation*}",
    ],
)
@pytest.mark.parametrize("around", ["{}", "Then:\n{}\nand so on", "- a\n\n  {}\n- b", "> {}", "1. a\n   {}"])
def test_formulas_of_several_lines_are_typeset_wherever_they_stand(formula: str, around: str) -> None:
    indent = "> " if around.startswith(">") else "  " if "- a" in around else "   " if "1." in around else ""
    text = around.format(formula.replace("\n", f"\n{indent}"))
    assert sources(text) == [formula]


@pytest.mark.parametrize(
    "text",
    [
        "It costs $5 and $10.",
        "$5 (US$) or $6",
        "between $5 and $6-$7",
        "$1,000 a month, US$20 a day",
        "$HOME/$USER and $PATH",
        "$HOME and `x$`",
        "`$x$`",
        "a$b$c",
        r"\$5 and \$6",
        "1$ 2$",
        "$5です。10$です",
        "$ x $",
        "$$",
        "$$ $$",
        "\\(",
        "$x",
        "```\n$x$\n```",
        "$10 to 20$",
    ],
)
def test_money_variables_and_code_are_no_formulas(text: str) -> None:
    html = render(text)
    assert "<math" not in html
    assert 'class="tex"' not in html


@pytest.mark.parametrize(
    "formula",
    [
        r"$\frac{1$",
        r"$\foo{x}$",
        r"$$x \notthere y$$",
        r"$a & b\_$",
        "$x^$",
        r"\(\left( x\)",
        "$$" + "{" * 900 + "$$",
        r"\(\newcommand{\a}{\a\a}\a\)",
        r"$\href{javascript:ran()}{x}$",
        r"$\style{color:red}{x}$",
        f"${'x+' * MAX_CHARACTERS}x$",
    ],
)
def test_what_cannot_be_typeset_is_shown_as_it_was_written(formula: str) -> None:
    shown = formula.replace("&", "&amp;").replace("<", "&lt;")
    html = render(formula)
    assert "<math" not in html
    assert shown in html.replace("<em>", "_").replace("</em>", "_")


@pytest.mark.parametrize(
    "formula",
    [
        r"$$\rule{900em}{900em}$$",
        r"$$x\hspace{-90em}y$$",
        r"$$\raise{99em}{x}$$",
        r"$$\color{white}x$$",
        r"$$\colorbox{red}{x}$$",
        r"$$\class{toast}{x}$$",
        r"$$\text{<img src=x onerror=ran()><script>ran()</script>}$$",
        r'$$\text{" onload="ran()}$$',
        r"$$\verb|<b>x</b>|$$",
    ],
)
def test_a_formula_holds_nothing_but_small_shapes(formula: str) -> None:
    html = render(formula)
    tags = re.findall(r"<(\w+)((?: [\w-]+=\"[^\"]*\")*)>", html)
    assert {name for name, _ in tags} <= ELEMENTS | {"p", "span", "code"}
    for name, attributes in tags:
        if name in ELEMENTS:
            given = dict(re.findall(r'([\w-]+)="([^"]*)"', attributes))
            assert given.keys() <= ATTRIBUTES
            assert not any(re.search(r"\d{2}", value) for key, value in given.items() if key != "alttext")


@pytest.mark.parametrize(
    "environment", ["aligned", "align", "align*", "split", "pmatrix", "cases", "gather", "gathered"]
)
def test_environments_are_laid_out_in_rows(environment: str) -> None:
    body = r"a \\ b" if environment.startswith("gather") else r"a & b \\ c & d"
    html = render(f"$$\\begin{{{environment}}} {body} \\end{{{environment}}}$$")
    assert html.count("<mtr>") == 2


@pytest.mark.parametrize(
    "unit",
    [
        r"$\frac{-b \pm \sqrt{b^2-4ac}}{2a}$ ",
        "$x_1$ ",
        "$$x$$\n\n",
        "$$",
        "$",
        r"\(",
        r"\[" + "\n",
        "$$\n",
        r"\begin{align}" + "\n",
        r"$\text{",
        r"$\sqrt\sqrt",
        "$a^{a^{a$ ",
        "$" + "{" * 300 + "}" * 300 + "$ ",
        "$" + "'" * 900 + "$ ",
        r"$\begin{matrix}" + "a&" * 400 + r"\end{matrix}$ ",
        "<sub>",
        "<sub>a</sub>",
        "<br>",
        "https://a.b ",
        "https:",
        "- [ ] a\n",
        "$a\\$",
        r"$\verb$ ",
    ],
)
def test_hostile_formulas_cost_what_their_length_does(unit: str) -> None:
    def work(size: int) -> Callable[[], object]:
        text = (unit * (size // len(unit) + 1))[:size]
        return lambda: render(text)

    require_proportional(work, MAX_MARKDOWN_CHARACTERS // 4)
    require_quick(work(MAX_MARKDOWN_CHARACTERS), MAX_SECONDS)


def test_formulas_beyond_the_bound_of_a_reply_are_shown_as_they_were_written() -> None:
    formula = r"$\frac{a}{b}$ "
    html = render(formula * (2 * MAX_CHARACTERS_OF_REPLY // len(formula)))
    assert MAX_CHARACTERS_OF_REPLY - 20 <= html.count("<math") * len(r"\frac{a}{b}") <= MAX_CHARACTERS_OF_REPLY
    assert r'<code class="tex">$\frac{a}{b}$</code>' in html
