"""The account page: every section does what it says."""

import asyncio
import json
from datetime import UTC, datetime
from pathlib import Path

from playwright.async_api import Browser, Route, expect

from tests.chat.files.pictures import add, png
from tests.support.running_service import PASSWORD, Person, RunningService
from tests.transfer.formats.test_pictures import DRAWING, ENTRIES, exported
from tests.web.browser import Tab, browsing

NEW_PASSWORD = "quite another long password"


async def downloaded(tab: Tab, link: str, name: str) -> Path:
    """Click on `link` and return where the file is, which the browser would call `name`."""
    async with tab.page.expect_download() as downloading:
        await tab.page.get_by_role("link", name=link).click()
    download = await downloading.value
    assert download.suggested_filename == name
    return await download.path()


async def test_a_profile_is_changed(tab: Tab, person: Person) -> None:
    await tab.open("/account")
    await tab.page.get_by_label("Display name").fill("Mika 🍵")
    await tab.page.get_by_label("E-mail").fill("mika@example.org")
    await tab.get("#profile").get_by_role("button", name="Save").click()
    await expect(tab.get("#who")).to_have_text("Signed in as Mika 🍵")
    me = (await person.client.get("/api/v1/auth/me")).json()
    assert (me["display_name"], me["email"]) == ("Mika 🍵", "mika@example.org")


async def test_a_password_is_changed_and_a_wrong_one_is_told(tab: Tab, service: RunningService, person: Person) -> None:
    tab.expected.append("status of 401")
    await tab.open("/account")
    form = tab.get("#password")
    await form.get_by_label("Current password").fill("wrong")
    await form.get_by_label("New password").fill(NEW_PASSWORD)
    await form.get_by_role("button").click()
    await expect(form.get_by_role("alert")).to_have_text("Wrong username or password.")
    await form.get_by_label("Current password").fill(PASSWORD)
    await form.get_by_label("New password").fill(NEW_PASSWORD)
    await form.get_by_role("button").click()
    await expect(tab.get(".toast")).to_contain_text("Password changed.")
    body = {"username": person.username, "password": NEW_PASSWORD}
    assert (await service.client().post("/api/v1/auth/login", json=body)).status_code == 200


async def test_sessions_are_shown_and_ended(tab: Tab, service: RunningService, person: Person) -> None:
    elsewhere = service.client(headers={"User-Agent": "Mozilla/5.0 (iPhone) Safari/605"})
    for _ in range(2):
        await elsewhere.post("/api/v1/auth/login", json={"username": person.username, "password": PASSWORD})
    another = service.client(headers={"User-Agent": "Mozilla/5.0 (Windows NT 10.0) Firefox/150"})
    await another.post("/api/v1/auth/login", json={"username": person.username, "password": PASSWORD})
    await tab.open("/account")
    rows = tab.get("#sessions li")
    await expect(rows).to_have_count(3)
    await expect(rows.filter(has_text="This browser")).to_have_count(1)
    await rows.filter(has_text="Safari · iPhone").get_by_role("button").click()
    await expect(rows).to_have_count(2)
    assert (await elsewhere.get("/api/v1/auth/me")).status_code == 401
    await tab.page.get_by_role("button", name="Sign out everywhere else").click()
    await expect(rows).to_have_count(1)
    assert (await another.get("/api/v1/auth/me")).status_code == 401
    assert (await person.client.get("/api/v1/auth/me")).status_code == 200


async def test_a_token_is_made_shown_once_and_revoked(tab: Tab, service: RunningService) -> None:
    await tab.open("/account")
    await expect(tab.get("#tokens")).to_have_text("No tokens.")
    form = tab.get("#make-token")
    await form.get_by_label("Name").fill("backup")
    # Nobody but an administrator is offered administration, and nothing but chat is chosen.
    assert await form.get_by_role("checkbox").count() == 4
    await expect(form.get_by_role("checkbox", name="Chat")).to_be_checked()
    await form.get_by_role("checkbox", name="Chat").uncheck()
    await tab.page.get_by_role("button", name="Make a token").click()
    await expect(form.get_by_role("alert")).to_have_text("Choose what the token may do.")
    for scope in ("Read Read", "Account Your"):
        await form.get_by_role("checkbox", name=scope).check()
    await form.get_by_label("Valid for").select_option("30 days")
    await tab.page.get_by_role("button", name="Make a token").click()
    secret = await tab.get("#new-token code").text_content()
    client = service.client(headers={"Authorization": f"Bearer {secret}"})
    assert (await client.get("/api/v1/auth/me")).status_code == 200
    own = (await client.get("/api/v1/auth/token")).json()
    assert own["scopes"] == ["read", "account"]
    assert (datetime.fromisoformat(own["expires_at"]) - datetime.now(UTC)).days == 29
    await tab.page.reload()
    await expect(tab.get("#tokens li")).to_contain_text("backup")
    await expect(tab.get("#tokens li")).to_contain_text("Read · Account")
    await expect(tab.get("#tokens li")).to_contain_text("valid until")
    await expect(tab.get("#new-token")).to_be_hidden()
    await tab.page.get_by_role("button", name="Revoke “backup”").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Revoke").click()
    await expect(tab.get("#tokens")).to_have_text("No tokens.")
    assert (await client.get("/api/v1/auth/me")).status_code == 401


