"""The console's statistics: what was counted, as charts, in words and in tables."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.async_api import Browser, expect
from sqlalchemy import delete, insert

from chatkeep.chat.models import ModelError
from chatkeep.database.tables import statistics, statistics_notes
from tests.support.running_service import Person, RunningService
from tests.web.browser import browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible
from tests.web.test_assets import MAX_BYTES, loaded

PAGE = "/console/statistics"
NASTY = '<img src=x onerror="alert(1)">'


async def set_counters(service: RunningService, *rows: dict[str, Any]) -> None:
    async with service.database.transaction() as connection:
        await connection.execute(delete(statistics_notes))
        await connection.execute(delete(statistics))
        if rows:
            await connection.execute(insert(statistics), list(rows))


def counters() -> list[dict[str, Any]]:
    """A busy year: in each of its days, something of everything."""
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    amounts = {
        "complete": 1200,
        "failed": 12,
        "stopped": 31,
        "interrupted": 4,
        "user": 14,
        "conversation": 300,
        "input_tokens": 500_000,
        "output_tokens": 300_000,
        "turns_with_tokens": 1200,
    }
    kinds = [("other", name, 0, amount) for name, amount in amounts.items()]
    kinds += [(NASTY, "complete", 0, 7), (NASTY, "duration", 96, 7), (NASTY, "first_text", 72, 7)]
    return [
        {"hour": now - timedelta(days=day), "model": model, "measure": name, "bucket": bucket, "count": amount + day}
        for day in range(380)
        for model, name, bucket, amount in kinds
    ]


async def test_what_was_counted_is_shown_as_charts_words_and_numbers(browser: Browser, service: RunningService) -> None:
    administrator = await service.administrator()
    await set_counters(service)
    async with browsing(browser, service, administrator) as tab:
        await tab.open("/console")
        await tab.page.get_by_role("link", name="Statistics").click()
        await expect(tab.page.get_by_text("Nothing happened in this time")).to_be_visible()
        await expect(tab.get(".chart")).to_have_count(0)

        await set_counters(service, *counters())
        await tab.page.get_by_role("link", name="30 days").click()
        await expect(tab.get(".chart svg")).to_have_count(6)
        turns = tab.page.get_by_role("region", name="Turns", exact=True).first
        await expect(turns.get_by_role("img", name="Turns")).to_be_visible()
        await expect(turns.locator("rect")).to_have_count(30)
        await expect(turns.locator("tbody tr")).to_have_count(30)
        await expect(turns.locator("table")).to_be_hidden()
        await turns.get_by_text("Numbers").click()
        today = f"{datetime.now(UTC):%-d %b}"
        await expect(turns.get_by_role("row").last).to_have_text(f"{today}1,254")
        await expect(tab.get(".of-latency_seconds .hint")).to_contain_text("Half were complete within")
        await expect(tab.get(".models tbody th").last).to_have_text(NASTY)
        colours = [
            await tab.get(f".of-failures li.color-{n}").evaluate("e => getComputedStyle(e, '::before').backgroundColor")
            for n in range(3)
        ]
        bars = [
            await tab.get(f".of-failures .series.color-{n} rect").first.evaluate("e => getComputedStyle(e).fill")
            for n in range(3)
        ]
        assert colours == bars
        assert len(set(colours)) == 3
        await assert_accessible(tab)

        await tab.page.get_by_role("link", name="24 hours").click()
        await expect(tab.page.get_by_role("link", name="24 hours")).to_have_attribute("aria-current", "true")
        await expect(tab.get(".of-turns tbody tr")).to_have_count(24)
        await tab.get("#app [data-choice=lang]").select_option("ja")
        await tab.page.set_viewport_size({"width": 390, "height": 780})
        await tab.get("#app [data-choice=theme]").select_option("dark")
        await expect(tab.get(".of-failures h2")).to_have_text("失敗・中断・停止")
        await assert_accessible(tab)


@pytest.mark.parametrize("locale", ["en-GB", "ja-JP"])
async def test_a_models_failures_lead_to_its_failed_turns_and_why(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, locale: str
) -> None:
    model.teach("break", "Half", ModelError("The model server ended its reply before the answer began."))
    await person.say(await person.conversation(title="tea"), "break")
    administrator = await service.administrator()
    hour = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = [("taught", "complete", 3), ("taught", "failed", 1), ("other", "complete", 2)]
    await set_counters(
        service,
        *({"hour": hour, "model": name, "measure": kind, "bucket": 0, "count": count} for name, kind, count in rows),
    )
    async with browsing(browser, service, administrator, locale=locale) as tab:
        await tab.open(f"{PAGE}?period=day")
        row = tab.get(".models tbody tr").filter(has_text="taught")
        await expect(row.locator("td").nth(2)).to_have_text("25.0%")
        await expect(tab.get(".models tbody tr")).to_have_count(2)
        await assert_accessible(tab)
        await row.get_by_role("link").click()
        await expect(tab.get("#f-status")).to_have_value("failed")
        await expect(tab.get("#f-model")).to_have_value("taught")
        await tab.get("#filters .main").click()
        why = "モデルサーバーが" if locale == "ja-JP" else "before the answer began"
        await expect(tab.get("#list .ending").first).to_contain_text(why)
        await assert_accessible(tab)


async def test_a_busy_month_weighs_little(service: RunningService) -> None:
    administrator = await service.administrator()
    await set_counters(service, *counters())
    administrator.client.headers["Accept-Language"] = "ja"
    files = await loaded(administrator.client, PAGE)
    assert files[PAGE].count(b"<svg viewBox") == 6
    assert sum(map(len, files.values())) < MAX_BYTES


async def test_statistics_are_for_administrators(service: RunningService, person: Person) -> None:
    answer = await person.client.get(PAGE)
    assert answer.status_code == 403
    assert "chart" not in answer.text
    assert (await person.client.get(PAGE, params={"period": "century"})).status_code in (403, 422)
