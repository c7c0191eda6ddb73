"""Shared by all commands: help, errors, pipes, terminals."""

import pytest
from rich.text import Text

from chatkeep.cli.main import COMMANDS, load_command
from chatkeep.cli.terminal.output import escape_terminal
from tests.cli.command_runner import ESCAPE, Command, without_styles
from tests.support.databases import name_of, with_database


async def test_help_names_every_command_in_a_pipe_without_colours(bare_chatkeep: Command) -> None:
    ran = await bare_chatkeep("--help")
    assert ran.code == 0
    assert all(f" {name} " in ran.out for name in COMMANDS)
    assert ESCAPE not in ran.out
    assert "chatkeep serve --local" in ran.out


async def test_help_fits_the_terminal(bare_chatkeep: Command) -> None:
    for columns in (60, 100):
        shown = without_styles((await bare_chatkeep.on_terminal("history", "--help", columns=columns)).out)
        assert "chatkeep history --from 2h --status failed" in shown
        assert max(Text(line).cell_len for line in shown.splitlines()) <= columns


@pytest.mark.parametrize("command", ["", "user", "user create", "user list", "serve", "audit list", "db downgrade"])
async def test_help_shows_no_type_for_options_without_a_value(bare_chatkeep: Command, command: str) -> None:
    ran = await bare_chatkeep(*command.split(), "--help")
    assert ran.code == 0
    assert "--help" in ran.out
    assert "bool" not in ran.out.lower()


async def test_help_does_not_wait_for_the_service_to_be_loaded(bare_chatkeep: Command) -> None:
    ran = await bare_chatkeep.program("""
import sys
from chatkeep.cli import main
for line in ("", "user", "user create", "user list", "history", "db", "db check", "doctor", "demo-data"):
    sys.argv = ["chatkeep", *line.split(), "--help"]
    try:
        main()
    except SystemExit as end:
        assert not end.code, line
print({"fastapi", "sqlalchemy", "asyncpg", "openai", "httpx2"} & set(sys.modules), file=sys.stderr)
""")
    assert ran.err == "set()\n"


def test_every_command_shows_examples() -> None:
    for name in COMMANDS:
        command = load_command(name)
        leaves = command.commands.values() if hasattr(command, "commands") else [command]
        for leaf in leaves:
            assert leaf.help
            assert "Examples" in (leaf.epilog or leaf.help), leaf.name


async def test_version(bare_chatkeep: Command) -> None:
    assert (await bare_chatkeep("--version")).out.startswith("chatkeep 0.")


async def test_a_command_that_is_not_there_suggests_one(bare_chatkeep: Command) -> None:
    ran = await bare_chatkeep("histroy")
    assert ran.code == 2
    assert "Did you mean 'history'?" in ran.err
    assert ran.out == ""


async def test_a_database_that_cannot_be_used_is_one_sentence_without_its_password(bare_chatkeep: Command) -> None:
    ran = await bare_chatkeep("user", "list", CHATKEEP_DATABASE_URL="postgresql://me:geheim@127.0.0.1:1/x")
    assert ran.code == 1
    assert ran.err.startswith("chatkeep: Cannot use the database at postgresql://me:***@127.0.0.1:1/x: nothing listens")
    assert ran.err.count("\n") == 1
    for address in ("mysql://me:geheim@h/x", "postgresql://me:geheim@h:99999/x", "postgresql://h/x?password=geheim"):
        ran = await bare_chatkeep("user", "list", CHATKEEP_DATABASE_URL=address)
        assert (ran.code, ran.out) == (1, "")
        assert "geheim" not in ran.err


async def test_a_database_without_that_name_says_so(chatkeep: Command) -> None:
    there = chatkeep.settings["CHATKEEP_DATABASE_URL"]
    address = with_database(there, f"{name_of(there)}_not")
    ran = await chatkeep("history", "--database-url", address)
    assert ran.code == 1
    assert f"does not exist. Create it there with `createdb {name_of(there)}_not`" in ran.err.replace("\n", " ")
    assert "the server is up" not in ran.err


async def test_an_env_file_that_is_no_text_is_one_sentence(chatkeep: Command) -> None:
    (chatkeep.folder / ".env").write_bytes(b"CHATKEEP_MODEL=\xff\xfe")
    ran = await chatkeep("user", "list")
    assert ran.code == 1
    assert "The file .env" in ran.err


async def test_wrong_settings_are_named_and_not_quoted(chatkeep: Command) -> None:
    ran = await chatkeep("user", "list", CHATKEEP_PORT="geheim")
    assert ran.code == 1
    assert "CHATKEEP_PORT" in ran.err
    assert "geheim" not in ran.err


async def test_a_reader_that_goes_away_is_no_error_to_read_about(chatkeep: Command) -> None:
    await chatkeep("user", "create", "alice", "--random-password")
    for command in ("user list", "user list --json", "--help", "doctor", "db current"):
        ran = await chatkeep.in_shell(f"chatkeep {command} | true; echo ${{PIPESTATUS[0]}}")
        assert ran.err == "", command
        assert ran.out in ("0\n", "1\n")


async def test_a_closed_input_or_output_is_an_empty_one(chatkeep: Command) -> None:
    for command in ("doctor", "--help", "db current"):
        for closed, prints in ((">&-", False), ("<&- >&- 2>&-", False), ("2>&-", True)):
            ran = await chatkeep.in_shell(f"chatkeep {command} {closed}")
            assert (ran.code, ran.err, bool(ran.out)) == (0, "", prints), (command, closed)


async def test_output_that_cannot_be_written_is_one_sentence(chatkeep: Command) -> None:
    for command in ("db current", "doctor --json"):
        ran = await chatkeep.in_shell(f"chatkeep {command} > /dev/full")
        assert (ran.code, ran.err) == (1, "chatkeep: The output cannot be written: No space left on device.\n")


async def test_colours_are_for_terminals_that_want_them(chatkeep: Command) -> None:
    await chatkeep("user", "create", "root", "--random-password", "--role", "admin")
    colour = f"{ESCAPE}[35m"
    assert colour in (await chatkeep.on_terminal("user", "list")).out
    assert colour not in (await chatkeep.on_terminal("user", "list", NO_COLOR="1")).out
    assert ESCAPE not in (await chatkeep("user", "list")).out


async def test_a_terminal_that_knows_ascii_alone_gets_an_answer(chatkeep: Command) -> None:
    await chatkeep("user", "create", "田中", "--random-password")
    ran = await chatkeep.in_shell("chatkeep user list && chatkeep doctor", PYTHONIOENCODING="ascii")
    assert ran.lines[1][:2] == "??"
    assert "\n+ " in ran.out


async def test_ctrl_c_is_quiet(chatkeep: Command) -> None:
    ran = await chatkeep.on_terminal("user", "create", "alice", typed=[("Password: ", "\x03")])
    assert ran.code == 130
    assert "Traceback" not in ran.out


def test_text_of_users_does_not_move_the_terminal() -> None:
    assert escape_terminal("a\x1b]0;gone\x07\r\nb\u202ec\x9b2J") == "a·]0;gone· b·c·2J"
    assert escape_terminal("家族👨‍👩‍👧 naïve") == "家族👨‍👩‍👧 naïve"
