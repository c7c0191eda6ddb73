"""Files on the page: attached by the button, pasted and dropped, shown in the history, never run."""

import base64
from pathlib import Path
from uuid import UUID

import pytest
from playwright.async_api import Browser, expect

from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel
from tests.accounts.client import change
from tests.chat.files.pictures import SVG, add, png
from tests.chat.models.streams import ROLE, STOP, refusal, says
from tests.support.running_service import Person, RunningService, running
from tests.transfer.formats.test_pictures import DRAWING
from tests.transfer.upload_client import imported
from tests.upstream.raw import Answer, RawServer
from tests.web.browser import PHONE, Tab, browsing

# Gives the page a file as the clipboard and a drag do, which no test can reach otherwise.
TRANSFER = """([selector, kind, name, type, data]) => {
  const transfer = new DataTransfer();
  const bytes = Uint8Array.from(atob(data), (each) => each.charCodeAt(0));
  transfer.items.add(new File([bytes], name, { type }));
  const options = { bubbles: true, cancelable: true };
  const event = kind === "paste"
    ? new ClipboardEvent("paste", { ...options, clipboardData: transfer })
    : new DragEvent("drop", { ...options, dataTransfer: transfer });
  document.querySelector(selector).dispatchEvent(event);
}"""


async def transfer(tab: Tab, selector: str, kind: str, name: str, data: bytes, media_type: str = "image/png") -> None:
    await tab.page.evaluate(TRANSFER, [selector, kind, name, media_type, base64.b64encode(data).decode()])


async def is_shown(tab: Tab, selector: str) -> bool:
    """Tell whether the browser has drawn a picture."""
    picture = tab.get(selector).first
    await expect(picture).to_be_visible()
    await tab.page.wait_for_function(f"document.querySelector('{selector}').complete")
    return bool(await picture.evaluate("(image) => image.naturalWidth > 0"))


async def test_pictures_come_by_button_paste_and_drop_and_are_in_the_history(tab: Tab, tmp_path: Path) -> None:
    chosen = tmp_path / "chosen.png"
    chosen.write_bytes(png(40, 30, shade=1))
    await tab.open()
    await tab.get("#files").set_input_files(chosen)
    await expect(tab.get("#attached img")).to_have_count(1)
    await transfer(tab, "#prompt", "paste", "pasted.png", png(40, 30, shade=2))
    await transfer(tab, "#main", "drop", "dropped.png", png(40, 30, shade=3))
    await expect(tab.get("#attached img")).to_have_count(3)
    await tab.get("#attached li").nth(1).get_by_role("button", name="Remove pasted.png").click()
    await tab.say("Which tea?")
    await expect(tab.get("#attached")).to_be_hidden()
    await expect(tab.reply()).to_contain_text("dropped.png")
    for _ in range(2):
        await expect(tab.get(".turn .files img")).to_have_count(2)
        assert await is_shown(tab, ".turn .files img")
        names = await tab.get(".turn .files img").evaluate_all("(images) => images.map((image) => image.alt)")
        assert names == ["chosen.png", "dropped.png"]
        await tab.page.reload()


async def test_a_picture_alone_is_a_message(tab: Tab) -> None:
    await tab.open()
    await expect(tab.get("#send")).to_have_attribute("aria-disabled", "true")
    await transfer(tab, "#prompt", "paste", "tea.png", png())
    await expect(tab.get("#attached img")).to_have_count(1)
    await expect(tab.get("#send")).to_have_attribute("aria-disabled", "false")
    await tab.get("#send").click()
    await expect(tab.get(".turn .files img")).to_have_count(1)
    await tab.answered()


async def test_an_edited_message_keeps_its_picture(tab: Tab) -> None:
    await tab.open()
    await transfer(tab, "#prompt", "paste", "tea.png", png())
    await expect(tab.get("#attached img")).to_have_count(1)
    await tab.say("Which?")
    await tab.get("[data-act=edit]").click()
    await tab.get(".edit-field").fill("Which tea?")
    await tab.get(".edit .main").click()
    await expect(tab.get(".prompt")).to_have_text("Which tea?")
    await tab.answered()
    await expect(tab.get(".turn .files img")).to_have_count(1)
    await expect(tab.reply()).to_contain_text("tea.png")


