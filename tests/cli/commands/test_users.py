"""`chatkeep user`: what the operator does at the database is what people meet over HTTP."""

from passlib.hash import argon2, bcrypt
from rich.text import Text

from chatkeep.accounts import queries
from chatkeep.clock import utc_now
from chatkeep.database.database import Database
from tests.cli.command_runner import Command, without_styles
from tests.support.running_service import PASSWORD, RunningService, running

GOOD = "correct horse battery staple"


async def can_sign_in(service: RunningService, username: str, password: str) -> bool:
    body = {"username": username, "password": password}
    answer = await service.client().post("/api/v1/auth/login", json=body)
    return answer.status_code == 200


async def insert_users(database_url: str, *names: str, role: str = "user") -> None:
    database = await Database.connect(database_url, pool_size=2)
    async with database.transaction() as connection:
        for name in names:
            await queries.insert_user(
                connection, username=name, username_key=name.casefold(), password_hash=None, now=utc_now(), role=role
            )
    await database.close()


async def test_an_account_is_made_with_a_password_from_standard_input(chatkeep: Command, database_url: str) -> None:
    ran = await chatkeep(
        "user", "create", "田中", "--password-stdin", "--role", "admin", "--email", "t@example.jp", stdin=f"{GOOD}\r\n"
    )
    assert (ran.code, ran.out, ran.err) == (0, "Created 田中, role admin.\n", "")
    async with running(database_url) as service:
        body = {"username": "田中", "password": GOOD}
        user = (await service.client().post("/api/v1/auth/login", json=body)).json()
        assert (user["role"], user["email"]) == ("admin", "t@example.jp")


async def test_a_name_that_looks_like_anothers_takes_an_option(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "paypal")
    refused = await chatkeep("user", "create", "paypa1", "--random-password")
    assert refused.code != 0
    assert "looks like paypal" in refused.err
    assert "--allow-lookalike" in refused.err
    made = await chatkeep("user", "create", "paypa1", "--random-password", "--allow-lookalike")
    assert (made.code, made.err) == (0, "Created paypa1, role user.\n")
    kept = "$2b$12$" + "." * 22 + "a" * 31
    moved = await chatkeep("user", "create", "p\u0430ypal", "--password-hash", kept, "--allow-lookalike")
    assert moved.code == 0
    again = await chatkeep("user", "create", "paypal", "--random-password", "--allow-lookalike")
    assert "There is a user paypal already" in again.err


async def test_a_random_password_has_standard_output_for_itself(chatkeep: Command, database_url: str) -> None:
    made = await chatkeep("user", "create", "alice", "--random-password")
    changed = await chatkeep("user", "password", "ALICE", "--random-password")
    assert made.err == "Created alice, role user.\n"
    assert "alice has a new password" in changed.err
    async with running(database_url) as service:
        assert not await can_sign_in(service, "alice", made.out.strip())
        assert await can_sign_in(service, "alice", changed.out.strip())


async def test_a_password_is_asked_for_twice_and_never_shown(chatkeep: Command, database_url: str) -> None:
    ran = await chatkeep.on_terminal(
        "user",
        "create",
        "alice",
        typed=[
            ("Password: ", f"{GOOD}\n"),
            ("again: ", "something else\n"),
            ("Password: ", f"{GOOD}\n"),
            ("again: ", f"{GOOD}\n"),
        ],
    )
    assert ran.code == 0
    assert GOOD not in ran.out
    assert "Created alice" in without_styles(ran.out)
    async with running(database_url) as service:
        assert await can_sign_in(service, "alice", GOOD)


async def test_a_hash_of_another_system_signs_in_with_the_password_it_was_made_of(
    chatkeep: Command, database_url: str
) -> None:
    given = bcrypt.using(rounds=4).hash(GOOD)
    assert (await chatkeep("user", "create", "bob", "--password-hash", given)).out == "Created bob, role user.\n"
    given = argon2.using(time_cost=1, memory_cost=64).hash(GOOD)
    assert (await chatkeep("user", "create", "carol", "--password-hash", "-", stdin=given)).code == 0
    async with running(database_url) as service:
        for name in ("bob", "carol"):
            assert await can_sign_in(service, name, GOOD)
            assert not await can_sign_in(service, name, f"{GOOD}!")


