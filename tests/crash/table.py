"""The results of all scenarios, as a table."""

from collections.abc import Sequence

from rich.table import Table

from tests.crash.checks import Measured
from tests.crash.scenario_run import Result


def table(results: Sequence[Result]) -> Table:
    shown = Table(title="Crashes", show_lines=True)
    for heading in (
        "scenario",
        "rounds",
        "acknowledged",
        "prompts",
        "whole",
        "cut",
        "broken promises",
        "s",
        "",
        "measured",
    ):
        shown.add_column(heading, justify="right" if heading in ("rounds", "acknowledged", "prompts", "s") else "left")
    for each in results:
        counts = (each.rounds, each.acknowledged, each.measured.prompts, each.measured.whole, each.measured.cut)
        shown.add_row(
            each.name, *map(str, counts), _broken(each), f"{each.seconds:.0f}", _verdict(each), _figures(each)
        )
    return shown


def _broken(result: Result) -> str:
    return "\n".join(f"{promise}: {count}" for promise, count in result.findings.counted().items()) or "none"


def _verdict(result: Result) -> str:
    if result.caught:
        return "[green]caught[/]" if result.passed else "[red]NOT CAUGHT[/]"
    return "[green]holds[/]" if result.passed else "[red]BROKEN[/]"


def _figures(result: Result) -> str:
    return "\n".join(f"{name}: {value}" for name, value in (_behind(result.measured) | dict(result.figures)).items())


def _behind(measured: Measured) -> dict[str, str]:
    if not measured.allowed_behind_seconds:
        return {}
    behind, allowed = measured.behind_seconds, measured.allowed_behind_seconds
    return {"behind what was seen": f"{behind * 1000:.0f} ms, of at most {allowed * 1000:.0f}"}
