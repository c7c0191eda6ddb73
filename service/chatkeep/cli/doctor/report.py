"""The report of a check-up: all its findings, printed for a person or as JSON."""

import json
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby

from rich.table import Table as Grid
from rich.text import Text

from chatkeep.cli.doctor.database import look_at_database
from chatkeep.cli.doctor.findings import Area, Finding, Findings, Level
from chatkeep.cli.doctor.load import look_at_load
from chatkeep.cli.doctor.model import look_at_model
from chatkeep.cli.doctor.safety import look_at_settings
from chatkeep.cli.doctor.settings_report import Setting, list_settings, look_for_misspelt
from chatkeep.cli.terminal.output import answer, answer_json, escape_terminal, results
from chatkeep.cli.terminal.tables import Column, Table
from chatkeep.config import Settings

MARKS = {
    Level.OK: ("✓", "green"),
    Level.NOTE: ("·", "cyan"),
    Level.WARNING: ("!", "yellow"),
    Level.PROBLEM: ("✗", "bold red"),
}
# For terminals that know no others.
ASCII_MARKS = {Level.OK: "+", Level.NOTE: "-", Level.WARNING: "!", Level.PROBLEM: "x"}


def print_json(findings: Findings, settings: Sequence[Setting]) -> None:
    found = {
        "healthy": findings.healthy,
        "settings": [asdict(each) for each in settings],
        "findings": [asdict(each) for each in findings],
    }
    answer_json(json.dumps(found, ensure_ascii=False, indent=2))


def run_checks(**options: object) -> tuple[Findings, list[Setting]]:
    """Check one thing after the other: a failure is a finding and stops nothing else.

    Returns:
        The findings, and the settings where they can be read.

    Args:
        options: settings that the command line gives, by name; None is not given.
    """
    findings = Findings()
    shown: list[Setting] = []
    with findings.noting_failure(Area.SETTINGS):
        settings = Settings.read(**options)
        shown = list_settings(settings, [name for name, value in options.items() if value is not None])
        look_for_misspelt(findings)
        look_at_settings(settings, findings)
        look_at_database(settings, findings)
        look_at_model(settings, findings)
        look_at_load(settings, findings)
    return findings, shown


def print_report(findings: Findings, settings: Sequence[Setting], *, all_settings: bool) -> None:
    _print_settings(settings, all_settings=all_settings)
    areas = list(Area)
    ordered = sorted(findings, key=lambda finding: areas.index(finding.area))
    for area, of_area in groupby(ordered, key=lambda finding: finding.area):
        _print_area(area, list(of_area))
    _print_verdict(findings)


def _print_settings(settings: Sequence[Setting], *, all_settings: bool) -> None:
    shown = [each for each in settings if all_settings or each.source != "default"]
    table = Table(
        [Column("SETTING", widest=40, style="bold"), Column("VALUE", widest=None), Column("FROM", leave_out=1)]
    )
    table.write([[each.name, each.value, each.source] for each in shown])
    if left_out := len(settings) - len(shown):
        answer(f"{left_out} settings have their default; --settings shows them too.")


def _print_area(area: Area, findings: Sequence[Finding]) -> None:
    results.print()
    results.print(Text(area, style="bold"))
    if not results.is_terminal:
        for finding in findings:
            results.print(Text(" ").join([_mark(finding), _told(finding, indent="    ")]), soft_wrap=True)
        return
    grid = Grid.grid(padding=(0, 1))
    for finding in findings:
        grid.add_row(_mark(finding), _told(finding, indent=""))
    results.print(grid)


def _mark(finding: Finding) -> Text:
    mark, style = MARKS[finding.level]
    return Text(ASCII_MARKS[finding.level] if results.options.ascii_only else mark, style=style)


def _told(finding: Finding, *, indent: str) -> Text:
    told = Text(f"\n{indent}").join(Text(escape_terminal(line)) for line in finding.what.splitlines())
    if finding.advice:
        told.append(f"\n{indent}{escape_terminal(finding.advice)}", style="dim")
    return told


def _print_verdict(findings: Findings) -> None:
    problems, warnings = (
        sum(finding.level is level for finding in findings) for level in (Level.PROBLEM, Level.WARNING)
    )
    results.print()
    if problems:
        answer(f"{_count(problems, 'problem')} and {_count(warnings, 'warning')}.")
    else:
        answer(f"No problem, {_count(warnings, 'warning')}.")


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
