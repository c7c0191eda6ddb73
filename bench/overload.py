"""Lists, turns and sign-ins while a service of one worker gets twice the turns that it can take.

The service, its model server and this program are three processes. First it measures the rate of turns at which the
service is saturated, with many clients that each take the next turn after the answer. Then turns come at `--factor`
times that rate whether or not the ones before are answered, while other clients read and sign in.
"""

import argparse
import asyncio
import itertools
import json
import random
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table

from bench.clients import Answer, Connections, Times, percentile
from bench.servers import listening, request

PASSWORD = "benchmarks have passwords"
SECRET = "a key for benchmarks: 0123456789abcdefghijklmnopqrstuvwxyz"
USERS = 24
CONVERSATIONS_OF_EACH = 20
CLIENTS_AT_SATURATION = 48
# Readers, each of which asks again a little after its answer came.
READERS = 12
PAUSE_SECONDS = 0.1
SIGN_INS_A_SECOND = 1.0
# Reads are answered within this while turns are refused.
MAX_READ_SECONDS = 0.5
READS = ("list conversations", "read turns", "read one turn")


@dataclass
class User:
    """Somebody who is signed in, and their conversations; `free` are those in which no turn is being answered."""

    name: str
    cookie: str
    conversations: list[str]
    free: list[str]
    turns: list[tuple[str, str]]


class Load:
    """The clients of one service."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.connections = Connections(port)
        self.chance = random.Random(7)
        self.users: list[User] = []

    async def sign_up(self) -> None:
        for number in range(USERS):
            name = f"load-{time.time_ns()}-{number}"
            answer = await self._ask("POST", "/api/v1/auth/register", {"username": name, "password": PASSWORD})
            cookie = answer.headers[b"set-cookie"].partition(b";")[0].decode()
            user = User(name, cookie, [], [], [])
            for _ in range(CONVERSATIONS_OF_EACH):
                made = await self._ask("POST", "/api/v1/conversations", {}, cookie)
                user.conversations.append(json.loads(made.body)["id"])
            user.free = list(user.conversations)
            self.users.append(user)
        for user in self.users:
            conversation = user.conversations[0]
            for _ in range(3):
                answer = await self.connections.ask(self._turn(user, conversation, stream=False))
                user.turns.append((conversation, json.loads(answer.body)["id"]))

    async def saturation(self, seconds: float) -> float:
        """Return how many turns a second are answered when clients ask for the next one after the answer."""
        times = Times()
        deadline = time.perf_counter() + seconds

        async def client(number: int) -> None:
            user = self.users[number % USERS]
            conversation = user.conversations[number // USERS]
            while time.perf_counter() < deadline:
                await self.connections.timed(times, "turn", self._turn(user, conversation))

        await asyncio.gather(*(client(number) for number in range(CLIENTS_AT_SATURATION)))
        return len(times.answered["turn"]) / seconds

    async def overload(self, rate: float, seconds: float) -> Times:
        """Send `rate` turns a second, and read and sign in beside them."""
        times = Times()
        deadline = time.perf_counter() + seconds
        await asyncio.gather(
            self._turns(times, rate, deadline),
            self._sign_ins(times, deadline),
            *(self._reader(times, number, deadline) for number in range(READERS)),
        )
        return times

    async def _turns(self, times: Times, rate: float, deadline: float) -> None:
        """Send turns when they are due, whatever became of the ones before."""
        async with asyncio.TaskGroup() as group:
            begun = time.perf_counter()
            for number in itertools.count():
                due = begun + number / rate
                if due >= deadline:
                    return
                await asyncio.sleep(max(0.0, due - time.perf_counter()))
                user = self.users[number % USERS]
                group.create_task(self._one_turn(times, user, due))

    async def _one_turn(self, times: Times, user: User, due: float) -> None:
        if not user.free:
            times.statuses["turn", 0] += 1  # all of this user's conversations wait for an answer
            return
        conversation = user.free.pop(0)
        await self.connections.timed(times, "turn", self._turn(user, conversation), due)
        user.free.append(conversation)

    async def _reader(self, times: Times, number: int, deadline: float) -> None:
        kinds = itertools.cycle(READS)
        user = self.users[number % USERS]
        while time.perf_counter() < deadline:
            kind = next(kinds)
            conversation, turn = self.chance.choice(user.turns)
            path = {
                "list conversations": "/api/v1/conversations?limit=30",
                "read turns": f"/api/v1/conversations/{conversation}/turns",
                "read one turn": f"/api/v1/conversations/{conversation}/turns/{turn}",
            }[kind]
            await self.connections.timed(times, kind, request(self.port, "GET", path, Cookie=user.cookie))
            await asyncio.sleep(PAUSE_SECONDS * self.chance.uniform(0.5, 1.5))

    async def _sign_ins(self, times: Times, deadline: float) -> None:
        for user in itertools.cycle(self.users):
            if time.perf_counter() >= deadline:
                return
            body = json.dumps({"username": user.name, "password": PASSWORD}).encode()
            await self.connections.timed(times, "sign in", request(self.port, "POST", "/api/v1/auth/login", body))
            await asyncio.sleep(1 / SIGN_INS_A_SECOND)

    def _turn(self, user: User, conversation: str, *, stream: bool = True) -> bytes:
        body = json.dumps({"content": "Tell me something about the sea.", "stream": stream}).encode()
        path = f"/api/v1/conversations/{conversation}/turns"
        return request(self.port, "POST", path, body, Cookie=user.cookie)

    async def _ask(self, method: str, path: str, body: object, cookie: str = "none=0") -> Answer:
        raw = request(self.port, method, path, json.dumps(body).encode(), Cookie=cookie)
        answer = await self.connections.ask(raw)
        if answer.status >= 300:
            raise RuntimeError(f"{method} {path}: {answer.status} {answer.body[:300]!r}")
        return answer


@contextmanager
def service(url: str | None) -> Iterator[int]:
    """Run the service with one worker and the tests' model server, and yield its port."""
    with ExitStack() as stack:
        folder = stack.enter_context(TemporaryDirectory(prefix="chatkeep-overload-"))
        model = stack.enter_context(listening("-m", "tests.upstream", "--port", "0")).port
        settings = {
            "CHATKEEP_SECRET_KEY": SECRET,
            "CHATKEEP_COOKIE_SECURE": "false",
            "CHATKEEP_LOG_LEVEL": "warning",
            "CHATKEEP_MODEL_URL": f"http://127.0.0.1:{model}/v1",
            "CHATKEEP_DATA_DIR": folder,
            "CHATKEEP_MAX_REGISTRATIONS_PER_HOUR": "100000",
            "CHATKEEP_MAX_CONNECTIONS_PER_ADDRESS": "100000",
            "CHATKEEP_SHUTDOWN_GRACE_SECONDS": "0",
            **({"CHATKEEP_DATABASE_URL": url} if url else {}),
        }
        command = ("-m", "chatkeep.cli", "serve", "--migrate", "--port", "0")
        yield stack.enter_context(listening(*command, **settings)).port