async def test_an_svg_is_a_download_and_nothing_in_it_runs(tab: Tab) -> None:
    await tab.open()
    await transfer(tab, "#prompt", "paste", "evil.svg", SVG, "image/svg+xml")
    await expect(tab.get("#attached .name")).to_have_text("evil.svg")
    await expect(tab.get("#attached progress")).to_have_count(0)
    await tab.say("Draw it")
    link = tab.get(".turn .files a")
    await expect(link).to_have_attribute("download", "evil.svg")
    await expect(tab.get(".turn img")).to_have_count(0)
    async with tab.page.expect_download() as waiting:
        await link.click()
    downloaded = await waiting.value
    assert Path(await downloaded.path()).read_bytes() == SVG
    # Not even where its address is opened by hand.
    address = await link.get_attribute("href")
    async with tab.page.expect_download():
        await tab.page.evaluate("(address) => { location.href = address; }", address)


async def test_a_file_beside_a_picture_is_no_higher_than_its_name(
    browser: Browser, service: RunningService, person: Person
) -> None:
    picture, text = await add(person, png(60, 200), "cup.png"), await add(person, b"Sencha", "tea.txt", "text/plain")
    conversation = await person.conversation()
    items = [{"type": "image", "file_id": picture["id"]}, {"type": "file", "file_id": text["id"]}]
    await person.say(conversation, "What is it?", items=items)
    async with browsing(browser, service, person) as tab:
        await tab.open(f"/c/{conversation}")
        assert await is_shown(tab, ".turn .files img")
        assert await tab.height(".files .picture") >= 200
        assert await tab.height(".files .file") < 60


async def test_what_is_refused_is_said_in_words(tab: Tab) -> None:
    tab.expected.append("422")
    await tab.open()
    await transfer(tab, "#prompt", "paste", "tea.zip", b"PK\x03\x04")
    await expect(tab.get(".toast")).to_contain_text("tea.zip: Files of this type cannot be sent.")
    await expect(tab.get("#attached")).to_be_hidden()


async def test_a_notice_covers_no_file_that_is_being_sent(browser: Browser, service: RunningService) -> None:
    for viewport in ({"width": 1200, "height": 800}, PHONE):
        async with browsing(browser, service, await service.person(), viewport=viewport) as tab:
            tab.expected.append("422")
            await tab.open()
            for shade in range(4):
                await transfer(tab, "#prompt", "paste", f"{shade}.png", png(shade=shade))
            await transfer(tab, "#prompt", "paste", "tea.zip", b"PK\x03\x04")
            notice, composer = await tab.get(".toast").bounding_box(), await tab.get("#composer").bounding_box()
            assert notice
            assert composer
            assert notice["y"] + notice["height"] <= composer["y"]


async def test_a_file_that_is_not_there_or_not_ours_is_its_name(
    browser: Browser, service: RunningService, person: Person
) -> None:
    other = await service.person()
    kept, theirs = await add(person, png()), await add(other, png())
    conversation = await person.conversation()
    items = [{"type": "image", "file_id": kept["id"]}]
    await person.say(conversation, "Which?", items=items)
    replaced = "UPDATE turns SET prompt_items = replace(prompt_items::text, :own, :theirs)::jsonb WHERE user_id = :id"
    await change(service.database, replaced, own=kept["id"], theirs=theirs["id"], id=UUID(person.id))
    async with browsing(browser, service, person, locale="ja-JP") as tab:
        tab.expected.append("404")
        await tab.open(f"/c/{conversation}")
        await expect(tab.get(".file.missing")).to_have_text("tea.png（表示できません）")


