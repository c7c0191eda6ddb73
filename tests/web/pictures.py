"""Makes the README's pictures in a real browser: `python -m tests.web.pictures`, and look at each one afterwards."""

import asyncio
import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from playwright.async_api import Browser, expect

from chatkeep.database import migrations
from tests.support.databases import create_database, drop_database, server_address
from tests.support.running_service import Person, RunningService, running
from tests.web.browser import browser_running, browsing
from tests.web.models import TaughtModel
from tests.web.test_console_statistics import set_counters

FOLDER = Path("docs/images")
DESKTOP = {"width": 1180, "height": 760}
PHONE = {"width": 390, "height": 760}
JAPAN: dict[str, Any] = {"locale": "ja-JP", "timezone_id": "Asia/Tokyo"}

ENGLISH = "How do I brew good green tea?"
ENGLISH_REPLY = """Green tea wants water of about **75 °C**. Boiling water draws out bitterness.

1. Warm the pot.
2. Three grams a cup.
3. Ninety seconds.

```python
def brew(grams: float, seconds: int = 90) -> str:
    return f"{grams} g for {seconds} s"
```
"""
JAPANESE = "煎茶のおいしい淹れ方を教えてください。"
JAPANESE_TITLE = "煎茶のおいしい淹れ方"
JAPANESE_REPLY = """煎茶は**75℃前後**のお湯がおすすめです。熱湯だと苦みが出ます。

1. 急須を温める
2. 一杯につき3グラム
3. 90秒待つ

| 茶葉 | 温度 | 時間 |
|---|--:|--:|
| 玉露 | 60℃ | 120秒 |
| 煎茶 | 75℃ | 90秒 |
| ほうじ茶 | 95℃ | 30秒 |
"""
# Newest last.
OTHERS = (
    "Weekend in Kyoto",
    "翻訳の相談",
    "Refactoring the importer",
    "Book club: chapter four",
    "週末のレシピ",
    "Why is the sky blue?",
)


class TeaModel(TaughtModel):
    default_name = "qwen3-32b"


async def main() -> None:
    with TemporaryDirectory(prefix="chatkeep-") as folder, server_address(Path(folder)) as server_url:
        url = await create_database(server_url)
        try:
            await asyncio.to_thread(migrations.upgrade, url)
            await make(url)
        finally:
            await drop_database(server_url, url)


async def make(database_url: str) -> None:
    model = TeaModel()
    model.teach(ENGLISH, ENGLISH_REPLY)
    model.teach(JAPANESE, JAPANESE_REPLY)
    async with running(database_url, model=model) as service, browser_running() as browser:
        alice = await service.person("alice")
        await alice.client.patch("/api/v1/auth/me", json={"display_name": "Alice"})
        for title in OTHERS:
            await alice.say(await alice.conversation(title=title), "Hello")
        japanese = await alice.conversation(title=JAPANESE_TITLE)
        await alice.say(japanese, JAPANESE)
        english = await alice.conversation()
        await alice.say(english, ENGLISH)
        await chat(browser, service, alice, english, "chat", viewport=DESKTOP, locale="en-US", timezone_id="UTC")
        await chat(browser, service, alice, japanese, "chat-ja-dark", viewport=DESKTOP, color_scheme="dark", **JAPAN)
        await chat(browser, service, alice, japanese, "phone-ja", viewport=PHONE, **JAPAN)
        await set_counters(service, *counters())
        await console(browser, service)


async def chat(
    browser: Browser, service: RunningService, person: Person, conversation_id: str, name: str, **look: Any
) -> None:
    async with browsing(browser, service, person, **look) as tab:
        await tab.open(f"/c/{conversation_id}")
        await expect(tab.get(".turn")).to_have_count(1)
        await tab.answered()
        await tab.page.screenshot(path=FOLDER / f"{name}.png", animations="disabled", caret="hide")


async def console(browser: Browser, service: RunningService) -> None:
    administrator = await service.administrator()
    async with browsing(browser, service, administrator, viewport=DESKTOP, locale="en-GB") as tab:
        await tab.open("/console/statistics")
        await tab.page.get_by_role("link", name="30 days").click()
        await expect(tab.get(".chart").first).to_be_visible()
        await tab.page.mouse.move(0, 0)
        await tab.page.screenshot(path=FOLDER / "console.png", animations="disabled")


def counters() -> list[dict[str, Any]]:
    """A month of made-up numbers, quieter at weekends."""
    chance, now = random.Random(7), datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    rows = []
    for day in range(31):
        hour = now - timedelta(days=day)
        turns = chance.randint(670, 770) if hour.weekday() < 5 else chance.randint(210, 260)
        amounts = {
            "failed": turns // 90,
            "stopped": turns // 50,
            "user": chance.randint(0, 7),
            "conversation": turns // 5,
            "input_tokens": turns * 410,
            "output_tokens": turns * 250,
            "turns_with_tokens": turns,
        }
        rows += [("other", name, 0, amount, hour) for name, amount in amounts.items()]
        rows += [("qwen3-32b", "complete", 0, turns, hour), ("qwen3-32b", "duration", 96, turns, hour)]
    names = ("model", "measure", "bucket", "count", "hour")
    return [dict(zip(names, row, strict=True)) for row in rows if row[3]]


if __name__ == "__main__":
    asyncio.run(main())
