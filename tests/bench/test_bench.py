"""The benchmark runs, at a size at which its figures mean nothing."""

import asyncio
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from bench.__main__ import DATABASE, WEB
from bench.measurements import Effort, Figure, Sides
from bench.search_scale import BARS
from bench.sides import Both, Place, both_sides
from bench.writes import BARE_BEGIN, BARE_END, BARE_TURN, PROMPT, REPLY, add_turn
from chatkeep.chat.search.indexer import lexemes_of_turn
from chatkeep.ids import new_id

# What each user, or all of 300 turns, has at least one of.
FOUND = {BARS[name][0] for name in ("page_of_turns", "rare_word", "common_word")}
TINY = ("--turns", "2000", "--rounds", "1", "--share", "0.02")


async def run(*options: str) -> tuple[int | None, str]:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "bench", *options),
        cwd=Path(__file__).parents[2],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode, said.decode()


@pytest.fixture(scope="module")
async def first_run(shared_database_url: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The output of a whole run, and the file that it writes."""
    file = tmp_path_factory.mktemp("bench") / "figures.json"
    code, said = await run(*TINY, "--database-url", shared_database_url, "--json", str(file))
    assert code in {0, 1}, said
    return said, file


async def test_every_figure_is_printed_and_written(first_run: tuple[str, Path]) -> None:
    said, file = first_run
    written: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    assert written["turns"] == 2000
    figures = written["figures"]
    assert all(each["rounds"] and min(each["rounds"]) <= each["value"] <= max(each["rounds"]) for each in figures)
    assert {each["name"] for each in figures if each["bar"] is not None} == {
        "a turn's database work, beside one statement",
        "last 50 turns",
        "30 conversations",
        "a turn at 2,000 beside one at 10",
        "the flush of 20 replies",
        "a signed-in request (processor time)",
        "a whole turn (processor time)",
        "a whole turn (time, one after the other)",
        "pieces a second of processor time",
        "model client, a reply of 40 pieces, of the SDK's",
        "model client, a reply of one piece, of the SDK's",
        "memory of an open stream",
    }
    assert ("not met" in said) == any(each["met"] is False for each in figures)


async def test_a_filled_database_is_used_again_and_no_other(
    first_run: tuple[str, Path], shared_database_url: str
) -> None:
    code, said = await run(*TINY, "--database-url", shared_database_url, "--only", "conversations")
    assert code in {0, 1}, said
    assert "Histories" not in said
    code, said = await run("--turns", "4000", "--database-url", shared_database_url, "--only", "conversations")
    assert (code, "holds 2,000 turns" in said) == (2, True)


async def test_both_sides_of_a_turn_leave_the_same_rows(first_run: tuple[str, Path], shared_database_url: str) -> None:
    async with both_sides(shared_database_url, Effort(1, 0.02, 2000)) as both:
        of_users = {place.user_id: place for place in both.places if place.length == 20}
        mine, once, twice = list(of_users.values())[:3]
        await both.bare.execute("DELETE FROM statistics_notes")
        await add_turn(both, mine, REPLY)
        await both.bare.execute(BARE_TURN, *_values(both, once, new_id()), await _lexemes(once))
        turn_id = new_id()
        await both.bare.execute(BARE_BEGIN, *_values(both, twice, turn_id))
        await both.bare.execute(BARE_END, twice.user_id, turn_id, twice.conversation_id, REPLY, await _lexemes(twice))
        expected = await _rows(both, mine)
        assert await _rows(both, once) == expected
        assert await _rows(both, twice) == expected


def test_a_median_is_of_ratios_and_bars_hold_in_their_direction() -> None:
    figure = Sides([(2.0, 1.0), (9.0, 3.0), (4.0, 1.0)]).ratio("x", 3.0)
    assert (figure.value, figure.met, figure.bare) == (3.0, True, 1e6)
    assert Figure("x", 0.8, 0.8, at_least=True).met
    assert not Figure("x", 0.79, 0.8, at_least=True).met
    assert Figure("x", 5).met is None


def test_each_case_has_one_name() -> None:
    assert not DATABASE.keys() & WEB.keys()


def _values(both: Both, place: Place, turn_id: object) -> tuple[Any, ...]:
    ids = (place.user_id, turn_id, place.conversation_id, place.head_turn_id)
    return (*ids, place.length, PROMPT, REPLY, both.log.replica_id)


async def _lexemes(place: Place) -> list[str]:
    return await lexemes_of_turn(place.user_id, PROMPT, REPLY)


async def _rows(both: Both, place: Place) -> dict[str, Any]:
    """Return the row of a conversation's newest turn, but for ids and times."""
    turn = await both.bare.fetchrow(
        "SELECT t.*, c.turn_count, c.title IS NULL AS untitled, c.streaming_turn_id, c.head_turn_id = t.id AS is_head,"
        " t.parent_id = $3 AS follows FROM turns t JOIN conversations c ON (c.user_id, c.id) = ($1, $2)"
        " WHERE t.user_id = $1 AND t.conversation_id = $2 ORDER BY t.position DESC LIMIT 1",
        *(place.user_id, place.conversation_id, place.head_turn_id),
    )
    assert turn is not None
    notes = await both.bare.fetch(
        "SELECT kind, model, input_tokens, output_tokens FROM statistics_notes WHERE user_id = $1", place.user_id
    )
    found = await both.bare.fetch(
        "SELECT part, parts, version, length(lexemes) AS lexemes FROM turn_search WHERE user_id = $1 AND turn_id = $2",
        *(place.user_id, turn["id"]),
    )
    assert len(found) == 1
    own = {"user_id", "id", "conversation_id", "parent_id", "created_at", "completed_at"}
    return {name: value for name, value in turn.items() if name not in own} | {
        "notes": [dict(note) for note in notes],
        "found by": [dict(part) for part in found],
    }


async def test_lists_and_searches_are_measured_where_postgresql_says_how_long_it_works() -> None:
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "bench.search_scale", "--turns", "300", "--times", "2", "--data-dir", folder),
            cwd=Path(__file__).parents[2],
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
        )
        said = (await process.communicate())[0].decode()
    for title, _ in BARS.values():
        shown = [line.split("│") for line in said.splitlines() if title in line]
        assert len(shown) == 1, said
        median, high, rows = (float(shown[0][column]) for column in (2, 3, 6))
        assert 0 < median <= high, said
        assert rows > 0 or title not in FOUND, said
    assert process.returncode == int("MISSED" in said), said
