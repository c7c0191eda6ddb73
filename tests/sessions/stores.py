"""Every kind of store, each as a test finds it: empty."""

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from chatkeep.sessions import AdaptedStore, DatabaseStore, MemoryStore, SessionStore

KINDS = ("memory", "database", "fastsession")


class StoreOfFastSession:
    """A store as somebody wrote one for fastsession: it keeps on disk, so to say, what `save_store` is called for."""

    def __init__(self) -> None:
        self.kept: dict[str, dict[str, Any]] = {}
        self._open: dict[str, dict[str, Any]] = {}

    def create_store(self, session_id: str) -> dict[str, Any]:
        self._open[session_id] = {}
        self.save_store(session_id)
        return self._open[session_id]

    def get_store(self, session_id: str) -> dict[str, Any] | None:
        if session_id in self.kept:
            self._open[session_id] = dict(self.kept[session_id])
        return self._open.get(session_id)

    def save_store(self, session_id: str) -> None:
        self.kept[session_id] = dict(self._open[session_id])

    def gc(self) -> None:
        return


@asynccontextmanager
async def store_of(kind: str, database_url: str) -> AsyncIterator[SessionStore]:
    stores: dict[str, Callable[[], SessionStore]] = {
        "memory": MemoryStore,
        "database": lambda: DatabaseStore(database_url, pool_size=6),
        "fastsession": lambda: AdaptedStore(StoreOfFastSession()),
    }
    store = stores[kind]()
    try:
        yield store
    finally:
        await store.close()
