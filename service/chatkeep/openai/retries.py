"""Requests that a client sends again by itself, because it did not hear how the first one went.

OpenAI's clients count their tries in a header and send no key. A retry joins the turn that the same request began a
little before; what somebody asks twice on purpose has no such count.
"""

import hashlib
import json
import re
from datetime import timedelta

from starlette.requests import Request

from chatkeep.accounts.identity import Identity
from chatkeep.chat.chat import Chat
from chatkeep.chat.generation.stream import TurnStream
from chatkeep.chat.history.lookups import require_turn
from chatkeep.errors import NotFound
from chatkeep.ids import earliest_id
from chatkeep.openai.queries import SENT_TURN
from chatkeep.openai.schemas import CreateCompletion

# Their clients wait ten minutes for an answer, and try twice again.
RETRIED_WITHIN = timedelta(minutes=30)
# How the answer is sent; and the messages, by whose digest the turn is found.
_LEFT_OUT = {"stream", "stream_options", "messages"}


def is_retry(request: Request) -> bool:
    count = request.headers.get("x-stainless-retry-count", "0")
    return re.fullmatch("[1-9][0-9]?", count) is not None


def sent_digest(body: CreateCompletion, instructions: str | None) -> str:
    """Return a digest that is the same for the same request, but for its messages."""
    asked = [instructions, body.model_dump(exclude=_LEFT_OUT)]
    return hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()


async def retried_turn(chat: Chat, caller: Identity, path_digest: bytes, sent: str) -> TurnStream | None:
    """Return the turn that the same request began; None where there is none, or its reply failed or was stopped."""
    since = earliest_id(chat.clock() - RETRIED_WITHIN)
    found = await chat.database.row(
        SENT_TURN, user_id=caller.user_id, path_digest=path_digest, since_id=since, sent=sent
    )
    if found is None:
        return None
    try:
        turn = await require_turn(chat.database, caller.user_id, found.conversation_id, found.turn_id)
    except NotFound:
        return None  # it was deleted in this moment
    return chat.follow(caller.user_id, turn)
