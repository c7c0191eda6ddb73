"""Search in the list: titles and everything that was said, with its matches marked."""

from playwright.async_api import expect

from chatkeep.chat.models import Reasoning, Text
from tests.support.running_service import Person
from tests.web.browser import Tab
from tests.web.models import TaughtModel


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


async def test_a_hit_in_reasoning_unfolds_it_and_marks_the_words(tab: Tab, person: Person, model: TaughtModel) -> None:
    thoughts = (Reasoning("First a pot. ", "think"), Text("One. "), Reasoning("The <b>Kettle</b> (old) hums.", "think"))
    model.teach("think", *thoughts, Text("Two."))
    conversation_id = await person.conversation(title="Tea")
    for content in ("before", "think", *("after" for _ in range(25))):
        await person.say(conversation_id, content)
    await tab.open()
    await tab.get("#search").fill("in:reasoning kettle (OLD)")
    await expect(tab.get("#list .hit mark")).to_have_text(["Kettle", "old"])
    await tab.get("#list .hit").click()
    folds = tab.get(".turn details.thought")
    await expect(folds.nth(1).locator("mark")).to_have_text(["Kettle", "old"])
    await expect(folds.nth(1).locator("mark").first).to_be_in_viewport()
    await expect(folds.nth(1).locator(".words")).to_have_text("The <b>Kettle</b> (old) hums.")
    await expect(folds.nth(0).locator(".words")).to_be_hidden()
    await tab.get("#search").fill("kettle")
    await expect(tab.get("#list-state")).to_contain_text("Nothing found")


async def test_the_beginning_of_a_word_is_enough_while_it_is_typed(tab: Tab, person: Person) -> None:
    await person.say(await person.conversation(title="Sea"), "a lighthouse")
    await tab.open()
    for typed in ("lig", "light", "a ligh"):
        await tab.get("#search").fill(typed)
        await expect(tab.get("#list .hit mark").last).to_contain_text("l")
    await tab.get("#search").fill('"ligh')
    await expect(tab.get("#list-state")).to_contain_text("Nothing found")


async def test_a_pasted_error_finds_its_turn(tab: Tab, person: Person) -> None:
    error = "".join(f'  File "/srv/part{n}.py", line {n}, in run -v\n' for n in range(150)) + "ValueError: no kettle"
    await person.say(await person.conversation(title="Wrong"), f"It says:\n{error}")
    await person.say(await person.conversation(title="Right"), "no kettle")
    await tab.open()
    await tab.get("#search").focus()
    await expect(tab.get("#search")).to_have_attribute("maxlength", "10000")
    pasted = "text => { const data = new DataTransfer(); data.setData('text', text); document.getElementById('search')"
    pasted += ".dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, cancelable: true, bubbles: true })); }"
    await tab.page.evaluate(pasted, error)
    await expect(tab.get("#list .hit strong")).to_have_text(["Wrong"])


async def test_hits_are_in_the_order_of_relevance_where_it_is_chosen(tab: Tab, person: Person) -> None:
    for title, content in (("All", "kettle, kettle, kettle"), ("Late", f"a kettle {'and more ' * 40}")):
        await person.say(await person.conversation(title=title), content)
    await tab.open()
    await tab.get("#search").fill("kettle")
    await expect(tab.get("#list .hit strong")).to_have_text(["Late", "All"])
    await tab.get("#list-state select").select_option("relevance")
    await expect(tab.get("#list .hit strong")).to_have_text(["All", "Late"])
    await tab.get("#list-state summary").click()
    await expect(tab.get("#list-state dd").first).to_be_visible()
