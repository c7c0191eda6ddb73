"""`chatkeep`: the one command for operators of the service."""

import sys
from importlib import import_module
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from chatkeep import __version__
from chatkeep.cli.module_load import loading
from chatkeep.cli.terminal.options import examples
from chatkeep.cli.terminal.output import leave_quietly, let_nothing_fail_to_print, open_what_is_closed, print_error
from chatkeep.errors import ChatkeepError

# Each command: where it is, and what the list of commands says of it.
COMMANDS = {
    "serve": ("chatkeep.cli.commands.serve:serve", "Run the service."),
    "doctor": (
        "chatkeep.cli.doctor:app",
        "Check what is configured, reachable and unsafe, and say what to do about it.",
    ),
    "user": (
        "chatkeep.cli.commands.users:app",
        "Create, invite, list, disable, promote and delete users; set passwords.",
    ),
    "token": (
        "chatkeep.cli.commands.tokens:app",
        "Create, list and revoke access tokens; choose what each may do.",
    ),
    "history": ("chatkeep.cli.commands.history:app", "Show turns, newest first."),
    "stats": ("chatkeep.cli.commands.stats:app", "Show usage, failures and response times."),
    "retention": (
        "chatkeep.cli.commands.retention:app",
        "Delete conversations that the retention policy no longer keeps.",
    ),
    "audit": ("chatkeep.cli.commands.audit:app", "Show, check and export the audit trail: who did or read what."),
    "import": ("chatkeep.cli.commands.transfer:importing", "Add the conversations of a file to a user's history."),
    "export": ("chatkeep.cli.commands.transfer:exporting", "Print a user's whole history, one conversation a line."),
    "db": ("chatkeep.cli.commands.db:app", "Bring the database to this version, or show its state."),
    "backup": ("chatkeep.cli.commands.backup:backup_app", "Write everything in the database into one file."),
    "restore": ("chatkeep.cli.commands.backup:restore_app", "Replace the database with a backup."),
    "search": ("chatkeep.cli.commands.search:app", "Maintain the search index."),
    "demo-data": (
        "chatkeep.cli.commands.demo_data:app",
        "Fill your list in a running service with sample conversations.",
    ),
}


HELP_OPTIONS = ["-h", "--help"]


class CommandsOnDemand(TyperGroup):
    """Loads a command when it is run: the whole service is not imported to print a list of its commands."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        for name, (_, summary) in COMMANDS.items():
            self.add_command(TyperCommand(name, help=summary))

    def get_params(self, ctx: Any) -> list[Any]:
        """Return the options, those too that Typer adds later."""
        return _without_type_of_flags(super().get_params(ctx))

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, command, rest = super().resolve_command(ctx, args)
        return name, load_command(name) if name and command else command, rest


def load_command(name: str) -> Any:
    """Return the command or group of that name."""
    module, _, attribute = COMMANDS[name][0].partition(":")
    with loading():
        found = getattr(import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        found = _app_of(found)
    command = typer.main.get_command(found)
    command.name = name
    leave_flags_without_type(command)
    return command


def leave_flags_without_type(command: Any) -> None:
    """Have the help of a command, and of those below it, show no type for options that take no value."""
    context = typer.Context(command, help_option_names=HELP_OPTIONS)
    _without_type_of_flags(command.get_params(context))
    for each in getattr(command, "commands", {}).values():
        leave_flags_without_type(each)


def _without_type_of_flags(options: list[Any]) -> list[Any]:
    for option in options:
        if getattr(option, "is_flag", False) and option.metavar is None:
            option.metavar = ""
    return options


def _app_of(function: Any) -> typer.Typer:
    alone = typer.Typer(add_completion=False, rich_markup_mode="rich")
    alone.command()(function)
    return alone


app = typer.Typer(
    name="chatkeep",
    cls=CommandsOnDemand,
    help="Chat histories that last: signs people in, streams a language model's answers, keeps every turn.",
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": HELP_OPTIONS},
    epilog=examples(
        "chatkeep serve --local --migrate",
        "everything on this machine, with a PostgreSQL of its own",
        "chatkeep demo-data",
        "in another terminal: sample conversations",
        "chatkeep history --from 1h",
        "the turns of the last hour",
        "chatkeep doctor",
        "when something is wrong",
    ),
)


def _version(asked: bool) -> None:
    if asked:
        sys.stdout.write(f"chatkeep {__version__}\n")
        raise typer.Exit


@app.callback()
def options(
    version: bool = typer.Option(False, "--version", callback=_version, is_eager=True, help="Print the version."),
) -> None:
    """Chat histories that last."""


def main() -> None:
    """Run the command; an error that somebody can do something about is one sentence, not a traceback."""
    open_what_is_closed()
    let_nothing_fail_to_print()
    try:
        try:
            app(prog_name="chatkeep")
        finally:
            sys.stdout.flush()
    except ChatkeepError as error:
        print_error(error.detail)
        sys.exit(1)
    except BrokenPipeError:
        leave_quietly()
    except OSError as error:  # a full disk, a file that is closed to this user
        print_error(f"{error.filename or 'The output cannot be written'}: {error.strerror or error}.")
        leave_quietly()
