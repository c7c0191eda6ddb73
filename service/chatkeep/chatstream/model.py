"""ChatStream's generator as one of this service's language models."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any

import structlog
from starlette.requests import Request

from chatkeep.chat.models import ModelError, Said, Text
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.chatstream.protocol import END_MARK
from chatkeep.chatstream.queue_slot import DISCONNECTED, FAILED, SUCCESS, Slot
from chatkeep.chatstream.text_diff import DeltaExtractor

log = structlog.get_logger(__name__)

NOT_HERE = "Replies of this service come from ChatStream's model, through /chat_stream."
FAILURE = "ChatStream's model failed."


class RepliesFromChatStream:
    """The model of a service beside ChatStream: it names ChatStream's, which only `/chat_stream` can ask.

    Args:
        name: what turns are marked with, such as the model's repository.
    """

    def __init__(self, name: str = "chatstream") -> None:
        self.default_name = name

    async def stream(
        self,
        prompt: ChatPrompt,  # noqa: ARG002  it is the protocol's
        *,
        model: str | None,  # noqa: ARG002
        params: Mapping[str, object],  # noqa: ARG002
    ) -> AsyncGenerator[Said, None]:
        raise ModelError(NOT_HERE)
        yield Text("")  # what makes this a generator

    async def close(self) -> None:
        return


class ChatStreamReply:
    """The model of one turn: ChatStream's `generate`, within the place that ChatStream gave the request.

    Args:
        handler: the request handler, as ChatStream has equipped it.
    """

    default_name = None

    def __init__(self, handler: Any, request: Request, slot: Slot) -> None:
        self._handler = handler
        self._request = request
        self._slot = slot
        self._ended_as = SUCCESS
        # The turn's id, once there is one.
        self.message_id: str | None = None

    async def stream(
        self,
        prompt: ChatPrompt,
        *,
        model: str | None,  # noqa: ARG002  ChatStream has one
        params: Mapping[str, object],
    ) -> AsyncGenerator[Said, None]:
        self._slot.in_use, self._ended_as = True, FAILED
        try:
            async with aclosing(self._additions(prompt, params)) as additions:
                async for added in additions:
                    yield Text(added)
            self._ended_as = SUCCESS
        except asyncio.CancelledError:
            self._ended_as = DISCONNECTED
            raise
        except Exception as error:
            log.exception("chatstream_failed")
            raise ModelError(FAILURE) from error
        finally:
            await self._slot.give_back(self._ended_as)

    async def _additions(self, prompt: ChatPrompt, params: Mapping[str, object]) -> AsyncGenerator[str, None]:
        chat_prompt = restore_prompt(prompt, self._handler.create_chat_prompt())
        chat_prompt.add_responder_msg(None)
        growth, ended_as = DeltaExtractor(_passing(chat_prompt)), SUCCESS

        async def finished(message: str) -> None:
            nonlocal ended_as
            ended_as = message

        texts = self._handler.generate(
            chat_prompt, finished, self._request, generation_params(params), message_id=self.message_id
        )
        async with aclosing(texts):
            async for text in texts:
                if added := growth.add(text.removesuffix(END_MARK)):
                    yield added
        if ended_as == DISCONNECTED:
            # ChatStream swallows the cancellation that ended it: without this the reply would pass for a whole one.
            raise asyncio.CancelledError
        if ended_as != SUCCESS:
            raise RuntimeError(ended_as)
        if added := growth.finish(chat_prompt.get_responder_last_msg()):
            yield added

    async def close(self) -> None:
        return


def _passing(chat_prompt: Any) -> list[str]:
    replaced = [each[0] for each in chat_prompt.get_replacement_when_output() or ()]
    return [*(chat_prompt.get_stop_strs() or ()), *replaced]


def restore_prompt(prompt: ChatPrompt, chat_prompt: Any) -> Any:
    """Return `chat_prompt`, new and of the application's own class, with the messages of a kept conversation.

    Its own system text stays where the conversation has none.
    """
    if prompt.system:
        chat_prompt.set_system(prompt.system)
    for content in prompt.get_contents():
        if content.side == "requester":
            chat_prompt.add_requester_msg(content.message)
        else:
            chat_prompt.add_responder_msg(content.message)
    return chat_prompt


def generation_params(params: Mapping[str, object]) -> dict[str, object] | None:
    """Return a turn's parameters under ChatStream's names; None where none of them was chosen."""
    names = {"temperature": "temperature", "top_k": "top_k_value", "top_p": "top_p_value"}
    chosen = {shown: params[kept] for kept, shown in names.items() if kept in params}
    return {"temperature": 1.0, "top_k_value": None, "top_p_value": 1.0} | chosen if chosen else None
