"""Each case of the database runs, and measures what it says."""

from bench.bulk_data import fill
from bench.contenders.langchain import is_installed
from tests.bench.benchmark import MESSAGES, measured, run

SIDES = ["chatkeep", "plain, two commits", "plain, one statement", "SQLAlchemy Core"]


async def test_turns_are_measured_beside_everybody_else(shared_database_url: str) -> None:
    written = await measured(shared_database_url, "turn")
    sides = {*SIDES, "langchain-postgres"} if is_installed() else {*SIDES}
    for case in ("a turn, one after the other", "a turn, 16 at once"):
        assert {side for each, side in written.costs if each == case} == sides
        for (each, _), cost in written.costs.items():
            if each == case:
                # Both messages, of 800 characters together, went into the log.
                assert cost["wal_bytes"] > 800
                assert cost["postgres_us"] > 0
        assert 0 <= written.costs[case, "chatkeep"]["hot_share"] <= 1
        assert 0 <= written.figures[f"{case}: turns updated by HOT"]["value"] <= 100
        assert 0 <= written.costs[case, "plain, two commits"]["hot_share"] <= 1
    assert {
        "a turn, 16 at once: time, beside plain two commits",
        "a turn, 16 at once: p99, beside the same",
        "a turn, 16 at once: time, beside SQLAlchemy Core",
    } <= written.barred()
    assert ("langchain-postgres is not installed" in written.said) != is_installed()


async def test_reads_and_long_conversations_are_measured(shared_database_url: str) -> None:
    written = await measured(shared_database_url, "turn-with-context", "last-turns", "conversations", "length", "flush")
    assert written.barred() == {
        "the last 50 turns, 16 at once: time, beside plain",
        "30 conversations, 16 at once: time, beside plain",
        f"a turn at {MESSAGES // 2:,} beside one at 10",
        "the flush of 20 replies",
    }
    assert written.costs["30 conversations, 16 at once", "chatkeep"]["postgres_us"] > 0


async def test_a_turn_takes_more_on_disk_than_its_text(shared_database_url: str) -> None:
    figure = (await measured(shared_database_url, "disk")).figures["kB on disk a turn of 1,280 characters"]
    assert figure["bar"]["goal"] == 3.2
    assert figure["ours"] == figure["value"] > 1.28
    assert figure["bare"] > 1.28


async def test_a_filled_database_is_used_again_and_no_other(shared_database_url: str) -> None:
    await fill(shared_database_url, MESSAGES)
    assert "Histories" not in (await measured(shared_database_url, "flush")).said
    other = ("--messages", str(MESSAGES * 2), "--database-url", shared_database_url, "--only", "flush")
    code, said = await run(*other)
    assert (code, "holds 2,000 messages" in said) == (2, True)
