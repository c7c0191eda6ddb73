"""The command, and what it takes."""

from typing import Annotated

import typer

from chatkeep.cli.terminal.options import DatabaseUrl, DataDir, examples

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "chatkeep doctor",
        "chatkeep doctor --settings",
        "also shows settings that have their default",
        "chatkeep doctor --host 0.0.0.0",
        "checks what would keep people out at that address",
        "chatkeep doctor --model-url http://127.0.0.1:11434/v1 --model llama3.2",
        "asks that model for one token",
        "chatkeep doctor --json | jq '.findings[] | select(.level == \"problem\")'",
    )
)
def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a report.")] = False,
    all_settings: Annotated[
        bool, typer.Option("--settings", help="Also show settings that have their default.")
    ] = False,
    host: Annotated[
        str | None,
        typer.Option(help="Check this address to listen on, as for serve. Default: 127.0.0.1.", show_default=False),
    ] = None,
    port: Annotated[
        int | None, typer.Option(help="Check this port, as for serve. Default: 8000.", show_default=False)
    ] = None,
    model_url: Annotated[
        str | None,
        typer.Option(help="Ask the model server at this address, as for serve.", show_default=False),
    ] = None,
    model: Annotated[str | None, typer.Option(help="Ask it for this model, as for serve.", show_default=False)] = None,
    database_url: DatabaseUrl = None,
    data_dir: DataDir = None,
) -> None:
    """Check what is configured, reachable and unsafe, and say what to do about it: ✓ good, · to know, ! worth a change,
    ✗ a problem. Reads the same settings as `chatkeep serve`, changes nothing, and shows only the length of a secret.
    Exits with 1 if there is a problem.
    """
    # Loads most of the service, for which help and completion need not wait.
    from chatkeep.cli.doctor.report import print_json, print_report, run_checks  # noqa: PLC0415

    findings, settings = run_checks(
        database_url=database_url, data_dir=data_dir, host=host, port=port, model_url=model_url, model=model
    )
    if as_json:
        print_json(findings, settings)
    else:
        print_report(findings, settings, all_settings=all_settings)
    if not findings.healthy:
        raise typer.Exit(1)
