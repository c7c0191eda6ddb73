"""Faults that were found, each under the name of the promise that it breaks."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Promise = Literal[
    "prompts are kept",
    "one turn for a key",
    "replies are whole",
    "what was seen is kept",
    "nothing is left streaming",
    "a turn ends in one way",
    "what was acknowledged stays",
    "what was ended stays ended",
    "sessions outlive the process",
    "counters are right",
    "no connection is lost",
    "no table is rewritten",
    "only 503, and in time",
    "back in time",
    "stopped in time",
    "interrupted in time",
    "an orderly end",
    "something was tested",
]


@dataclass(frozen=True, slots=True)
class Finding:
    promise: Promise
    detail: str


@dataclass
class Findings:
    """Everything that was found so far."""

    all: list[Finding] = field(default_factory=list)

    def add(self, promise: Promise, detail: str) -> None:
        self.all.append(Finding(promise, detail))

    def require(self, holds: object, promise: Promise, detail: str) -> None:
        if not holds:
            self.add(promise, detail)

    def of(self, promise: Promise) -> list[Finding]:
        return [each for each in self.all if each.promise == promise]

    def counted(self) -> dict[Promise, int]:
        return dict(Counter(each.promise for each in self.all))

    def __len__(self) -> int:
        return len(self.all)
