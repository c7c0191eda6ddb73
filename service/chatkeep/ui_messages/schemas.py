"""Bodies of the AI SDK's chat protocol. Unknown fields and parts are taken: applications add their own.

Source: ai 7.0, `src/ui/http-chat-transport.ts`, `src/ui/ui-messages.ts`.
"""

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError

from chatkeep.chat.models import GenerationParams
from chatkeep.chat.schemas import ToolChoice, Tools
from chatkeep.http.bodies import Name, check_json
from chatkeep.openai.schemas import OpenBody

MAX_CHAT_ID_CHARACTERS = 200
MAX_MESSAGES = 5_000

ChatId = Annotated[str, Field(min_length=1, max_length=MAX_CHAT_ID_CHARACTERS)]
Part = Annotated[dict[str, Any], AfterValidator(check_json)]


class UiMessage(OpenBody):
    """One message as the client has it.

    Args:
        id: of an assistant's message, the id of the turn that it is, as the stream has told it.
        metadata: as the stream has told it; its `turn_id` is the last turn that the message is made of.
    """

    model_config = ConfigDict(extra="ignore")

    id: str = ""
    role: Literal["system", "user", "assistant"]
    parts: list[Part]
    metadata: Any = None


class SendMessages(OpenBody):
    """The body of `DefaultChatTransport`; `message` alone where an application sends its last message only."""

    model_config = ConfigDict(extra="ignore")

    id: ChatId
    messages: Annotated[list[UiMessage], Field(min_length=1, max_length=MAX_MESSAGES)] | None = None
    message: UiMessage | None = None
    trigger: Literal["submit-message", "regenerate-message"] = "submit-message"
    message_id: Annotated[str | None, Field(alias="messageId")] = None
    model: Name | None = None
    params: GenerationParams = GenerationParams()
    tools: Tools | None = None
    tool_choice: ToolChoice | None = None

    @model_validator(mode="after")
    def _says_something(self) -> "SendMessages":
        if self.messages is None and self.message is None:
            raise PydanticCustomError("missing", "Send `messages`, or the last one as `message`")
        return self
