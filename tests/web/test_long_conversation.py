"""A conversation of ten thousand turns: opened from its end, scrolled back, and never all on the page."""

from uuid import UUID

import asyncpg
from playwright.async_api import expect

from tests.support.long_conversations import lengthen
from tests.support.running_service import Person
from tests.support.urls import driver_url
from tests.web.browser import Tab

TURNS = 10_000


async def filled(url: str, person: Person) -> str:
    conversation_id = await person.conversation(title="ten thousand")
    connection = await asyncpg.connect(driver_url(url))
    try:
        await lengthen(connection, UUID(person.id), UUID(conversation_id), last=TURNS)
    finally:
        await connection.close()
    return conversation_id


async def test_ten_thousand_turns_open_at_their_end_and_scroll_back(
    tab: Tab, person: Person, shared_database_url: str
) -> None:
    conversation_id = await filled(shared_database_url, person)
    await tab.open(f"/c/{conversation_id}")
    await expect(tab.get(".turn .prompt").last).to_have_text(f"question {TURNS}")
    await expect(tab.get(".turn").last).to_be_in_viewport()
    asked = [each for each in tab.requested if "/turns" in each.url]
    assert len(asked) <= 3
    opened = await tab.page.evaluate(
        "performance.getEntriesByType('resource').filter(e => e.name.includes('/turns')).map(e => e.responseEnd)[0]"
    )
    print(f"the last turns of {TURNS} were there {opened:.0f} ms after the page was asked for")
    reached = TURNS
    for _ in range(40):
        before = reached
        await tab.get("#scroller").evaluate("e => e.scrollTo(0, Math.max(0, e.scrollTop - 4000))")
        await tab.page.wait_for_timeout(30)
        reached = int((await tab.get(".turn .prompt").first.text_content() or "").split()[1])
        assert reached <= before
    assert reached < TURNS - 100
    assert await tab.get(".turn").count() < 200
    labels = await tab.get(".turn .prompt").all_text_contents()
    numbers = [int(label.split()[1]) for label in labels]
    assert numbers == sorted(set(numbers))
    await tab.get("#to-end").click()
    await expect(tab.get(".turn").last).to_be_in_viewport()
    await expect(tab.get(".turn .prompt").last).to_have_text(f"question {TURNS}")


async def test_what_one_reads_stays_in_its_place_while_more_comes_above(
    tab: Tab, person: Person, shared_database_url: str
) -> None:
    conversation_id = await person.conversation()
    for number in range(70):
        await person.say(conversation_id, f"question {number}\n" * 4)
    await tab.open(f"/c/{conversation_id}")
    await expect(tab.get(".turn")).not_to_have_count(0)
    first = tab.get(".turn").first
    seen = await first.get_attribute("data-id")
    article = tab.get(f"[data-id='{seen}']")
    await tab.page.route("**/web/**", lambda route: route.abort())
    tab.expected = ["net::ERR_"]
    await tab.get("#scroller").evaluate("e => e.scrollTo(0, 0)")
    await tab.page.wait_for_timeout(100)
    top = await article.evaluate("e => e.getBoundingClientRect().top")
    count = await tab.get(".turn").count()
    await tab.page.unroute("**/web/**")
    await expect(tab.get(".turn")).not_to_have_count(count)
    assert abs(await article.evaluate("e => e.getBoundingClientRect().top") - top) < 2
