"""A session of openai-agents for applications that run the service in their own process.

It follows their `Session` protocol and imports nothing of theirs.

Source: openai-agents 0.24, `agents/memory/session.py`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI

from chatkeep.accounts.accounts import Accounts
from chatkeep.accounts.identity import Identity
from chatkeep.accounts.users import require_no_hold
from chatkeep.audit.actions import Action
from chatkeep.audit.trail import Origin, Recorder
from chatkeep.chat.chat import Chat
from chatkeep.chat.history.conversations import delete_conversation
from chatkeep.chat.history.lookups import conversation_by_name, id_of_name
from chatkeep.chat.records import ConversationRecord
from chatkeep.openai.conversation_items import add_items, path_of, require_item
from chatkeep.openai.deletion import delete_item
from chatkeep.openai.input_items import to_prompt
from chatkeep.openai.output_items import items_by_our_ids
from chatkeep.openai.schemas import JsonObject
from chatkeep.openai.session_files import with_file_contents
from chatkeep.openai.turns import begin_conversation


class ChatkeepSession:
    """The history of an agent: the items of one conversation of the service, as `Runner.run(session=…)` takes it.

    Args:
        app: the service's application, as `create_app` returns it; it has been started.
        user: whose conversation it is, as `SignedIn` gives it to a route.
        session_id: the id of one of their conversations, or any name for one, which is begun with its first items.

    Raises of each method:
        DatabaseUnavailable: nothing has been changed, as far as is known.
    """

    def __init__(self, app: FastAPI, user: Identity, session_id: str) -> None:
        self.session_id = session_id
        self.session_settings: Any = None
        self._app = app
        self._user = user

    async def get_items(self, limit: int | None = None) -> list[JsonObject]:
        """Return the items of the active path, oldest first; of `limit`, the newest."""
        kept = await self._kept()
        found: list[JsonObject] = []
        if kept is None or (limit is not None and limit <= 0):
            return found
        async for turn in path_of(self._chat.database, self._user.user_id, kept.id, "desc", None):
            found += reversed(items_by_our_ids(turn))
            if limit is not None and len(found) >= limit:
                break
        items = found[:limit][::-1]
        return await with_file_contents(self._chat.database, self._user.user_id, items)

    async def add_items(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Put items at the end. Pictures and files in them are kept once, by reference.

        Raises:
            TurnInProgress: the conversation is being answered.
        """
        if not items:
            return
        chat, kept = self._chat, await self._kept()
        conversation_id = id_of_name(self._user.user_id, self.session_id) if kept is None else kept.id
        prompt = await to_prompt(chat.files, self._user.user_id, items)
        if kept is None:
            await begin_conversation(chat, self._user, conversation_id)
        await add_items(chat, self._user, conversation_id, prompt)

    async def pop_item(self) -> JsonObject | None:
        """Delete the newest item and return it; None where there is none.

        Raises:
            TurnInProgress: it is being generated.
            LegalHold: the account is under hold.
        """
        kept, newest = await self._kept(), await self.get_items(limit=1)
        if kept is None or not newest:
            return None
        database, item_id = self._chat.database, str(newest[0]["id"])
        turn, number, _ = await require_item(database, self._user.user_id, kept.id, item_id)
        await delete_item(database, self._user, self._audit, turn, number)
        return newest[0]

    async def clear_session(self) -> None:
        """Delete the conversation. The next items begin it anew. Raises: LegalHold: the account is under hold."""
        kept, user_id = await self._kept(), self._user.user_id
        if kept is None:
            return
        async with self._chat.database.transaction() as connection:
            await require_no_hold(connection, user_id)
            if await delete_conversation(connection, user_id, kept.id):
                details = {"conversation_id": str(kept.id)}
                await self._audit.record(connection, Action.CONVERSATION_DELETED, user_id, **details)

    @property
    def _chat(self) -> Chat:
        chat: Chat = self._app.state.chat
        return chat

    @property
    def _audit(self) -> Recorder:
        accounts: Accounts = self._app.state.accounts
        return accounts.trail.by(Origin("user", self._user.user_id))

    async def _kept(self) -> ConversationRecord | None:
        return await conversation_by_name(self._chat.database, self._user.user_id, self.session_id)