async def test_an_account_is_refused_for_a_reason(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "Alice")
    random = "--random-password"
    for arguments, stdin, code, reason in (
        (["ａlice", random], "", 1, "There is a user Alice already."),
        (["a b", random], "", 1, "no spaces"),
        ([b"\xff", random], "", 2, "not text in UTF-8"),
        (["bob", random, "--email", "bob"], "", 1, "bob is not an e-mail address"),
        (["bob", random, "--password-stdin"], GOOD, 2, "Choose one of"),
        (["bob", "--password-hash", "geheim"], "", 1, "not a password hash"),
        (["bob", "--password-stdin"], "password1\n", 1, "among the first"),
        (["bob"], "", 1, "There is no terminal to ask for the password on"),
    ):
        ran = await chatkeep("user", "create", *arguments, stdin=stdin)
        assert (ran.code, ran.out) == (code, ""), arguments
        assert reason in ran.err.replace("\n", " "), arguments
    assert len((await chatkeep("user", "list")).lines) == 2


async def test_a_new_password_ends_sessions_and_tokens(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        alice = await service.person("alice")
        token = await alice.token()
        script = service.client(headers={"Authorization": f"Bearer {token}"})
        assert (await script.get("/api/v1/auth/me")).status_code == 200
        ran = await chatkeep("user", "password", "alice", "--password-stdin", stdin=f"{GOOD}\n")
        assert ran.out == "alice has a new password; every session and token of the account has ended.\n"
        assert (await alice.client.get("/api/v1/auth/me")).status_code == 401
        assert (await script.get("/api/v1/auth/me")).status_code == 401
        assert await can_sign_in(service, "alice", GOOD)


async def test_signing_a_user_out_ends_sessions_and_tokens_and_leaves_the_password(
    chatkeep: Command, database_url: str
) -> None:
    async with running(database_url) as service:
        person = await service.person("alice")
        token = await person.token()
        ran = await chatkeep("user", "sign-out", "ALICE", "--reason", "lost a laptop")
        assert (ran.code, ran.err) == (0, "")
        assert ran.out == "alice is signed out everywhere. Sessions ended: 1. Access tokens ended: 1.\n"
        assert (await person.client.get("/api/v1/auth/me")).status_code == 401
        program = service.client(headers={"Authorization": f"Bearer {token}"})
        assert (await program.get("/api/v1/auth/me")).status_code == 401
        assert await can_sign_in(service, "alice", PASSWORD)


async def test_disabling_signs_out_and_enabling_lets_in_again(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        alice = await service.person("alice")
        assert (await chatkeep("user", "disable", "alice")).out == "alice is disabled and signed out everywhere.\n"
        assert (await chatkeep("user", "disable", "alice")).out == "alice was disabled already.\n"
        assert (await alice.client.get("/api/v1/auth/me")).status_code == 401
        changed = await chatkeep("user", "password", "alice", "--password-stdin", stdin=f"{GOOD}\n")
        assert "`chatkeep user enable alice`" in changed.err
        assert not await can_sign_in(service, "alice", GOOD)
        assert (await chatkeep("user", "enable", "Alice")).out == "alice is enabled and can sign in.\n"
        assert await can_sign_in(service, "alice", GOOD)


async def test_a_role_is_in_force_on_the_next_request(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        alice = await service.person("alice")
        assert (await alice.client.get("/api/v1/admin/users")).status_code == 403
        assert (await chatkeep("user", "role", "alice", "admin")).out == "alice has the role admin now.\n"
        assert (await alice.client.get("/api/v1/admin/users")).status_code == 200
        assert (await chatkeep("user", "role", "alice", "user")).code == 0
        assert (await alice.client.get("/api/v1/admin/users")).status_code == 403


async def test_the_last_administrator_stays_one(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "one", "two", role="admin")
    assert (await chatkeep("user", "disable", "one")).code == 0
    for command in (("disable", "two"), ("role", "two", "user")):
        ran = await chatkeep("user", *command)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err == "chatkeep: This is the last administrator. Make another one first.\n"


async def test_a_user_that_is_not_there(chatkeep: Command) -> None:
    for command in (("disable", "bob"), ("password", "bob", "--random-password")):
        ran = await chatkeep("user", *command)
        assert (ran.code, ran.out) == (1, "")
        assert ran.err.startswith("chatkeep: There is no user bob.")


async def test_lists_are_read_to_their_end_newest_first(chatkeep: Command, database_url: str) -> None:
    names = [f"user-{number:03}" for number in range(450)]
    await insert_users(database_url, *names)
    table = await chatkeep("user", "list")
    assert [line.split()[0] for line in table.lines] == ["NAME", *reversed(names)]
    some = await chatkeep("user", "list", "--json", "--limit", "201")
    assert [user["username"] for user in some.objects] == names[:248:-1]


async def test_lists_are_filtered_and_have_the_fields_of_the_api(chatkeep: Command, database_url: str) -> None:
    async with running(database_url) as service:
        for name in ("山田花子", "山田太郎", "alice"):
            person = await service.person(name)
        await person.say(await person.conversation(), "Hello")
        admin = await service.administrator()
        await admin.client.patch(f"/api/v1/admin/users/{person.id}", json={"disabled": True})
        for options, params in (
            ((), {}),
            (("--role", "user", "--disabled"), {"role": "user", "disabled": "true"}),
            (("--enabled", "--q", "山田"), {"disabled": "false", "q": "山田"}),
        ):
            wanted = (await admin.client.get("/api/v1/admin/users", params=params)).json()["items"]
            assert (await chatkeep("user", "list", "--json", *options)).objects == wanted, options
    table = await chatkeep("user", "list", "--q", "alice")
    assert table.lines[1].split()[:5] == ["alice", "user", "disabled", "1", "1"]
    nobody = await chatkeep("user", "list", "--q", "nobody")
    assert (nobody.code, nobody.out, nobody.err) == (0, "", "No user matches.\n")


async def test_a_table_fits_the_terminal(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "寿限無寿限無五劫の擦り切れ海砂利水魚の水行末雲来末風来末", "bob")
    shown = without_styles((await chatkeep.on_terminal("user", "list", columns=60)).out).splitlines()
    assert shown[0].split()[0] == "NAME"
    assert shown[1].startswith("bob ")
    assert "海砂…" in shown[2]
    # Columns stand below each other where a Japanese character takes two cells.
    assert Text(shown[2].partition("user")[0]).cell_len == shown[0].index("ROLE")
    assert max(Text(line).cell_len for line in shown) <= 60


async def test_somebody_is_invited_by_a_link_that_sets_the_password(chatkeep: Command, database_url: str) -> None:
    ran = await chatkeep("user", "invite", "bob", "--email", "b@example.org", "--url", "https://chat.example.org/keep/")
    assert ran.code == 0
    assert ran.out.startswith("https://chat.example.org/keep/set-password#")
    assert ran.err.startswith("Created bob, role user.\nHand this link over.")
    secret = ran.out.strip().partition("#")[2]
    async with running(database_url) as service:
        body = {"token": secret, "password": GOOD}
        answer = await service.client().post("/api/v1/auth/link/password", json=body)
        assert (answer.status_code, answer.json()["email"]) == (200, "b@example.org")
        assert await can_sign_in(service, "bob", GOOD)
    taken = await chatkeep("user", "invite", "BOB")
    assert "There is a user bob already" in taken.err


async def test_a_password_is_reset_by_a_link(chatkeep: Command, database_url: str) -> None:
    await chatkeep("user", "create", "alice", "--password-stdin", stdin=f"{GOOD}\n")
    ran = await chatkeep("user", "password", "alice", "--link")
    assert ran.out.startswith("http://127.0.0.1:")
    async with running(database_url) as service:
        assert await can_sign_in(service, "alice", GOOD)
        body = {"token": ran.out.strip().partition("#")[2], "password": "three quiet kettles"}
        assert (await service.client().post("/api/v1/auth/link/password", json=body)).status_code == 200
        assert not await can_sign_in(service, "alice", GOOD)
    both = await chatkeep("user", "password", "alice", "--link", "--random-password")
    assert both.code != 0
    assert "Choose one of" in both.err


async def test_a_deleted_user_is_found_in_the_trail_by_number_and_name(chatkeep: Command, database_url: str) -> None:
    await chatkeep("user", "create", "alice", "--password-stdin", stdin=f"{GOOD}\n")
    refused = await chatkeep("user", "delete", "alice")
    assert (refused.code != 0, "--yes" in refused.err) == (True, True)
    ran = await chatkeep("user", "delete", "ALICE", "--yes", "--reason", "asked for erasure")
    assert ran.err == "alice and everything that belonged to the account is deleted. Number in the audit trail:\n"
    number = ran.out.strip()
    for option, value in (("--row", number), ("--subject", "Alice")):
        shown = await chatkeep("audit", "list", option, value)
        assert "user_deleted" in shown.out
        assert "asked for erasure" in shown.out
        assert len(shown.out.splitlines()) == 2
    again = await chatkeep("user", "delete", "alice", "--yes")
    assert "There is no user alice" in again.err
    wrong = await chatkeep("audit", "list", "--row", "x")
    assert "3-1042" in wrong.err


async def test_lists_narrow_to_held_users_and_guests_and_tell_ids(chatkeep: Command, database_url: str) -> None:
    await insert_users(database_url, "alice", "bob")
    await chatkeep("user", "hold", "bob")
    held = await chatkeep("user", "list", "--held", "--json")
    assert [line.count('"username":"bob"') for line in held.out.splitlines()] == [1]
    assert "No user matches" in (await chatkeep("user", "list", "--guests")).err
    table = await chatkeep("user", "list")
    user_id = held.out.partition('"id":"')[2].partition('"')[0]
    assert user_id in table.out
