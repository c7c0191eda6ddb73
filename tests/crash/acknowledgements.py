"""The log of what clients were told. What a client was told is on disk before it goes on."""

import asyncio
import json
import os
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

Entry = Mapping[str, Any]


class AcknowledgementLog:
    """An append-only file of JSON lines. Each has `kind`, and `at` in seconds of the monotonic clock."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self._syncing = asyncio.Lock()
        self._noted = 0
        self._synced = 0
        self.kept = 0

    def note(self, kind: str, **fields: object) -> None:
        """Write an entry that nothing is concluded from if it gets lost."""
        line = json.dumps({"at": time.monotonic(), "kind": kind, **fields}, ensure_ascii=False)
        os.write(self._descriptor, line.encode() + b"\n")
        self._noted += 1

    async def keep(self, kind: str, **fields: object) -> None:
        """Write an entry, and return when it is on disk. Entries that wait together are synced together."""
        self.note(kind, **fields)
        self.kept += 1
        wanted = self._noted
        async with self._syncing:
            if self._synced < wanted:
                covered = self._noted
                await asyncio.to_thread(os.fsync, self._descriptor)
                self._synced = covered

    def entries(self) -> Iterator[Entry]:
        """Yield the entries of the file."""
        with self.path.open(encoding="utf-8") as lines:
            yield from map(json.loads, lines)

    def close(self) -> None:
        os.close(self._descriptor)
