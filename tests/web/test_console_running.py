"""The console's list of what is being answered: it keeps itself up to date, and shows nothing of what is said."""

import asyncio

from playwright.async_api import Browser, expect
from sqlalchemy import func, select

from chatkeep.database.tables import reply_fragments, turns
from tests.support.running_service import RunningService
from tests.web.browser import browsing
from tests.web.models import TaughtModel
from tests.web.test_accessibility import assert_accessible

NASTY = "<svg/onload=alert(1)>"
SECRET = "nobody else's business"


async def until_streaming(service: RunningService, number: int) -> None:
    """Wait until so many turns are being answered, and what there is of each is written down."""
    written = select(func.count()).select_from(reply_fragments)
    running = select(func.count()).where(turns.c.status == "streaming")
    for query in (running, written):
        while True:
            async with service.database.transaction() as connection:
                if (await connection.execute(query)).scalar_one() == number:
                    break
            await asyncio.sleep(0.02)


async def test_what_is_being_answered_comes_grows_and_goes(
    browser: Browser, service: RunningService, model: TaughtModel
) -> None:
    administrator, person = await service.administrator(), await service.person(NASTY)
    prompts = [f"{SECRET} {n}" for n in range(2)]
    for prompt in prompts:
        model.teach(prompt, "A beginning.", None, " And an end.")
    async with browsing(browser, service, administrator) as tab:
        await tab.page.clock.install()

        async def look_again() -> None:
            """Have the page's time pass, and not the test's."""
            await tab.page.clock.fast_forward(3000)

        await tab.open("/console")
        await tab.page.get_by_role("link", name="Running").click()
        await expect(tab.get("#state")).to_contain_text("Nothing is being answered")
        async with asyncio.TaskGroup() as tasks:
            rows = tab.get("#list li")
            for number, prompt in enumerate(prompts):
                conversation = await person.conversation(title=SECRET)
                tasks.create_task(person.say(conversation, prompt))
                await until_streaming(service, number + 1)
                await look_again()
                await expect(rows).to_have_count(number + 1)
            await expect(rows.first).to_contain_text(NASTY)
            await expect(rows.first).to_contain_text("taught")
            await expect(rows.first.locator(".long")).to_have_text("12 characters")
            await expect(tab.get("#count")).to_have_text("In progress: 2")
            assert SECRET not in await tab.page.content()
            await assert_accessible(tab)
            link = rows.last.get_by_role("link", name="Open, with a reason")
            await link.focus()
            model.go_on(prompts[1])
            await until_streaming(service, 1)
            await look_again()
            await expect(rows).to_have_count(1)
            await expect(link).to_be_focused()
            model.go_on(prompts[0])
            await until_streaming(service, 0)
            await look_again()
            await expect(rows).to_have_count(0)
        await expect(tab.get("#state")).to_contain_text("Nothing is being answered")
        tab.expected.append("Failed to load resource")
        await tab.page.route("**/web/console/running*", lambda route: route.abort())
        await look_again()
        await expect(tab.get("#state .problem")).to_contain_text("no connection")
        await tab.page.unroute("**/web/console/running*")
        await look_again()
        await expect(tab.get("#state")).to_contain_text("Nothing is being answered")
