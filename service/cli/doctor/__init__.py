"""`chatkeep doctor`: what is configured, what is reachable, what is unsafe, and what to do about each."""

from service.cli.doctor.command import app

__all__ = ["app"]
