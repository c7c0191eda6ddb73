"""The `chatkeep` command."""

from chatkeep.cli.main import main

__all__ = ["main"]
