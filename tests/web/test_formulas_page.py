"""Formulas, tables and code of an answer in a browser: typeset, copied as written, and still while they come."""

import pytest
from playwright.async_api import Browser, expect

from tests.support.running_service import Person, RunningService
from tests.web.browser import PHONE, Tab, browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible

REPLY = r"""The roots are $x_{1,2}$:

$$\frac{-b \pm \sqrt{b^2-4ac}}{2a}$$

and \(\broken{x}\) costs $5, not $6. Then

\[
\begin{aligned} a &= b \\ c &= \boxed{42} \end{aligned}
\]

- [x] H<sub>2</sub>O, see https://example.org/a_b.

| 名前 | 説明 | 値段 | 在庫 | 備考 |
|---|---|---|---|---|
| りんご | 青森県産の甘いりんご<br>冷蔵 | 三百円 | 残りわずか | 期間限定の商品です |

```python:app.py
print(1)
```
"""
LONG = " + ".join(f"x_{{{number}}}" for number in range(90))


@pytest.mark.parametrize(("locale", "formula"), [("en-GB", "Formula"), ("ja-JP", "数式")])
async def test_formulas_are_typeset_and_broken_ones_are_readable(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, locale: str, formula: str
) -> None:
    model.teach("solve", REPLY)
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.say("solve")
        reply = tab.reply()
        await expect(reply.locator("math")).to_have_count(3)
        # Typeset: a fraction's numerator stands over its denominator.
        above, below = [await part.bounding_box() for part in await reply.locator("mfrac > *").all()]
        assert above is not None
        assert below is not None
        assert above["y"] + above["height"] <= below["y"] + 1
        await expect(reply.locator("code.tex")).to_have_text(r"\(\broken{x}\)")
        await expect(reply).to_contain_text("costs $5, not $6")
        await expect(reply.get_by_role("group", name=formula)).to_have_count(2)
        await expect(reply.locator(".code-head span")).to_have_text("python:app.py")
        await assert_accessible(tab)


async def test_a_selected_formula_is_copied_as_it_was_written(tab: Tab, model: TaughtModel) -> None:
    model.teach("solve", REPLY)
    await tab.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await tab.open()
    await tab.say("solve")
    await tab.page.wait_for_function(
        "performance.getEntriesByType('resource').some(({ name }) => name.endsWith('/formulas.js'))"
    )
    await tab.page.evaluate("getSelection().selectAllChildren(document.querySelector('.reply'))")
    await tab.page.keyboard.press("Control+C")
    copied = await tab.page.evaluate("navigator.clipboard.readText()")
    assert r"$$\frac{-b \pm \sqrt{b^2-4ac}}{2a}$$" in copied
    assert "$x_{1,2}$:" in copied
    await expect(tab.reply().locator("math")).to_have_count(3)
    await tab.reply().hover()
    await tab.get("[data-act=copy-reply]").click()
    await expect(tab.page.get_by_role("button", name="Copied")).to_be_visible()
    assert await tab.page.evaluate("navigator.clipboard.readText()") == REPLY


async def test_wide_things_scroll_on_a_phone_and_the_page_does_not(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel
) -> None:
    model.teach("wide", f"{REPLY}\n\n$${LONG}$$")
    async with browsing(browser, service, person, viewport=PHONE, locale="ja-JP") as tab:
        await tab.open()
        await tab.say("wide")
        boxes = tab.reply().locator(".scroll")
        wide = await boxes.evaluate_all("(all) => all.filter((each) => each.scrollWidth > each.clientWidth).length")
        assert wide == 2
        # A column is never one character wide.
        cells = await tab.reply().locator("td").evaluate_all("(all) => all.map((each) => each.clientWidth)")
        assert min(cells) >= 80
        assert await tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        await assert_accessible(tab)


async def test_code_that_is_being_written_stays_where_it_is(tab: Tab, model: TaughtModel) -> None:
    """Of what is drawn nothing is ever taken back: neither a mark of code, nor a line that was broken too early."""
    pieces = ["Look:\n\n``", "`py", "thon\nfirst", " = 1\nsecond", " = 2", "\n\nthird = 3\n", "``", "`\n\nDone."]
    model.teach("code", *[each for piece in pieces for each in (piece, None)][:-1])
    await tab.page.add_init_script(
        """globalThis.seen = [];
        const look = () => {
          const text = document.querySelector(".turn[aria-busy=true] .reply")?.innerText;
          if (text && text !== seen.at(-1)) seen.push(text);
          requestAnimationFrame(look);
        };
        look();"""
    )
    await tab.open()
    await tab.say("code", wait=False)
    for number, shown in enumerate(["Look:", "Look:", "first", "second", "second = 2", "third = 3", "third = 3"]):
        await expect(tab.reply()).to_contain_text(shown)
        await tab.page.wait_for_timeout(600 if number > 1 else 100)
        model.go_on_once("code")
    await tab.answered()
    seen: list[str] = await tab.page.evaluate("seen")
    code = [text for text in seen if "first" in text]
    assert len(code) >= 4
    assert not any("`" in text for text in seen)
    lines = ["first = 1", "second = 2", "", "third = 3"]
    for text in code:
        shown = text.split("first")[1].split("Done")[0]
        assert "\n".join(lines).startswith("first" + shown.rstrip("\n")), text
