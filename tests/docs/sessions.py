"""A session at a terminal as a document shows it: its commands, what they answered, and where that may differ.

Ids, times and cursors are new in each run: they have to be of the same kind, and the same one in the same places. `…`
stands for anything that was left out. Everything else has to be as it is shown.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

_UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}"
_TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z"
# In a stream, where it was cut into pieces varies, too.
_VARYING = re.compile(
    rf"(?P<uuid>{_UUID})|(?P<time>{_TIME})|(?P<event>(?<=\nid: )\d+)"
    r'|(?P<delta>(?<=data: )\{"text":"[^"]*"\})|(?P<rest>…)'
)


@dataclass(frozen=True)
class Exchange:
    """A command, and what is shown as its answer."""

    command: str
    answer: str


def exchanges(text: str) -> list[Exchange]:
    """Return the commands of a `console` block, each behind `$ `, with what is under it."""
    parts = re.split(r"^\$ ", text, flags=re.MULTILINE)
    assert not parts[0].strip(), "a console block begins with `$ ` and a command"
    found = (part.partition("\n") for part in parts[1:])
    return [Exchange(command, answer.strip()) for command, _, answer in found]


@dataclass(frozen=True)
class Part:
    """A piece of what is shown, and the pattern of what may come in its place."""

    shown: str
    pattern: str


@dataclass
class Learned:
    """The ids of this run, by those of the document."""

    ids: dict[str, str] = field(default_factory=dict)

    def command(self, exchange: Exchange) -> str:
        """Return the command with this run's ids."""
        return re.sub(_UUID, lambda found: self.ids[found[0]], exchange.command)

    def compare(self, exchange: Exchange, answer: str) -> None:
        """Hold the answer of this run against the one that is shown, and learn its ids."""
        groups: list[str] = []
        parts = list(self._parts(exchange.answer, groups))
        found = re.fullmatch("".join(part.pattern for part in parts), answer.strip(), re.DOTALL)
        assert found is not None, (
            f"$ {exchange.command}\n\nanswers otherwise than the document shows, from here on:\n\n"
            f"{_not_found(parts, answer.strip())}\n\n"
            "Put the document right, with … where something is left out. The answer was:\n\n" + answer
        )
        for index, shown in enumerate(groups, 1):
            self.ids[shown] = found[index]

    def _parts(self, shown: str, groups: list[str]) -> Iterator[Part]:
        end = 0
        for part in _VARYING.finditer(shown):
            yield Part(shown[end : part.start()], re.escape(shown[end : part.start()]))
            yield Part(part[0], self._of(part, groups))
            end = part.end()
        yield Part(shown[end:], re.escape(shown[end:]))

    def _of(self, part: "re.Match[str]", groups: list[str]) -> str:
        if part.lastgroup == "uuid":
            return self._of_id(part[0], groups)
        return {"time": _TIME, "event": r"\d+", "delta": r'\{"text":"[^"]*"\}', "rest": ".*?"}[str(part.lastgroup)]

    def _of_id(self, shown: str, groups: list[str]) -> str:
        if shown in self.ids:
            return self.ids[shown]
        if shown in groups:
            return rf"\{groups.index(shown) + 1}"
        groups.append(shown)
        return f"({_UUID})"


def _not_found(parts: list[Part], answer: str) -> str:
    """Return the rest of the shown text, from the first part on that the answer does not have."""
    patterns = [part.pattern for part in parts]
    fit = max(count for count in range(len(parts) + 1) if re.match("".join(patterns[:count]), answer, re.DOTALL))
    return "".join(part.shown for part in parts[fit:])[:300]