async def test_an_administrator_is_offered_administration_and_sees_what_older_tokens_may(
    browser: Browser, service: RunningService
) -> None:
    administrator = await service.administrator()
    await administrator.token("chat", "read", "import", "account", "admin")
    async with browsing(browser, service, administrator, locale="ja-JP") as tab:
        await tab.open("/account")
        await expect(tab.get("#tokens li")).to_contain_text("すべて")
        await tab.get("#make-token").get_by_label("名前").fill("監査")
        await tab.get("#make-token").get_by_role("checkbox", name="管理 サービスの管理").check()
        await tab.page.get_by_role("button", name="トークンを作成").click()
        await expect(tab.get("#tokens li").first).to_contain_text("チャット · 管理")


async def test_an_account_is_deleted_after_a_question(tab: Tab, person: Person) -> None:
    await tab.open("/account")
    await tab.get("#delete").get_by_label("Your password").fill(PASSWORD)
    await tab.get("#delete").get_by_role("button").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Cancel").click()
    assert (await person.client.get("/api/v1/auth/me")).status_code == 200
    await tab.get("#delete").get_by_role("button").click()
    await tab.page.get_by_role("dialog").get_by_role("button", name="Delete account").click()
    await expect(tab.get("#sign-in")).to_be_visible()
    assert (await person.client.get("/api/v1/auth/me")).status_code == 401


async def test_language_and_theme_are_switched_and_remembered(tab: Tab) -> None:
    await tab.open("/account")
    await tab.page.get_by_role("combobox", name="Appearance").select_option("dark")
    await expect(tab.get("html")).to_have_attribute("data-theme", "dark")
    dark = await tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    await tab.page.get_by_role("combobox", name="Language").select_option("ja")
    await expect(tab.get("#account h1")).to_have_text("アカウント")
    await tab.open("/")
    await expect(tab.get("#new")).to_contain_text("新しい会話")
    await expect(tab.get("html")).to_have_attribute("lang", "ja")
    assert await tab.page.evaluate("getComputedStyle(document.body).backgroundColor") == dark


async def test_the_browsers_language_and_theme_are_taken(browser: Browser, service: RunningService) -> None:
    looks = {}
    for scheme in ("light", "dark"):
        async with browsing(browser, service, None, locale="ja-JP", color_scheme=scheme) as tab:
            await tab.open()
            await expect(tab.get("#sign-in h1")).to_have_text("サインイン")
            looks[scheme] = await tab.page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert looks["light"] != looks["dark"]


async def test_the_account_page_asks_to_sign_in(browser: Browser, service: RunningService, person: Person) -> None:
    async with browsing(browser, service, None) as tab:
        await tab.open("/account")
        await tab.get("#sign-in").get_by_label("Username").fill(person.username)
        await tab.get("#sign-in").get_by_label("Password").fill(PASSWORD)
        await tab.get("#sign-in").get_by_label("Password").press("Enter")
        await expect(tab.get("#who")).to_contain_text(person.username)


async def test_one_sees_who_read_ones_history(tab: Tab, service: RunningService, person: Person) -> None:
    conversation_id = await person.conversation()
    await tab.open("/account")
    await expect(tab.get("#access")).to_have_text("Nobody has read your history.")
    administrator = await service.administrator()
    await administrator.client.get(f"/api/v1/admin/conversations/{conversation_id}")
    await tab.page.reload()
    await expect(tab.get("#access strong").first).to_have_text("Opened a conversation")
    await expect(tab.get("#access li").first).to_contain_text("admin · ")


