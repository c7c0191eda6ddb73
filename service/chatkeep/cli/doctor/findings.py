"""Findings of the doctor: one sentence each, how bad it is, and what to do about it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from chatkeep.errors import ChatkeepError


class Level(StrEnum):
    """How bad it is. A problem keeps the service from starting, from answering, or from keeping its promises."""

    OK = "ok"
    NOTE = "note"
    WARNING = "warning"
    PROBLEM = "problem"


class Area(StrEnum):
    SETTINGS = "Settings"
    SECRETS = "Secrets"
    NETWORK = "Network"
    DATABASE = "Database"
    MODEL = "Model"
    ACCOUNTS = "Accounts"


@dataclass(frozen=True, slots=True)
class Finding:
    """Args:
    what: one sentence.
    advice: what to do about it; empty where there is nothing to do.
    """

    level: Level
    area: Area
    what: str
    advice: str = ""


class Findings(list[Finding]):
    """A list that findings are added to in a word."""

    def ok(self, area: Area, what: str) -> None:
        self.append(Finding(Level.OK, area, what))

    def note(self, area: Area, what: str, advice: str = "") -> None:
        self.append(Finding(Level.NOTE, area, what, advice))

    def warn(self, area: Area, what: str, advice: str) -> None:
        self.append(Finding(Level.WARNING, area, what, advice))

    def problem(self, area: Area, what: str, advice: str = "") -> None:
        self.append(Finding(Level.PROBLEM, area, what, advice))

    @contextmanager
    def noting_failure(self, area: Area) -> Iterator[None]:
        """Turn what the block raises for a person into a problem, and go on."""
        try:
            yield
        except ChatkeepError as error:
            self.problem(area, error.detail)

    @property
    def healthy(self) -> bool:
        return not any(finding.level is Level.PROBLEM for finding in self)
