"""Search in the list: titles and everything that was said, with its matches marked."""

from playwright.async_api import expect

from tests.support.running_service import Person
from tests.web.browser import Tab


async def test_what_was_said_is_found_marked_and_opened_at_its_place(tab: Tab, person: Person) -> None:
    conversation_id = await person.conversation(title="Tea")
    for number in range(45):
        await person.say(conversation_id, f"about the {'kettle' if number == 3 else 'leaves'} {number}")
    await tab.open()
    await tab.get("#search").fill("KETTLE")
    await expect(tab.get("#list .hit mark").first).to_have_text("kettle")
    await expect(tab.get("#list .hit strong")).to_have_text("Tea")
    await tab.get("#list .hit").click()
    await expect(tab.get(".turn.found .prompt")).to_have_text("about the kettle 3")
    await expect(tab.get(".turn.found")).to_be_in_viewport()
    await tab.get("#to-end").click()
    await expect(tab.get(".turn .prompt").last).to_have_text("about the leaves 44")


async def test_titles_are_found_and_escape_leads_back_to_the_list(tab: Tab, person: Person) -> None:
    await person.conversation(title="お茶の時間")
    await person.conversation(title="Other")
    await tab.open()
    await tab.get("#search").fill("お茶")
    await expect(tab.get("#list a")).to_have_text(["お茶の時間"])
    await tab.get("#search").fill("nothing like it")
    await expect(tab.get("#list-state")).to_contain_text("Nothing found")
    await tab.page.set_viewport_size({"width": 390, "height": 780})
    await tab.get("#open-sidebar").click()
    await tab.get("#search").press("Escape")
    await expect(tab.get("#close-sidebar")).to_be_visible()
    await expect(tab.get("#list a")).to_have_text(["Other", "お茶の時間"])


async def test_a_turn_on_another_branch_is_shown_on_its_branch(tab: Tab, person: Person) -> None:
    conversation_id = await person.conversation()
    turn = await person.say(conversation_id, "the forgotten question")
    await person.say(conversation_id, "what followed it")
    path = f"/api/v1/conversations/{conversation_id}/turns/{turn['id']}/edit"
    await person.client.post(path, json={"content": "another one", "stream": False})
    await tab.open()
    await tab.get("#search").fill("forgotten")
    await tab.get("#list .hit").first.click()
    await expect(tab.get(".turn .prompt")).to_have_text(["the forgotten question", "what followed it"])
    await expect(tab.get(".where")).to_have_text("1/2")
