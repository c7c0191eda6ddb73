"""Lists and searches are measured where PostgreSQL says how long it works."""

from tempfile import TemporaryDirectory

from bench.search_scale import BARS
from tests.bench.benchmark import run

# What each user, or all of 300 turns, has at least one of.
FOUND = {BARS[name][0] for name in ("page_of_turns", "rare_word", "common_word")}


async def test_each_list_and_search_is_timed() -> None:
    # Not under pytest's own folder: for root, PostgreSQL runs as another user, who could not enter that.
    with TemporaryDirectory(prefix="chatkeep-") as folder:
        options = ("--turns", "300", "--times", "2", "--data-dir", folder)
        code, said = await run(*options, module="bench.search_scale")
    for title, _ in BARS.values():
        shown = [line.split("│") for line in said.splitlines() if title in line]
        assert len(shown) == 1, said
        median, high, rows = (float(shown[0][column]) for column in (2, 3, 6))
        assert 0 < median <= high, said
        assert rows > 0 or title not in FOUND, said
    assert code == int("MISSED" in said), said
