"""The table that a run ends with."""

from rich.table import Table

from tests.soak.run import Outcome


def table(outcome: Outcome) -> Table:
    """Return the holdings of each process after warming up and at the end."""
    rounds = ", ".join(f"{name} {count}" for name, count in outcome.rounds.most_common())
    statuses = ", ".join(f"{count} x {status}" for status, count in sorted(outcome.statuses.items()))
    found = Table(
        title=f"{outcome.seconds:.0f} s of everything at once",
        caption=f"Memory is by its slope under load, the rest is at rest.\n{rounds}\n{statuses}",
    )
    for name in ("process", "measure", "after warming up", "at the end", "may grow by", "an hour", ""):
        found.add_column(name, justify="left" if name in ("process", "measure", "") else "right")
    for each in outcome.verdicts:
        found.add_row(
            each.process,
            each.measure,
            f"{each.first:.1f}",
            f"{each.last:.1f}",
            f"{each.bound:.1f}",
            "" if each.per_hour is None else f"{each.per_hour:+.1f}",
            "flat" if each.is_flat else "GROWS",
        )
    return found
