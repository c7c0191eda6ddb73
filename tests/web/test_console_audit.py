"""The console's audit trail: found by its filters, read to its end, and verified."""

import asyncio
import json
import re

from playwright.async_api import Browser, Route, expect

from chatkeep.audit.keys import SealingKeys
from tests.audit.audit_fixtures import tamper, write
from tests.support.running_service import Person, RunningService, settings_for
from tests.web.browser import browsing
from tests.web.test_accessibility import assert_accessible

NASTY = "<svg/onload=alert(1)>"
# Keeps what is told while the rows are read, which may be over in no time.
WATCH_PROGRESS = """() => {
  globalThis.told = [];
  const box = document.getElementById("verifying");
  const note = () => box.hidden || told.push([box.innerText.trim(), document.getElementById("verified").value]);
  new MutationObserver(note).observe(box, { attributes: true, childList: true, subtree: true });
}"""
REASON = "苦情 <img src=x onerror=alert(1)>"


async def test_the_trail_is_filtered_read_to_its_end_and_verified(
    browser: Browser, service: RunningService, shared_database_url: str
) -> None:
    administrator, person, deleted = (
        await service.administrator(),
        await service.person(NASTY),
        await service.person(),
    )
    await write(service.database, service.audit, 130)
    disable = {b"X-Audit-Reason": REASON.encode()}
    user = f"/api/v1/admin/users/{person.id}"
    assert (await administrator.client.patch(user, json={"disabled": True}, headers=disable)).status_code == 200
    assert (await administrator.client.delete(f"/api/v1/admin/users/{deleted.id}")).status_code == 204
    async with browsing(browser, service, administrator) as tab:
        await tab.open("/console")
        await tab.page.get_by_role("link", name="Audit trail").click()
        rows = tab.get("#list li")
        await expect(tab.get(".seal .good")).to_contain_text("chains end where they were sealed")
        await expect(rows.first).to_contain_text(f"Account deleted admin → deleted account …{deleted.id[-8:]}")
        await expect(rows.nth(1)).to_contain_text(f"Account disabled admin → {NASTY}{REASON}127.0.0.1")
        # Pages come as one goes on.
        while await tab.get("#state :is(button, .spinner)").count():
            await rows.last.scroll_into_view_if_needed()
            await asyncio.sleep(0.05)
        assert await rows.count() >= 135
        await assert_accessible(tab)

        await rows.nth(1).get_by_role("link", name=NASTY).click()
        await expect(tab.page.get_by_label("Target")).to_have_value(NASTY)
        await expect(rows).to_have_count(2)
        await tab.page.get_by_label("What").select_option("user_disabled")
        await tab.page.get_by_label("By", exact=True).fill(administrator.id)
        await tab.page.get_by_role("button", name="Show").click()
        await expect(rows).to_have_count(1)
        await tab.page.get_by_label("By", exact=True).fill("nobody of this name")
        await tab.page.get_by_role("button", name="Show").click()
        await expect(tab.get("#state")).to_contain_text("Nothing of this kind is on record")

        verify = tab.page.get_by_role("button", name="Verify every row")
        await tab.page.evaluate(WATCH_PROGRESS)
        await verify.click()
        await expect(tab.get("#verdict .good")).to_contain_text("The trail is whole")
        await expect(tab.get("#verifying")).to_be_hidden()
        assert any(re.fullmatch(r"\d+ of \d+ rows", text) for text, _ in await tab.page.evaluate("told"))
        await tamper(
            shared_database_url,
            f"UPDATE audit_events SET reason = '{NASTY}' WHERE chain = 0 AND seq = 7",
            "DELETE FROM audit_events WHERE chain = 0 AND seq BETWEEN 20 AND 22",
        )
        await verify.click()
        await expect(tab.get("#verdict .bad")).to_contain_text("NOT whole")
        await expect(tab.get(".seal .good")).to_be_hidden()
        faults = tab.get("#verdict li")
        await expect(faults.first).to_contain_text("Chain 0, row 7: is not what was written")
        await expect(faults.get_by_text("Chain 0, row 20–22: is missing")).to_be_visible()
        await assert_accessible(tab)
        await tamper(shared_database_url, "UPDATE audit_chains SET seals = '{}' WHERE chain = 0")
        await tab.page.reload()
        await expect(tab.get(".seal .bad")).to_contain_text("1 of 8 chains do not end where they were sealed")


async def test_verifying_ends_when_nobody_waits_for_it(service: RunningService) -> None:
    from chatkeep.database.reads import Reads
    from chatkeep.web.audit_verification import verification_lines

    secret = settings_for("postgresql://none").signing_keys()
    lines = verification_lines(Reads(service.database, None), SealingKeys(secret))
    assert json.loads(await anext(lines)).keys() == {"read", "rows"}
    assert "verify" in {task.get_name() for task in asyncio.all_tasks()}
    await lines.aclose()
    assert "verify" not in {task.get_name() for task in asyncio.all_tasks()}


async def test_verifying_that_does_not_come_to_an_end_says_so(browser: Browser, service: RunningService) -> None:
    async with browsing(browser, service, await service.administrator()) as tab:
        tab.expected.append("Failed to load resource")
        await tab.open("/console/audit")
        said = {
            "": "no connection",
            '{"error":"database_unavailable"}\n': "cannot save",
            '{"read":1,"rows":2}\n': "no connection",
        }
        bodies = iter(said)

        async def answer(route: Route) -> None:
            body = next(bodies)
            await (route.fulfill(body=body) if body else route.abort())

        await tab.page.route("**/verification", answer)
        for problem in said.values():
            await tab.page.get_by_role("button", name="Verify every row").click()
            await expect(tab.get("#verdict .problem")).to_contain_text(problem)
            await expect(tab.get("#verifying")).to_be_hidden()


async def test_only_administrators_verify_and_no_other_sites_page_has_them_do_so(
    service: RunningService, person: Person
) -> None:
    administrator = await service.administrator()
    forged = await administrator.client.post(
        "/web/console/audit/verification", headers={"Origin": "https://evil.invalid"}
    )
    assert (forged.status_code, forged.json()["code"]) == (403, "cross_site_request")
    for client, status in ((person.client, 403), (service.client(), 401)):
        assert (await client.post("/web/console/audit/verification")).status_code == status
        assert (await client.get("/web/console/running")).status_code == status
