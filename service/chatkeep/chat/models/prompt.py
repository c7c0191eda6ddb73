"""The conversation as a model sees it, in ChatStream's words: a system text, a requester, a responder."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Self

from chatkeep.chat.file_parts import LoadedFiles, name_of
from chatkeep.chat.items import AnyItem
from chatkeep.chat.messages import ChatContent, ChatMessage, Side, messages_with_parts, openai_messages
from chatkeep.chat.models.chat_template import DEFAULT_TEMPLATE, render
from chatkeep.errors import Invalid


class ChatPrompt:
    """A conversation that grows by one message at a time.

    Nothing is trimmed or normalised: each text comes out as it went in.

    Args:
        system: what the model is told before the first message; None or "" for nothing.

    Attributes:
        tools: `tools` and `tool_choice` as a model server takes them; empty where there are none.
        files: those that its messages refer to, by their ids; a model is told the names of others.
        new_items: the items of the new prompt; None where nobody told them from those before it.
        earlier_turns: how many turns it shows of those before the new one; None where nobody counted.
    """

    def __init__(self, system: str | None = None) -> None:
        self.system = system
        self.requester = "user"
        self.responder = "assistant"
        self.tools: Mapping[str, Any] = {}
        self.files: LoadedFiles = {}
        self.new_items: Sequence[AnyItem] | None = None
        self.earlier_turns: int | None = None
        self._contents: list[ChatContent] = []

    def set_system(self, system: str | None) -> None:
        self.system = system

    def set_requester(self, name: str) -> None:
        """Name the asking side, for `create_prompt`; OpenAI messages always say "user"."""
        self.requester = name

    def set_responder(self, name: str) -> None:
        """Name the answering side, for `create_prompt`; OpenAI messages always say "assistant"."""
        self.responder = name

    def add_requester_msg(
        self, message: str, message_id: str | None = None, items: Sequence[AnyItem] | None = None
    ) -> None:
        """Add a message; `items` are what it is made of beside its text, such as the outputs of tools."""
        self._contents.append(ChatContent("requester", message, message_id, items))

    def add_responder_msg(
        self, message: str | None = None, message_id: str | None = None, items: Sequence[AnyItem] | None = None
    ) -> None:
        """Add a reply, or with None the place of one that is still to come; `items` are what it is made of."""
        self._contents.append(ChatContent("responder", message, message_id, items))

    def set_responder_last_msg(self, message: str) -> None:
        """Replace the text of the last reply, as it grows; without any reply, nothing happens."""
        self._rewrite_last_reply(message)

    def clear_last_responder_message(self) -> None:
        """Empty the last reply and keep its place: what regenerating starts with."""
        self._rewrite_last_reply(None)

    def remove_last_requester_msg(self) -> None:
        self._remove_last("requester")

    def remove_last_responder_msg(self) -> None:
        self._remove_last("responder")

    def clear_history(self) -> None:
        """Forget every message; the system text and the names stay."""
        self._contents.clear()

    def get_contents(self) -> tuple[ChatContent, ...]:
        """Return the messages, oldest first."""
        return tuple(self._contents)

    def get_requester_last_msg(self) -> str | None:
        return self._last_message("requester")

    def get_responder_last_msg(self) -> str | None:
        return self._last_message("responder")

    def get_turn(self) -> int:
        """Return how many turns there are: as many as the requester has messages."""
        return sum(content.side == "requester" for content in self._contents)

    def is_empty(self) -> bool:
        return not self._contents

    def to_openai_messages(self) -> list[ChatMessage]:
        """Return the conversation for `/chat/completions`, text alone; see `openai_messages`."""
        return list(openai_messages(self.system, self._contents, self.files))

    def to_openai_messages_with_files(self) -> list[Mapping[str, Any]]:
        """Return the conversation for `/chat/completions`; prompts with pictures or PDFs are lists of parts."""
        return list(messages_with_parts(self.system, self._contents, self.files))

    def leave_out_earlier_pictures(self) -> list[str]:
        """Have the model read the names of pictures that it was shown before; return those names.

        A picture of the new prompt is what is asked about: where there is one, nothing is left out.
        """
        return self._leave_out({file_id for file_id, file in self.files.items() if file.is_image})

    def leave_out_earlier_pdfs(self) -> list[str]:
        """Do the same with PDFs. Texts stay: any model reads them."""
        return self._leave_out(
            {file_id for file_id, file in self.files.items() if not file.is_image and file.text is None}
        )

    def _leave_out(self, left_out: set[str]) -> list[str]:
        requests = [content for content in self._contents if content.side == "requester"]
        new = self.new_items if self.new_items is not None else (requests[-1].items if requests else ())
        if not left_out.isdisjoint(item.get("file_id") for item in new or ()):
            return []
        shown = [item for content in requests for item in content.items or () if item.get("file_id") in left_out]
        names = [name_of(item, self.files[item["file_id"]]) for item in shown]
        self.files = {file_id: file for file_id, file in self.files.items() if file_id not in left_out}
        return list(dict.fromkeys(names))

    def to_text(self, template: str, *, bos_token: str = "", eos_token: str = "") -> str:
        """Return the conversation as one string, for a model that continues text.

        Args:
            template: a Jinja2 chat template as model repositories ship it (`tokenizer_config.json`).
            bos_token: the model's beginning-of-sequence token, for templates that ask for it.
            eos_token: its end-of-sequence token.

        Raises:
            Invalid: the template is wrong, or refuses this conversation.

        Source: Hugging Face Transformers, Chat templates.
        """
        return render(
            template,
            messages=self.to_openai_messages(),
            add_generation_prompt=not self._ends_with_reply(),
            requester=self.requester,
            responder=self.responder,
            bos_token=bos_token,
            eos_token=eos_token,
        )

    def create_prompt(self) -> str:
        """Return the conversation as plain text, "name: message" a line; override it for another form."""
        return self.to_text(DEFAULT_TEMPLATE)

    def to_dict(self) -> dict[str, object]:
        """Return the conversation as JSON can hold it, in the field names of ChatStream's `to_dict`."""
        return {
            "system": self.system,
            "requester": self.requester,
            "responder": self.responder,
            "chat_contents": [self._content_to_dict(content) for content in self._contents],
        }

    @classmethod
    def from_dict(cls, source: Mapping[str, object]) -> Self:
        """Build a conversation from `to_dict()`, this class's or that of ChatStream 0.3.0.

        Fields of other names are ignored, ChatStream's `child_messages` among them.

        Raises:
            Invalid: a field is missing or of another type.
        """
        prompt = cls(_optional_text(source, "system"))
        prompt.requester = _text(source, "requester")
        prompt.responder = _text(source, "responder")
        prompt._contents = [prompt._content_from_dict(each) for each in _dicts(source, "chat_contents")]
        return prompt

    def __repr__(self) -> str:
        """Say its size and none of its text: reprs end up in logs."""
        return f"<{type(self).__name__} of {self.get_turn()} turns>"

    def _ends_with_reply(self) -> bool:
        return bool(self._contents) and self._contents[-1].side == "responder" and bool(self._contents[-1].message)

    def _last_index(self, side: Side) -> int | None:
        backwards = range(len(self._contents) - 1, -1, -1)
        return next((index for index in backwards if self._contents[index].side == side), None)

    def _last_message(self, side: Side) -> str | None:
        index = self._last_index(side)
        return None if index is None else self._contents[index].message

    def _remove_last(self, side: Side) -> None:
        index = self._last_index(side)
        if index is not None:
            del self._contents[index]

    def _rewrite_last_reply(self, message: str | None) -> None:
        index = self._last_index("responder")
        if index is not None:
            self._contents[index] = replace(self._contents[index], message=message)

    def _content_to_dict(self, content: ChatContent) -> dict[str, object]:
        return {
            "role": self.requester if content.side == "requester" else self.responder,
            "role_type": content.side.upper(),
            "message": content.message,
            "message_id": content.message_id,
        }

    def _content_from_dict(self, source: Mapping[str, object]) -> ChatContent:
        message = _optional_text(source, "message")
        side = _side(source, self.requester, self.responder)
        if side == "requester" and message is None:
            raise Invalid("A requester's message has no text.")
        return ChatContent(side, message, _optional_text(source, "message_id"))


def _side(source: Mapping[str, object], requester: str, responder: str) -> Side:
    """Before ChatStream 0.3.0 there was no `role_type`, only the name; so the name is asked second."""
    by_type: dict[object, Side] = {"REQUESTER": "requester", "RESPONDER": "responder"}
    by_name: dict[object, Side] = {requester: "requester", responder: "responder"}
    side = by_type.get(source.get("role_type")) or by_name.get(source.get("role"))
    if side is None:
        raise Invalid("A message is neither the requester's nor the responder's.")
    return side


def _text(source: Mapping[str, object], name: str) -> str:
    value = source.get(name)
    if not isinstance(value, str):
        raise Invalid(f"`{name}` is not a text.")
    return value


def _optional_text(source: Mapping[str, object], name: str) -> str | None:
    return None if source.get(name) is None else _text(source, name)


def _dicts(source: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    value = source.get(name)
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise Invalid(f"`{name}` is not a list of objects.")
    return value
