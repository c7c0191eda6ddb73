"""A tree of messages, as other programs have it, made a tree of turns.

A turn is a message of the user and what was said to it. Each other answer to the same message is a turn of its own,
beside the first. Where the user says two things in a row, the first is a turn that nobody answered; where the other
side begins, its turn has an empty prompt. Several answers one after the other (before and after a tool was used) are
one reply, and so are thoughts, calls of tools and their results. A message that has no place in a turn is kept aside,
with the number of the turn that it belongs to.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from chatkeep.transfer.formats.parts import Part, put_together
from chatkeep.transfer.imported import ImportedTurn, Unreadable


@dataclass(slots=True)
class Message:
    """One message.

    Args:
        role: what it is in a turn; None for what has no place there.
        raw: what has no place in a turn: of a message without a place all that the file says.
        reply: what it says of its turn beside the text: fields of `ImportedTurn`.
        parts: what it says, where that is more than its text: texts and items in order. A prompt's text comes after its
            items.
    """

    id: str
    parent: str | None
    role: Literal["user", "assistant"] | None
    text: str = ""
    time: datetime | None = None
    ended: datetime | None = None
    raw: Mapping[str, Any] | None = None
    reply: Mapping[str, Any] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()

    def said(self) -> tuple[Part, ...]:
        return self.parts or (self.text,)


@dataclass(slots=True)
class _Growing:
    """A turn as far as it goes at some message."""

    before: "_Growing | None" = None
    prompt: Message | None = None
    reply: Message | None = None
    # Without this reply: a list in each would grow with the square of an answer's messages.
    shorter: "_Growing | None" = None
    # With one reply more, which takes its place unless something else goes on from here.
    longer: "_Growing | None" = None
    goes_on: bool = False
    place: int | None = None

    def is_empty(self) -> bool:
        return self.prompt is None and self.reply is None

    def replies(self) -> list[Message]:
        found: list[Message] = []
        state: _Growing | None = self
        while state is not None and state.reply is not None:
            found.append(state.reply)
            state = state.shorter
        return found[::-1]

    def is_a_turn(self) -> bool:
        return not self.is_empty() and (self.goes_on or self.longer is None)

    def standing(self) -> int | None:
        """Return the place of this turn, or of the one that took its place."""
        state: _Growing | None = self
        while state is not None and state.place is None:
            state = state.longer
        return None if state is None else state.place


@dataclass(frozen=True, slots=True)
class Tree:
    """Turns, each after the one before it on its path, and the messages that were kept aside."""

    turns: list[ImportedTurn]
    head: int | None
    aside: list[dict[str, Any]]


def turns_of(messages: Mapping[str, Message], current: str | None) -> Tree:
    """Return the turns of a tree of messages.

    Args:
        messages: by id, siblings in order; one whose parent is not among them is a root.
        current: the message that the active path ends with.

    Raises:
        Unreadable: messages are each other's parents.
    """
    states: dict[str, _Growing] = {}
    made: list[_Growing] = []
    for message in _from_the_roots(messages):
        above = None if message.parent is None else states.get(message.parent)
        states[message.id] = _after(message, above or _Growing(), made)
    turns = _placed([each for each in made if each.is_a_turn()])
    aside = [{"turn": states[each.id].standing(), "message": dict(each.raw)} for each in messages.values() if each.raw]
    aside += [said for state in made if state.is_a_turn() for said in _told_by_one_reply(state)]
    return Tree(turns, states[current].standing() if current in states else None, aside)


def _from_the_roots(messages: Mapping[str, Message]) -> Iterator[Message]:
    children: dict[str | None, list[Message]] = {}
    for message in messages.values():
        children.setdefault(message.parent if message.parent in messages else None, []).append(message)
    waiting, seen = children.get(None, [])[::-1], 0
    while waiting:
        message = waiting.pop()
        waiting += children.get(message.id, [])[::-1]
        seen += 1
        yield message
    if seen < len(messages):
        raise Unreadable("Some of its messages are each other's parents.")


def _after(message: Message, above: _Growing, made: list[_Growing]) -> _Growing:
    """Return the turn as it is with this message."""
    if message.role is None:
        return above
    if message.role == "user":
        state = _Growing(None if above.is_empty() else above, message)
        above.goes_on = True
    else:
        state = _Growing(above.before, above.prompt, message, above)
        above.longer = above.longer or state
    made.append(state)
    return state


def _placed(kept: list[_Growing]) -> list[ImportedTurn]:
    prompts_seen: set[int] = set()
    turns = []
    for place, state in enumerate(kept):
        state.place = place
        turns.append(_turn(state, again=id(state.prompt) in prompts_seen))
        if state.prompt is not None:
            prompts_seen.add(id(state.prompt))
    return turns


def _told_by_one_reply(state: _Growing) -> Iterator[dict[str, Any]]:
    """Yield the facts about a turn that its replies tell and it does not: each reply adds to those before it."""
    told: dict[str, Any] = {"status": "complete"}
    replies = state.replies()
    for reply in replies:
        told |= reply.reply
    for reply in replies:
        if rest := {name: value for name, value in reply.reply.items() if value not in (None, "complete", told[name])}:
            yield {"turn": state.place, "message": {"id": reply.id, **rest}}


def _turn(state: _Growing, *, again: bool) -> ImportedTurn:
    said: dict[str, Any] = {}
    replies = state.replies()
    ids = [each.id for each in (state.prompt, *replies) if each is not None]
    for reply in replies:
        said |= reply.reply
    prompt, prompt_items = put_together(() if state.prompt is None else state.prompt.said())
    text, items = put_together(part for reply in replies for part in reply.said())
    if not replies:
        # Nobody answered. Whoever stops an answer that has begun says so.
        said["status"] = "stopped"
    first = replies[-1] if replies and (again or state.prompt is None) else state.prompt
    last = replies[-1] if replies else None
    return ImportedTurn(
        parent=None if state.before is None else state.before.place,
        prompt=prompt,
        prompt_items=prompt_items,
        reply=text if replies else None,
        reply_items=items,
        source_id=ids[-1],
        earlier_ids=tuple(ids[:-1]),
        # Another answer began when it was asked for, not when the question was.
        created_at=None if first is None else first.time,
        completed_at=None if last is None else last.ended or last.time,
        **said,
    )
