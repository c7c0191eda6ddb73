"""The setting of ChatStream's roles: for each role, the endpoints that it may use."""

from typing import Literal

from pydantic import BaseModel, ConfigDict

ChatStreamApi = Literal[
    "chat_stream",
    "clear_context",
    "get_prompt",
    "set_generation_params",
    "get_generation_params",
    "set_feedback",
    "get_load",
    "get_resource_usage",
]


class ChatStreamApis(BaseModel):
    """ChatStream's endpoints that a role may use: their names, or "all"."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    allow: Literal["all"] | tuple[ChatStreamApi, ...]


class ChatStreamRole(BaseModel):
    """One of ChatStream's `client_roles`. What else ChatStream has there is refused: nothing here would obey it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    apis: ChatStreamApis

    def allows(self, api: ChatStreamApi) -> bool:
        return self.apis.allow == "all" or api in self.apis.allow


ALL_OF_CHATSTREAM = ChatStreamRole(apis=ChatStreamApis(allow="all"))
