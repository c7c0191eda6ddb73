"""`chatkeep doctor`: what is configured, what is reachable, what is unsafe, and what to do about each."""

from chatkeep.cli.doctor.command import app

__all__ = ["app"]
