"""The answers that clients got, read back from their log."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.crash.acknowledgements import Entry


@dataclass
class TurnTold:
    """One turn, as far as its client was told. Times are on the monotonic clock.

    Attributes:
        lives: of replicas, each a life between two endings, that were asked for it.
        kept_at: when it was acknowledged; None: never.
        received: when how many characters of the reply had been read.
        doubted: a try was answered 503, so that nobody knows whether it began.
    """

    key: str
    prompt: str
    conversation: str
    turn: str = ""
    lives: set[tuple[str, int]] = field(default_factory=set)
    kept_at: float | None = None
    received: list[tuple[float, int]] = field(default_factory=list)
    status: str = ""
    characters: int = 0
    doubted: bool = False
    stop_asked: bool = False

    @property
    def seen(self) -> int:
        return self.received[-1][1] if self.received else 0

    def first_seen_beyond(self, characters: int) -> float | None:
        """When the first character was read that comes after so many."""
        return next((at for at, read in self.received if read > characters), None)


@dataclass(frozen=True, slots=True, order=True)
class Kill:
    """When a life of a replica was ended, and how long one commit took then."""

    when: float
    commit_seconds: float


@dataclass
class Told:
    """Everything that was told.

    Attributes:
        killed: when a life of a replica was ended by force, or when it was put to sleep.
        told_to_stop: when a life of a replica was asked to end.
        acknowledged: how many things in all.
        sessions: cookies that sign somebody in, and whom; None where the session was ended.
        begun: conversations.
        titles: of conversations.
        passwords: of each user, the number of the password that holds.
        gone: conversations, and users by name, that were deleted.
    """

    turns: dict[str, TurnTold] = field(default_factory=dict)
    killed: dict[tuple[str, int], Kill] = field(default_factory=dict)
    told_to_stop: dict[tuple[str, int], float] = field(default_factory=dict)
    acknowledged: int = 0
    put_off: int = 0
    sessions: dict[str, str | None] = field(default_factory=dict)
    tokens: dict[str, str | None] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    titles: dict[str, str] = field(default_factory=dict)
    passwords: dict[str, int] = field(default_factory=dict)
    gone_conversations: set[str] = field(default_factory=set)
    gone_users: set[str] = field(default_factory=set)

    def kills_of(self, turn: TurnTold) -> list[Kill]:
        """When processes were killed that may have generated the turn."""
        return sorted(self.killed[life] for life in turn.lives & self.killed.keys())

    def was_told_to_stop(self, turn: TurnTold) -> bool:
        """Whether a process that may have generated the turn was asked to end."""
        return bool(turn.lives & self.told_to_stop.keys())


def told(entries: Iterable[Entry]) -> Told:
    """Read a log."""
    found = Told()
    for entry in entries:
        _KINDS[entry["kind"]](found, entry)
    return found


def _asked(found: Told, entry: Entry) -> None:
    found.turns[entry["key"]] = TurnTold(entry["key"], entry["prompt"], entry["conversation"])


def _tried(found: Told, entry: Entry) -> None:
    found.turns[entry["key"]].lives.add((entry["replica"], entry["life"]))


def _kept(found: Told, entry: Entry) -> None:
    turn = found.turns[entry["key"]]
    turn.turn, turn.kept_at = entry["turn"], entry["at"]
    found.acknowledged += 1


def _received(found: Told, entry: Entry) -> None:
    found.turns[entry["key"]].received.append((entry["at"], entry["characters"]))


def _done(found: Told, entry: Entry) -> None:
    turn = found.turns[entry["key"]]
    turn.status, turn.characters = entry["status"], entry["characters"]
    found.acknowledged += 1


def _doubted(found: Told, entry: Entry) -> None:
    turn = found.turns[entry["key"]]
    turn.doubted = turn.doubted or turn.kept_at is None


def _put_off(found: Told, entry: Entry) -> None:
    found.put_off += 1


def _stop_asked(found: Told, entry: Entry) -> None:
    found.turns[entry["key"]].stop_asked = True


def _killed(found: Told, entry: Entry) -> None:
    found.killed[entry["replica"], entry["life"]] = Kill(entry["when"], entry["pace"])


def _told_to_stop(found: Told, entry: Entry) -> None:
    found.told_to_stop[entry["replica"], entry["life"]] = entry["when"]


def _signed_in(found: Told, entry: Entry) -> None:
    found.sessions[entry["cookie"]] = entry["username"]
    found.acknowledged += 1


def _signed_out(found: Told, entry: Entry) -> None:
    found.sessions[entry["cookie"]] = None
    found.acknowledged += 1


def _token_made(found: Told, entry: Entry) -> None:
    found.tokens[entry["token"]] = entry["username"]
    found.acknowledged += 1


def _token_ended(found: Told, entry: Entry) -> None:
    found.tokens[entry["token"]] = None
    found.acknowledged += 1


def _conversation_begun(found: Told, entry: Entry) -> None:
    found.begun.add(entry["conversation"])
    found.acknowledged += 1


def _renamed(found: Told, entry: Entry) -> None:
    found.titles[entry["conversation"]] = entry["title"]
    found.acknowledged += 1


def _password_changed(found: Told, entry: Entry) -> None:
    found.passwords[entry["username"]] = entry["number"]
    found.acknowledged += 1


def _conversation_deleted(found: Told, entry: Entry) -> None:
    found.gone_conversations.add(entry["conversation"])
    found.acknowledged += 1


def _user_deleted(found: Told, entry: Entry) -> None:
    found.gone_users.add(entry["username"])
    found.acknowledged += 1


_KINDS = {
    "asked": _asked,
    "tried": _tried,
    "kept": _kept,
    "received": _received,
    "done": _done,
    "doubted": _doubted,
    "put_off": _put_off,
    "stop_asked": _stop_asked,
    "killed": _killed,
    "told_to_stop": _told_to_stop,
    "signed_in": _signed_in,
    "signed_out": _signed_out,
    "token_made": _token_made,
    "token_ended": _token_ended,
    "conversation_begun": _conversation_begun,
    "renamed": _renamed,
    "password_changed": _password_changed,
    "conversation_deleted": _conversation_deleted,
    "user_deleted": _user_deleted,
}