def table(times: Times, title: str) -> Table:
    shown = Table(title=title)
    shown.add_column("request")
    for heading in ("answered", "p50, ms", "p99, ms", "refused", "p50, ms", "p99, ms", "other answers"):
        shown.add_column(heading, justify="right")
    for kind in times.kinds():
        row = [kind]
        for found in (times.answered[kind], times.refused[kind]):
            row += [str(len(found)), *(f"{percentile(found, share) * 1000:,.0f}" for share in (0.5, 0.99))]
        rest = {status: count for (each, status), count in times.statuses.items() if each == kind and status >= 300}
        shown.add_row(*row, ", ".join(f"{count} of {status}" for status, count in sorted(rest.items())))
    return shown


async def measure(port: int, options: argparse.Namespace, console: Console) -> bool:
    """Print what is measured; return whether reads were answered in time."""
    load = Load(port)
    await load.sign_up()
    await load.saturation(options.seconds / 4)  # warms up
    rate = await load.saturation(options.seconds)
    console.print(f"saturated at {rate:.0f} turns a second")
    calm = await load.overload(rate / 4, options.seconds)
    console.print(table(calm, f"At a quarter of that: {rate / 4:.0f} turns a second"))
    times = await load.overload(rate * options.factor, options.seconds)
    console.print(table(times, f"At {options.factor:g} times that: {rate * options.factor:.0f} turns a second"))
    load.connections.close()
    return all(percentile(times.answered[kind], 0.99) <= MAX_READ_SECONDS for kind in READS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.overload", description=__doc__)
    parser.add_argument("--seconds", type=float, default=20, help="of each phase (default: 20)")
    parser.add_argument("--factor", type=float, default=2.0, help="times the rate of saturation (default: 2)")
    parser.add_argument("--database-url", help="an empty database of your own (default: the embedded server)")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 140)
    with service(options.database_url) as port:
        met = asyncio.run(measure(port, options, console))
    console.print(f"Reads within {MAX_READ_SECONDS:g} s (p99) under load: {'met' if met else 'NOT met'}")
    return 0 if met else 1


if __name__ == "__main__":
    sys.exit(main())
