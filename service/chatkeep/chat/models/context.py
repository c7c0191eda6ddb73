"""How much of a conversation a model is shown: the newest turns that fit, whole and without gaps."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from chatkeep.chat.items import AnyItem, file_tokens, is_file, is_output, text_item
from chatkeep.chat.messages import ChatContent, outputs_among, rounds_of, sent_text
from chatkeep.chat.models.prompt import ChatPrompt

# The tokens that a chat template writes around each message: role, separators, end mark.
MESSAGE_TOKENS = 4


# The request to go on with a reply that was cut: servers differ in what they make of a
# conversation that ends with the model's own message.
GO_ON = "Go on exactly where your last message ended. Repeat nothing of it."


@dataclass(frozen=True, slots=True)
class EarlierTurn:
    """A turn that came before; `reply` is None or "" when nothing was answered, or only its beginning.

    Args:
        continues: it has no prompt: its reply goes on where that of the turn before ended.
    """

    prompt: str
    reply: str | None
    prompt_items: Sequence[AnyItem] | None = None
    reply_items: Sequence[AnyItem] | None = None
    continues: bool = False


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` costs, rather too many than too few.

    A third of a token an ASCII character, 1.5 a Japanese one, 0.9 a Cyrillic one, 2.1 an emoji; at least 1
    for any text but "". Every tokenizer differs and few are installed, so this is counted from sizes that
    SQL knows too: `(7 * octet_length(text) - 3 * char_length(text) + 11) / 12`.
    """
    characters = len(text)
    octets = len(text.encode("utf-8", "surrogatepass"))
    return (7 * octets - 3 * characters + 11) // 12


def fit_context(
    system_prompt: str | None,
    turns_newest_first: Iterable[EarlierTurn],
    prompt: str,
    limit_tokens: int,
    *,
    items: Sequence[AnyItem] | None = None,
    continues: bool = False,
) -> ChatPrompt:
    """Return the request to the model: the system prompt, the newest turns that fit, the new prompt.

    The system prompt and the new prompt are always there, even beyond the limit: the model's refusal says
    more than a conversation silently without its question. So is the turn that the new prompt cannot be without: the
    one that it continues, or whose calls it has the outputs of. The first turn that does not fit ends the search, so
    nothing is missing in between.

    Args:
        turns_newest_first: read no further than needed.
        limit_tokens: for everything that is sent; room for the reply is the caller's to subtract.
        items: what the new prompt is made of beside its text.
        continues: there is no new prompt: the model is to go on with the newest reply.
    """
    new = EarlierTurn(GO_ON if continues else prompt, None, items)
    left = limit_tokens - tokens_of_text(system_prompt) - tokens_of_turn(new)
    turns = _newest_that_fit(turns_newest_first, left, needed=int(continues or outputs_among(items)))
    turns.reverse()
    conversation = conversation_of(system_prompt, turns, new)
    conversation.earlier_turns = len(turns)
    return conversation


def _newest_that_fit(turns_newest_first: Iterable[EarlierTurn], left: int, *, needed: int) -> list[EarlierTurn]:
    fitting: list[EarlierTurn] = []
    for turn in turns_newest_first:
        left -= tokens_of_turn(turn)
        if left < 0 and len(fitting) >= needed:
            break
        fitting.append(turn)
    while len(fitting) > needed and _has_no_beginning(fitting[-1]):
        fitting.pop()
    return fitting


def _has_no_beginning(turn: EarlierTurn) -> bool:
    """Tell whether a turn says nothing without the one before it, which did not fit."""
    return turn.continues or (not turn.prompt and outputs_among(turn.prompt_items))


