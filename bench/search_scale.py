"""Measure lists and searches on a history of a million turns, and say which bars are met; times in the database."""

import argparse
import asyncio
import random
import re
import statistics
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, ClassVar

import asyncpg
from rich.console import Console
from rich.table import Table
from sqlalchemy import event

from bench.search_data import SEED, USERS, History, fill, language_of
from bench.search_texts import COMMON
from chatkeep.admin.history_queries import HistoryFilters, history_page
from chatkeep.chat.history import conversations
from chatkeep.chat.history.pages import turns_up
from chatkeep.chat.search.own_turns import OwnTurns
from chatkeep.chat.search.query import parse_query
from chatkeep.chat.search.search import Search
from chatkeep.database import migrations
from chatkeep.database.database import Database
from chatkeep.database.pool import Connection as HotConnection
from chatkeep.database.postgres.embedded import EmbeddedPostgres
from chatkeep.database.postgres.server_settings import SETTINGS

PAGE = 51
_DURATION = re.compile(r"duration: ([\d.]+) ms")


class Timed:
    """How long PostgreSQL itself says that it worked on what a database's connections sent it."""

    # It is asked to say it, and to say it to the client alone.
    SERVER_SETTINGS: ClassVar = {"log_duration": "on", "log_min_messages": "panic"}
    CONNECTION_SETTINGS: ClassVar = {"client_min_messages": "log"}

    def __init__(self, database: Database) -> None:
        self.milliseconds = 0.0
        connect = database._pool._connect

        async def listened() -> HotConnection:
            opened = await connect()
            opened.add_log_listener(self._note)
            return opened

        database._pool._connect = listened
        for connection in database._pool._free:
            connection.add_log_listener(self._note)
        event.listen(database._engine.sync_engine, "connect", self._listen)

    def _listen(self, connection: Any, _: Any) -> None:
        connection.driver_connection.add_log_listener(self._note)

    def _note(self, _: Any, message: Any) -> None:
        if found := _DURATION.match(message.message):
            self.milliseconds += float(found[1])


class Cases:
    """What is asked, each time by another user or for other words."""

    def __init__(self, database: Database, history: History) -> None:
        self.database = database
        self.history = history
        self.chance = random.Random(SEED)

    async def conversation_list(self) -> int:
        values = {"after_time": conversations.NEWEST_TIME, "after_id": conversations.NEWEST_ID, "limit": PAGE}
        user_id = self.history.user_id(self.chance.randrange(USERS))
        return len(await self.database.rows(conversations.LIST_CONVERSATIONS, user_id=user_id, **values))

    async def page_of_turns(self) -> int:
        number = self.chance.randrange(len(self.history.owners))
        user_id, (conversation_id, _) = (
            self.history.user_id(self.history.owners[number]),
            self.history.conversation(number),
        )
        return len((await turns_up(self.database, user_id, conversation_id, start_id=None, limit=50)).turns)

    async def own_search(self) -> int:
        """By words of every frequency, the most common among them, and by two at once."""
        user = self.chance.randrange(USERS)
        words = self.history.texts.words[language_of(user)]
        word = words[int(len(words) ** self.chance.random()) - 1]
        q = self.chance.choice([COMMON[language_of(user)], word, f"{word} {COMMON[language_of(user)]}"])
        asked = parse_query(q)
        source = OwnTurns(self.database, self.history.user_id(user), asked)
        return len(await Search(asked, source, limit=PAGE).newest(None))

    async def filtered_page(self) -> int:
        user_id = self.history.user_id(self.chance.randrange(USERS))
        filters: list[dict[str, Any]] = [
            {"status": "failed"},
            {"model": "rare"},
            {"model": "second"},
            {"user_id": user_id},
        ]
        return await self._history(**self.chance.choice(filters))

    async def rare_word(self) -> int:
        return await self._history(q=f"n{self.chance.randrange(self.history.turns)}")

    async def common_word(self) -> int:
        words = self.history.texts.words
        return await self._history(q=self.chance.choice([*COMMON.values(), *words["en"][:40], *words["ja"][:40]]))

    async def middling_word(self) -> int:
        words = self.history.texts.words
        return await self._history(q=self.chance.choice([*words["en"][40:2000], *words["ja"][40:2000]]))

    async def one_character(self) -> int:
        return await self._history(q=self.chance.choice("人学水雪犬"))

    async def _history(self, **filters: Any) -> int:
        chosen = HistoryFilters(**filters)
        async with self.database.read_only(timeout_seconds=60) as connection:
            return len(await history_page(connection, chosen, after=None, limit=PAGE))


BARS: dict[str, tuple[str, float]] = {
    "conversation_list": ("a user's conversation list", 5),
    "page_of_turns": ("a page of turns", 5),
    "own_search": ("a user's search", 5),
    "filtered_page": ("an administrator's filtered history", 20),
    "rare_word": ("an administrator's search for a rare word", 20),
    "common_word": ("an administrator's search for a common word", 100),
    "middling_word": ("… for a word in between", 100),
    "one_character": ("… for one character", 100),
}


async def p95(timed: Timed, case: Callable[[], Awaitable[int]], times: int) -> tuple[float, float, float]:
    """Return the median and the 95th percentile in milliseconds, and how many rows were found on average."""
    taken, found = [], []
    for number in range(times + 5):
        timed.milliseconds = 0
        rows = await case()
        if number >= 5:  # connections and plans
            taken.append(timed.milliseconds)
            found.append(rows)
    if not all(taken):
        raise SystemExit("The server does not say how long it works: it has to be told log_duration=on.")
    return statistics.median(taken), statistics.quantiles(taken, n=20)[18], statistics.fmean(found)


async def measure(url: str, turns: int, times: int) -> bool:
    history = History(turns)
    connection: asyncpg.Connection[Any] = await asyncpg.connect(url)
    await fill(connection, history)
    await connection.close()
    database = await Database.connect(url, pool_size=4, server_settings=Timed.CONNECTION_SETTINGS)
    timed = Timed(database)
    cases = Cases(database, history)
    shown = Table(title=f"{turns:,} turns of {USERS:,} users, {times} times each, milliseconds in the database")
    for heading in ("what", "median", "p95", "bar", "", "rows"):
        shown.add_column(heading)
    met = True
    try:
        for name, (title, bar) in BARS.items():
            median, high, rows = await p95(timed, getattr(cases, name), times)
            met = met and high <= bar
            shown.add_row(
                title, f"{median:.2f}", f"{high:.2f}", f"≤ {bar:g}", "met" if high <= bar else "MISSED", f"{rows:.1f}"
            )
    finally:
        await database.close()
    Console(width=120).print(shown)
    return met


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.search_scale", description=__doc__)
    parser.add_argument("--turns", type=int, default=1_000_000, help="turns in the database (default: 1,000,000)")
    parser.add_argument("--times", type=int, default=200, help="how often each is asked (default: 200)")
    parser.add_argument("--data-dir", type=Path, required=True, help="keep the database there, for the next run")
    given = parser.parse_args()
    given.data_dir.mkdir(parents=True, exist_ok=True)
    SETTINGS.update(Timed.SERVER_SETTINGS)
    with EmbeddedPostgres(given.data_dir) as server:
        migrations.upgrade(server.url)
        return 0 if asyncio.run(measure(server.url, given.turns, given.times)) else 1


if __name__ == "__main__":
    sys.exit(main())
