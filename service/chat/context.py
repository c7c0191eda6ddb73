"""How much of a conversation a model is shown: the newest turns that fit, whole and without gaps."""

from collections.abc import Iterable
from dataclasses import dataclass

from service.chat.prompt import ChatPrompt

# What a chat template writes around each message: role, separators, end mark.
MESSAGE_TOKENS = 4


@dataclass(frozen=True, slots=True)
class EarlierTurn:
    """A turn that came before; `reply` is None or "" when nothing was answered, or only its beginning."""

    prompt: str
    reply: str | None


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
) -> ChatPrompt:
    """Return what the model is asked: the system prompt, the newest turns that fit, the new prompt.

    The system prompt and the new prompt are always there, even beyond the limit: the model's refusal says
    more than a conversation silently without its question. The first turn that does not fit ends the search,
    so nothing is missing in between.

    Args:
        turns_newest_first: read no further than needed.
        limit_tokens: for everything that is sent; room for the reply is the caller's to subtract.
    """
    left = limit_tokens - _cost(system_prompt) - _cost(prompt)
    turns = _newest_that_fit(turns_newest_first, left)
    return _conversation(system_prompt, reversed(turns), prompt)


def _newest_that_fit(turns_newest_first: Iterable[EarlierTurn], left: int) -> list[EarlierTurn]:
    fitting: list[EarlierTurn] = []
    for turn in turns_newest_first:
        left -= _cost(turn.prompt) + _cost(turn.reply)
        if left < 0:
            break
        fitting.append(turn)
    return fitting


def _conversation(system_prompt: str | None, turns: Iterable[EarlierTurn], prompt: str) -> ChatPrompt:
    conversation, unanswered = ChatPrompt(system_prompt), ""
    for turn in turns:
        asked = unanswered + turn.prompt
        if turn.reply:
            conversation.add_requester_msg(asked)
            conversation.add_responder_msg(turn.reply)
        # Many models' templates refuse two messages of one side in a row.
        unanswered = "" if turn.reply else f"{asked}\n\n"
    conversation.add_requester_msg(unanswered + prompt)
    return conversation


def _cost(text: str | None) -> int:
    return MESSAGE_TOKENS + estimate_tokens(text) if text else 0
