import asyncio
import json
import unicodedata

import pytest

from tests.accounts.client import AUTH, code_of, log_in, session_of, status_of_me, value
from tests.support.running_service import PASSWORD, RunningService, running


async def test_a_new_account_is_signed_in(service: RunningService) -> None:
    client = service.client()
    answer = await client.post(
        f"{AUTH}/register", json={"username": "Alice", "password": PASSWORD, "email": "alice@example.org"}
    )
    assert answer.status_code == 201
    user = answer.json()
    assert {name: user[name] for name in user if name not in ("id", "created_at")} == {
        "username": "Alice",
        "email": "alice@example.org",
        "display_name": None,
        "role": "user",
        "is_guest": False,
    }
    assert (await client.get(f"{AUTH}/me")).json() == user


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("bertha", "BERTHA"),
        ("carla9", "ｃａｒｌａ９"),
        (unicodedata.normalize("NFC", "Zoë-Ångström"), unicodedata.normalize("NFD", "zoë-ångström")),
        ("STRASSE", "straße"),
        ("ﾃｽﾄ", "テスト"),
        ("ﬁona", "FIONA"),
    ],
)
async def test_a_name_is_taken_whatever_its_case_width_or_normal_form(
    service: RunningService, first: str, second: str
) -> None:
    owner = await service.person(first)
    answer = await service.client().post(f"{AUTH}/register", json={"username": second, "password": PASSWORD})
    assert code_of(answer) == (409, "username_taken")
    signed_in = await log_in(service.client(), second)
    assert signed_in.json()["id"] == owner.id
    assert signed_in.json()["username"] == first


@pytest.mark.parametrize(
    "username",
    [
        "",
        "x" * 65,
        "two words",
        "tab\t",
        "zero\u200bwidth",
        "direction\u202eoverride",
        "joined\u034f",
        "variant\ufe0f",
        "filler\u3164",
        "half\uffa0",
        "blank\u2800",
        "´",  # becomes a space and an accent
        "\ue000",
        "\U000e0041",
    ],
)
async def test_names_that_cannot_be_seen_for_what_they_are_are_refused(service: RunningService, username: str) -> None:
    answer = await service.client().post(f"{AUTH}/register", json={"username": username, "password": PASSWORD})
    assert code_of(answer) == (422, "invalid_request")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "ok\udfff"])
@pytest.mark.parametrize("field", ["username", "email", "password"])
async def test_text_that_cannot_be_kept_is_invalid_text(service: RunningService, field: str, text: str) -> None:
    body = {"username": "nobody", "password": PASSWORD, "email": "a@b.c"} | {field: text + "@example.org"}
    answer = await service.client().post(
        f"{AUTH}/register", content=json.dumps(body), headers={"Content-Type": "application/json"}
    )
    assert code_of(answer) == (422, "invalid_text")


@pytest.mark.parametrize(
    "password",
    [
        "",
        "sevenxx",
        "x" * 129,
        "long " * 1000,
        "password",
        "Password1",
        "12345678",
        "qwertyuiop",
        "aaaaaaaaaaaaaaaa",
        "abcdefghijkl",
        "iloveyou",
        "hunter2hunter2",
        "lickme69",
    ],
)
async def test_short_long_and_common_passwords_are_weak(service: RunningService, password: str) -> None:
    answer = await service.client().post(f"{AUTH}/register", json={"username": "weak", "password": password})
    assert code_of(answer) == (422, "weak_password")
    assert await value(service.database, "SELECT count(*) FROM users WHERE username_key = 'weak'") == 0


async def test_the_name_is_no_password(service: RunningService) -> None:
    for password in ("thistlewick", "Thistlewick1", "thistlewickthistlewick"):
        answer = await service.client().post(f"{AUTH}/register", json={"username": "Thistlewick", "password": password})
        assert code_of(answer) == (422, "weak_password"), password


@pytest.mark.parametrize(
    "password",
    [
        "q7#Lm2!x",
        "はなはいろへとちり",
        "🦊🐢🦉🐙🦔🐝🐌🦎",
        "  spaces at both ends  ",
        "e\u0301crit\u200d\u202e\ufe0f\n\t",
        "长" * 3 + "".join(chr(0x4E00 + number * 7) for number in range(125)),
    ],
)
async def test_passwords_of_8_to_128_characters_of_any_kind_work(service: RunningService, password: str) -> None:
    name = f"any-{sum(map(ord, password))}"
    answer = await service.client().post(f"{AUTH}/register", json={"username": name, "password": password})
    assert answer.status_code == 201, answer.text
    assert (await log_in(service.client(), name, password)).status_code == 200
    assert (await log_in(service.client(), name, password.strip() + "x")).status_code == 401


async def test_of_many_registrations_of_one_name_at_once_one_wins(service: RunningService) -> None:
    spellings = ["racer", "RACER", "Ｒacer", "rAcEr"] * 5
    answers = await asyncio.gather(
        *(
            service.client().post(f"{AUTH}/register", json={"username": name, "password": PASSWORD})
            for name in spellings
        )
    )
    assert sorted(answer.status_code for answer in answers) == [201] + [409] * 19
    assert {answer.json()["code"] for answer in answers if answer.status_code == 409} == {"username_taken"}
    assert await value(service.database, "SELECT count(*) FROM users WHERE username_key = 'racer'") == 1


async def test_registration_can_be_closed(database_url: str) -> None:
    async with running(database_url, allow_registration=False) as service:
        answer = await service.client().post(f"{AUTH}/register", json={"username": "late", "password": PASSWORD})
        assert code_of(answer) == (403, "registration_closed")
        assert await value(service.database, "SELECT count(*) FROM users WHERE username_key = 'late'") == 0


async def test_registering_gives_a_new_session_and_ends_the_one_before(service: RunningService) -> None:
    before = await service.person()
    old = session_of(before.client)
    answer = await before.client.post(f"{AUTH}/register", json={"username": "again", "password": PASSWORD})
    assert answer.status_code == 201
    assert session_of(before.client) != old
    assert await status_of_me(service, cookie=old) == 401
    assert await status_of_me(service, cookie=session_of(before.client)) == 200


async def test_a_refused_registration_leaves_the_session_as_it_was(service: RunningService) -> None:
    person = await service.person()
    for body in ({"username": person.username, "password": PASSWORD}, {"username": "x", "password": "short"}):
        answer = await person.client.post(f"{AUTH}/register", json=body)
        assert answer.status_code in (409, 422)
        assert "set-cookie" not in answer.headers
    assert (await person.client.get(f"{AUTH}/me")).json()["id"] == person.id