def conversation_of(system_prompt: str | None, turns: Sequence[EarlierTurn], new: EarlierTurn) -> ChatPrompt:
    """Return turns, oldest first, and the prompt of a new one as a conversation.

    Many models' templates refuse two messages of one side in a row. So a prompt that nobody answered goes before the
    next one, its items too, and a reply that was gone on with is one with what it went on to.
    """
    conversation, unanswered = ChatPrompt(system_prompt), ""
    unanswered_items: Sequence[AnyItem] | None = None
    answer: ChatContent | None = None
    for turn, below in pairwise([*turns, new]):
        asked = turn.prompt if not unanswered else f"{unanswered}\n\n{turn.prompt}" if turn.prompt else unanswered
        asked_items = _with_earlier(unanswered, unanswered_items, turn)
        said = _answer_of(turn, below)
        if turn.continues and answer is not None and not unanswered and not unanswered_items:
            answer = joined(answer, said) if said else answer
            continue
        _add(conversation, answer)
        answer = said
        unanswered, unanswered_items = ("", None) if said else (asked, asked_items)
        if said and (asked or asked_items):
            conversation.add_requester_msg(asked, items=asked_items)
    if new.prompt == GO_ON and answer is None:
        # Nothing was answered yet: what was asked is asked again.
        new = replace(new, prompt="")
    _add(conversation, answer)
    both = "\n\n".join(text for text in (unanswered, new.prompt) if text) if unanswered else new.prompt
    conversation.add_requester_msg(both, items=_with_earlier(unanswered, unanswered_items, new))
    conversation.new_items = new.prompt_items or ()
    return conversation


def _with_earlier(unanswered: str, earlier: Sequence[AnyItem] | None, turn: EarlierTurn) -> Sequence[AnyItem] | None:
    """Return the items of a prompt after those that nobody answered, to stand for both texts one after the other.

    An output that is given again counts once, as it is now.
    """
    if earlier is None and (not unanswered or turn.prompt_items is None):
        return turn.prompt_items
    again = {item["call_id"] for item in turn.prompt_items or () if is_output(item)}
    before = _items_or_text(unanswered, earlier)
    by = len(unanswered) + len("\n\n") if unanswered and turn.prompt else 0
    after = [_moved(item, by) for item in _items_or_text(turn.prompt, turn.prompt_items)]
    return [*(item for item in before if not (is_output(item) and item["call_id"] in again)), *after]


def _items_or_text(text: str, items: Sequence[AnyItem] | None) -> Sequence[AnyItem]:
    return items if items is not None else [text_item(0, len(text))] if text else []


def _add(conversation: ChatPrompt, answer: ChatContent | None) -> None:
    if answer is not None:
        conversation.add_responder_msg(answer.message, items=answer.items)


def _answer_of(turn: EarlierTurn, below: EarlierTurn) -> ChatContent | None:
    """Return the part of a turn's reply that can be shown; None where there is none."""
    if turn.reply_items is None:
        return ChatContent("responder", turn.reply) if turn.reply else None
    if not rounds_of(turn.reply or "", turn.reply_items, below.prompt_items):
        return None
    return ChatContent("responder", turn.reply or "", items=turn.reply_items)


def joined(first: ChatContent, second: ChatContent) -> ChatContent:
    """Return two replies as the one that they are."""
    message = (first.message or "") + (second.message or "")
    if first.items is None and second.items is None:
        return replace(first, message=message)
    start = len(first.message or "")
    moved = [_moved(item, start) for item in _items_of(second)]
    return replace(first, message=message, items=[*_items_of(first), *moved])


def _items_of(content: ChatContent) -> Sequence[AnyItem]:
    return content.items if content.items is not None else [text_item(0, len(content.message or ""))]


def _moved(item: AnyItem, by: int) -> AnyItem:
    match item:
        case {"type": "message", "start": int(start), "end": int(end)}:
            return {**item, "start": start + by, "end": end + by}
    return item


def tokens_of_turn(turn: EarlierTurn) -> int:
    """Return about how many tokens a turn takes of the context."""
    return (
        tokens_of_text(turn.prompt)
        + tokens_of_text(turn.reply)
        + _items_cost(turn.prompt_items)
        + _items_cost(turn.reply_items)
    )


def _items_cost(items: Sequence[AnyItem] | None) -> int:
    return sum(MESSAGE_TOKENS + _item_cost(item) for item in items or ())


def _item_cost(item: AnyItem) -> int:
    return file_tokens(item) if is_file(item) else estimate_tokens(sent_text(item))


def tokens_of_text(text: str | None) -> int:
    """Return about how many tokens a message of nothing but a text takes; 0 where there is none."""
    return MESSAGE_TOKENS + estimate_tokens(text) if text else 0
