import pytest

from tests.accounts.client import (
    AUTH,
    another_browser,
    code_of,
    during,
    log_in,
    new_token,
    rows,
    session_of,
    status_of_me,
)
from tests.support.running_service import ADMIN_PASSWORD, PASSWORD, Person, RunningService
from tests.support.settled import settle

MARK = "marmalade-7391"


async def delete_me(person: Person, password: str = PASSWORD) -> tuple[int, dict[str, str]]:
    answer = await person.client.request("DELETE", f"{AUTH}/me", json={"password": password})
    return answer.status_code, answer.json() if answer.content else {}


async def traces(service: RunningService, *marks: str) -> dict[str, int]:
    """Return in which tables any text of a row holds one of the marks, and in how many rows."""
    tables = await rows(
        service.database, "SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'"
    )
    found = {}
    for (table,) in tables:
        query = f'SELECT count(*) FROM "{table}" t WHERE t::text ILIKE ANY (:patterns)'
        ((count,),) = await rows(service.database, query, patterns=[f"%{mark}%" for mark in marks])
        if count:
            found[table] = count
    return found


async def test_a_deleted_account_leaves_no_row_but_on_record(service: RunningService) -> None:
    person, neighbour = await service.person(f"{MARK}-name"), await service.person()
    await person.client.patch(f"{AUTH}/me", json={"display_name": MARK, "email": f"{MARK}@example.org"})
    await new_token(person, name=MARK)
    await another_browser(service, person)
    await log_in(service.client(), person.username, f"{MARK} is a wrong password")
    conversation = await person.conversation(title=MARK, system_prompt=MARK, metadata={"about": MARK})
    for number in range(3):
        await person.say(conversation, f"{MARK} {number}")
    await neighbour.say(await neighbour.conversation(), "mine")
    await settle(service.chat.turn_store)
    before = await traces(service, MARK, person.id)
    assert {"users", "conversations", "turns", "login_sessions", "access_tokens", "user_activity"} <= before.keys()
    kept = await traces(service, neighbour.id)

    assert await delete_me(person) == (204, {})
    assert await traces(service, MARK) == {}
    # That it happened stays on record, by an id that names nobody any more.
    assert (await traces(service, person.id)).keys() == {"audit_events", "audit_subjects"}
    assert await traces(service, neighbour.id) == kept


async def test_everything_of_the_deleted_is_nobodys(service: RunningService) -> None:
    person = await service.person()
    other, token, copy = await another_browser(service, person), await new_token(person), session_of(person.client)
    assert await delete_me(person) == (204, {})
    assert "sid" not in person.client.cookies
    assert await status_of_me(service, cookie=copy) == 401
    assert await status_of_me(service, token=token) == 401
    assert (await other.get(f"{AUTH}/me")).status_code == 401
    assert code_of(await log_in(service.client(), person.username)) == (401, "invalid_credentials")


async def test_the_name_is_free_again_and_brings_nothing_back(service: RunningService) -> None:
    person = await service.person("phoenix")
    await person.say(await person.conversation(), "from before")
    await delete_me(person)
    again = await service.person("PHOENIX")
    assert again.id != person.id
    assert (await again.client.get("/api/v1/conversations")).json()["items"] == []


@pytest.mark.parametrize(
    ("password", "code"),
    [("a wrong password", "invalid_credentials"), ("\x00", "invalid_text"), ("", "invalid_credentials")],
)
async def test_it_takes_the_password(service: RunningService, password: str, code: str) -> None:
    person = await service.person()
    status, problem = await delete_me(person, password)
    assert problem["code"] == code
    assert status in (401, 422)
    assert (await person.client.get(f"{AUTH}/me")).status_code == 200


async def test_the_last_administrator_stays(service: RunningService) -> None:
    administrator = await service.administrator()
    status, problem = await delete_me(administrator, ADMIN_PASSWORD)
    assert (status, problem["code"]) == (409, "last_administrator")
    assert (await administrator.client.get(f"{AUTH}/me")).status_code == 200


async def test_deleting_amid_everything_else_is_never_an_error(service: RunningService) -> None:
    """Turns, conversations, sign-ins and changes of the same account at the same moment."""
    for _ in range(6):
        person = await service.person()
        conversations = [await person.conversation() for _ in range(2)]
        token = await new_token(person)
        client = service.client(headers={"Authorization": f"Bearer {token}"})
        hello = {"content": f"hello {MARK}", "stream": False}
        answer, others = await during(
            client.request("DELETE", f"{AUTH}/me", json={"password": PASSWORD}),
            lambda: client.post(f"/api/v1/conversations/{conversations[0]}/turns", json=hello),  # noqa: B023
            lambda: client.post(f"/api/v1/conversations/{conversations[1]}/turns", json=hello),  # noqa: B023
            lambda: client.post("/api/v1/conversations", json={"title": MARK}),  # noqa: B023
            lambda: client.delete(f"/api/v1/conversations/{conversations[0]}"),  # noqa: B023
            lambda: client.patch(f"{AUTH}/me", json={"display_name": MARK}),  # noqa: B023
            lambda: client.post(f"{AUTH}/tokens", json={"name": MARK}),  # noqa: B023
            lambda: client.delete(f"{AUTH}/sessions"),  # noqa: B023
            lambda: log_in(service.client(), person.username),  # noqa: B023
        )
        unexpected = [each.text for each in others if each.status_code not in (200, 201, 204, 401, 404, 409)]
        assert unexpected == []
        assert answer.status_code == 204
        assert await traces(service, MARK) == {}
    # That it happened stays on record, by an id that names nobody any more.
    assert (await traces(service, person.id)).keys() == {"audit_events", "audit_subjects"}
