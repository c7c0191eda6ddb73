"""`chatkeep demo-data`: what the command takes; the work is in `demo_run`."""

from pathlib import Path
from typing import Annotated

import typer

from service.cli.demo_conversations import file_to_read, read_conversations
from service.cli.options import examples
from service.cli.output import say

app = typer.Typer(add_completion=False, rich_markup_mode="rich")


@app.command(
    epilog=examples(
        "chatkeep demo-data",
        "a dozen conversations, half of them in Japanese, for http://127.0.0.1:8000",
        "chatkeep demo-data --url https://chat.example.org --file questions.jsonl --users 4",
    )
)
def demo_data(
    url: Annotated[str, typer.Option(metavar="URL", help="Where the service is.")] = "http://127.0.0.1:8000",
    file: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            show_default=False,
            help='One conversation a line: {"id", "language", "category", "turns": [{"prompt", "reply"}]}. Default: '
            "conversations.jsonl in this folder, or the dozen that come along.",
        ),
    ] = None,
    users: Annotated[int, typer.Option(min=1, max=200, help="How many of them talk at a time.")] = 16,
) -> None:
    """Fill a running service with conversations over its public API, each by a user of its own, and wait for the
    replies. Then read every history back and compare it with what was sent, byte by byte. Users that an earlier run
    made are left alone, so that it may run any number of times.
    """
    # Loads the HTTP client, for which help and completion need not wait.
    from service.cli.demo_run import fill  # noqa: PLC0415

    chosen = file_to_read(file)
    conversations = read_conversations(chosen)
    say(f"{len(conversations)} conversations of {chosen}")
    if not fill(url, conversations, at_once=users):
        raise typer.Exit(1)
