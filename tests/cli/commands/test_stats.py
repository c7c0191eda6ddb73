"""Statistics in the terminal."""

from datetime import UTC, datetime

from sqlalchemy import insert

from chatkeep.database.database import Database
from chatkeep.database.tables import statistics_notes
from chatkeep.ids import new_id
from tests.cli.command_runner import Command, Ran

MONDAY = datetime(2026, 11, 23, 9, 30, tzinfo=UTC)


async def note(database_url: str, many: int, kind: str, **values: object) -> None:
    database = await Database.connect(database_url)
    try:
        async with database.transaction() as connection:
            note = {"user_id": new_id(), "kind": kind, "at": MONDAY, **values}
            await connection.execute(insert(statistics_notes), [note] * many)
    finally:
        await database.close()


def turns(ran: Ran, label: str) -> str:
    (line,) = [line for line in ran.lines if line.startswith(label)]
    return line.removeprefix(label).split()[0]


async def test_turns_are_shown_by_day_and_by_model(chatkeep: Command, database_url: str) -> None:
    spent = {"duration_ms": 2000, "first_text_ms": 300, "input_tokens": 1000, "output_tokens": 500}
    await note(database_url, 1234, "complete", model="llama3.2", **spent)
    await note(database_url, 7, "failed", model="\x1b[2Jqwen")
    await note(database_url, 3, "user")
    times = ("--from", "2026-11-22", "--to", "2026-11-25")
    ran = await chatkeep("stats", *times)
    assert ran.code == 0, ran.err
    assert [turns(ran, label) for label in ("Sun 2026-11-22", "Mon 2026-11-23", "in all")] == ["·", "1,241", "1,241"]
    assert [turns(ran, label) for label in ("llama3.2", "·[2Jqwen")] == ["1,234", "7"]
    bars = {line.partition("  ")[0]: line.count("█") for line in ran.lines}
    assert (bars["Sun 2026-11-22"], bars["Mon 2026-11-23"], bars["llama3.2"]) == (0, 40, 40)
    whole = (await chatkeep("stats", "--json", *times)).object
    assert (whole["total"]["turns"], whole["total"]["users"], whole["total"]["failures"]) == (1241, 3, 7)
    assert whole["from"] == "2026-11-22T00:00:00.000000Z"


async def test_a_narrow_terminal_cuts_no_figure(chatkeep: Command, database_url: str) -> None:
    await note(database_url, 1234, "complete", model="llama3.2", duration_ms=2000, output_tokens=1_000_000)
    ran = await chatkeep.on_terminal("stats", "--from", "2026-11-22", "--to", "2026-11-25", columns=80)
    assert "1,234,000,000" in ran.out
    assert "…" not in ran.out


async def test_nothing_is_shown_as_nothing(chatkeep: Command) -> None:
    ran = await chatkeep("stats", "--bucket", "hour", "--from", "3h")
    assert (ran.code, "No turn ended in this time." in ran.err) == (0, True)
    assert len([line for line in ran.lines if "·" in line]) == 5


async def test_times_that_are_none_are_refused(chatkeep: Command) -> None:
    assert (await chatkeep("stats", "--from", "yesterday")).code == 2
    ran = await chatkeep("stats", "--from", "2026-01-02", "--to", "2026-01-01")
    assert (ran.code, ran.out) == (1, "")
    assert "before" in ran.err
    assert (await chatkeep("stats", "--from", "2000-01-01", "--bucket", "hour")).code == 1