NOISY = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 200, height: 150 });
  const context = canvas.getContext("2d");
  for (let at = 0; at < 2000; at++) {
    context.fillStyle = `rgb(${at % 255}, ${(at * 7) % 255}, ${(at * 13) % 255})`;
    context.fillRect((at * 37) % 200, (at * 53) % 150, 9, 9);
  }
  return ["png", "jpeg", "webp"].map((type) => canvas.toDataURL(`image/${type}`).split(",")[1]);
}"""
CLEAR = """() => {
  const canvas = Object.assign(document.createElement("canvas"), { width: 40, height: 30 });
  canvas.getContext("2d").fillRect(10, 5, 20, 10);
  return canvas.toDataURL("image/png").split(",")[1];
}"""


@pytest.mark.parametrize(
    ("locale", "told"),
    [("en-GB", "{name} (damaged, cannot be shown)"), ("ja-JP", "{name} （破損のため表示できません）")],
)
async def test_a_picture_whose_data_is_cut_off_is_its_name_and_can_be_saved(
    browser: Browser, service: RunningService, person: Person, locale: str, told: str
) -> None:
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        noisy = [base64.b64decode(each) for each in await tab.page.evaluate(NOISY)]
        pictures = {
            "clear.png": base64.b64decode(await tab.page.evaluate(CLEAR)),
            "whole.jpg": noisy[1],
            "cut.png": noisy[0][: len(noisy[0]) // 2],
            "cut.jpg": noisy[1][: len(noisy[1]) // 2],
            "cut.webp": noisy[2][: len(noisy[2]) // 2],
            "header.png": noisy[0][:40],
        }
        ids = {name: (await add(person, data, name))["id"] for name, data in pictures.items()}
        items = [{"type": "image", "file_id": each} for each in ids.values()]
        conversation = await person.conversation()
        await person.say(conversation, "Which?", items=items)
        await tab.open(f"/c/{conversation}")
        await expect(tab.get(".turn .file.missing")).to_have_text(
            [told.format(name=name) for name in list(pictures)[2:]]
        )
        shown = await tab.get(".turn .files img").evaluate_all("(images) => images.map((image) => image.alt)")
        assert shown == ["clear.png", "whole.jpg"]
        async with tab.page.expect_download() as waiting:
            await tab.get(".turn").get_by_role("link", name="cut.jpg").click()
        assert Path(await (await waiting.value).path()).read_bytes() == pictures["cut.jpg"]


@pytest.mark.parametrize(
    ("locale", "refused", "told"),
    [
        (
            "en-GB",
            "This model takes no pictures. Choose another model, or ask without them.",
            "This model takes no pictures. Of earlier ones it was told the names alone: cup.png",
        ),
        (
            "ja-JP",
            "このモデルは画像に対応していません。別のモデルを選ぶか、画像なしでお試しください。",
            "このモデルは画像に対応していないため、以前の画像は名前だけを伝えました：cup.png",
        ),
    ],
)
async def test_after_a_picture_that_the_model_does_not_take_one_goes_on(
    browser: Browser, shared_database_url: str, locale: str, refused: str, told: str
) -> None:
    no = refusal(400, {"error": {"message": "llama is not a multimodal model"}})
    with RawServer({"m": (no, no, Answer(ROLE + says("Sencha.") + STOP))}) as upstream:
        model = OpenAICompatibleModel(upstream.url, model="m")
        async with (
            running(shared_database_url, model=model) as service,
            browsing(browser, service, await service.person(), locale=locale) as tab,
        ):
            await tab.open()
            await transfer(tab, "#prompt", "paste", "cup.png", png())
            await expect(tab.get("#attached img")).to_have_count(1)
            await tab.say("Which tea?")
            await expect(tab.get(".ending.bad")).to_have_text(refused)
            await tab.say("And which is good?")
            for _ in range(2):
                await expect(tab.reply().locator(".ending")).to_have_text(told)
                await expect(tab.reply().locator(".part")).to_have_text("Sencha.")
                await tab.page.reload()


async def test_an_imported_prompt_whose_picture_is_a_name_alone_is_edited(
    browser: Browser, service: RunningService, person: Person
) -> None:
    (made,) = (await imported(person, [DRAWING]))["conversations"]
    async with browsing(browser, service, person) as tab:
        await tab.open(f"/c/{made['conversation_id']}")
        await expect(tab.get(".file.missing")).to_have_text("my cup.png (not available)")
        await tab.get("[data-act=edit]").first.click()
        await tab.get(".edit-field").fill("What was this?")
        await tab.get(".edit .main").click()
        await expect(tab.get(".prompt").first).to_have_text("What was this?")
        await tab.answered()
        await expect(tab.reply(0)).to_contain_text("What was this?")