async def test_everything_is_exported_and_imported_again(
    browser: Browser, service: RunningService, person: Person, tab: Tab
) -> None:
    conversation_id = await person.conversation(title="to be moved")
    kept = await add(person, png(40, 30), "cup.png")
    await person.say(conversation_id, "hello", items=[{"type": "image", "file_id": kept["id"]}])
    await tab.open("/account")
    everything = await downloaded(tab, "Export everything", "chatkeep-history.zip")
    async with browsing(browser, service, await service.person()) as other:
        await other.open("/account")
        await other.page.get_by_role("button", name="Import").click()
        await expect(other.get("#import-result")).to_have_text("Choose a file first.")
        for told in ("Imported: 1. Already here: 0.", "Imported: 0. Already here: 1."):
            await other.get("#f-file").set_input_files(everything)
            await other.page.get_by_role("button", name="Import").click()
            await expect(other.get("#import-result")).to_have_text(told)
        await other.open()
        await other.page.get_by_role("link", name="to be moved").click()
        await expect(other.get(".prompt")).to_have_text("hello")
        await expect(other.get(".files img")).to_have_attribute("alt", "cup.png")
        async with other.page.expect_download() as downloading:
            await other.menu("Export as Markdown")
        assert "hello" in (await (await downloading.value).path()).read_text()


async def test_the_history_alone_is_exported_as_lines(
    browser: Browser, service: RunningService, person: Person
) -> None:
    await person.say(await person.conversation(title="in lines"), "hello")
    for locale, name in (("en-GB", "History only (JSONL)"), ("ja-JP", "履歴のみ（JSONL）")):
        async with browsing(browser, service, person, locale=locale) as tab:
            await tab.open("/account")
            lines = await downloaded(tab, name, "chatkeep-history.jsonl")
            assert [json.loads(line)["title"] for line in lines.read_text().splitlines()] == ["in lines"]


async def test_a_file_that_cannot_be_imported_is_told(tab: Tab) -> None:
    tab.expected = ["status of 422"]
    await tab.open("/account")
    file = {"name": "x.json", "mimeType": "application/json", "buffer": b"not json"}
    await tab.get("#f-file").set_input_files(file)  # type: ignore[arg-type]  # a payload
    await tab.page.get_by_role("button", name="Import").click()
    await expect(tab.get("#import").get_by_role("alert")).to_contain_text("import")


async def test_an_import_says_which_pictures_are_not_kept_and_why(tab: Tab) -> None:
    await tab.open("/account")
    written = json.dumps([DRAWING]).encode()
    file = {"name": "conversations.json", "mimeType": "application/json", "buffer": written}
    await tab.get("#f-file").set_input_files(file)  # type: ignore[arg-type]  # a payload
    await tab.page.get_by_role("button", name="Import").click()
    await expect(tab.get("#import-result")).to_contain_text("Files that are not kept: 3")
    await expect(tab.get("#import-result li").first).to_have_text(
        "my cup.png: It is not in the file that was imported."
    )


async def test_an_import_says_how_many_files_came_later(tab: Tab) -> None:
    await tab.open("/account")
    for name, written in (("conversations.json", json.dumps([DRAWING]).encode()), ("export.zip", exported(ENTRIES))):
        file = {"name": name, "mimeType": "application/octet-stream", "buffer": written}
        await tab.get("#f-file").set_input_files(file)  # type: ignore[arg-type]  # a payload
        await tab.page.get_by_role("button", name="Import").click()
        await expect(tab.get("#import-result")).to_contain_text("Imported:")
    await expect(tab.get("#import-result")).to_have_text(
        "Imported: 0. Already here: 1.Files added to conversations that were here: 3"
    )


async def test_an_import_shows_how_far_it_is(tab: Tab) -> None:
    waiting = asyncio.Event()

    async def wait(route: Route) -> None:
        await waiting.wait()
        await route.fulfill(json={"imported": 1234, "skipped": 0, "failed": []})

    await tab.page.route("**/api/v1/import*", wait)
    await tab.open("/account")
    file = {"name": "x.json", "mimeType": "application/json", "buffer": b"[]"}
    await tab.get("#f-file").set_input_files(file)  # type: ignore[arg-type]  # a payload
    await tab.page.get_by_role("button", name="Import").click()
    await expect(tab.get("#import-progress")).to_be_visible()
    await expect(tab.get("#import .main .spinner")).to_be_visible()
    waiting.set()
    await expect(tab.get("#import-result")).to_have_text("Imported: 1,234. Already here: 0.")
    await expect(tab.get("#import-progress")).to_be_hidden()
    await expect(tab.get("#import .spinner")).to_be_hidden()
