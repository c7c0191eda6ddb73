"""The command, and what it takes."""

from typing import Annotated

import typer

from service.cli.options import DatabaseUrl, DataDir, examples

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "chatkeep doctor",
        "chatkeep doctor --settings",
        "also the settings that nobody has set",
        "chatkeep doctor --json | jq '.findings[] | select(.level == \"problem\")'",
    )
)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a report.")] = False,
    all_settings: Annotated[bool, typer.Option("--settings", help="Show also the settings that nobody set.")] = False,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Tell what is configured, what can be reached and what is unsafe, and what to do about it: ✓ good, · to know,
    ! worth a change, ✗ a problem. Reads the same settings as `chatkeep serve`, changes nothing, and shows of a secret
    only how long it is. Exits with 1 where there is a problem.
    """
    # Loads most of the service, for which help and completion need not wait.
    from service.cli.doctor.examination import examined  # noqa: PLC0415
    from service.cli.doctor.report import print_json, print_report  # noqa: PLC0415

    findings, settings = examined(database_url, data_dir)
    if as_json:
        print_json(findings, settings)
    else:
        print_report(findings, settings, all_settings=all_settings)
    if not findings.healthy:
        raise typer.Exit(1)
