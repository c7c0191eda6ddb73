"""The scenarios of `compare_fastsession.py`, and the differences that are allowed."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.cookies import SimpleCookie
from typing import Any, TypeAlias

import httpx2
from itsdangerous import URLSafeTimedSerializer
from websockets.asyncio.client import connect

from tests.sessions.compared_application import KEY

HOUR = 3600
YEAR = 365 * 24 * HOUR


@dataclass
class Visitor:
    """A browser: keeps cookies by name and path.

    Args:
        minds_paths: sends only those whose path fits, the longest first, as browsers do (RFC 6265, 5.4). Without it
            everything can be compared that the missing path would hide.
    """

    client: httpx2.AsyncClient
    minds_paths: bool = False
    jar: dict[tuple[str, str], str] = field(default_factory=dict)
    sent: list[str] = field(default_factory=list)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx2.Response:
        if cookies := self._cookies(path):
            headers["cookie"] = cookies
        answer = await self.client.request(method, path, json=body, headers=headers)
        self.client.cookies.clear()
        self.sent = answer.headers.get_list("set-cookie")
        for header in self.sent:
            for name, morsel in SimpleCookie(header).items():
                default = path.rpartition("/")[0] if self.minds_paths else "/"
                self.jar[name, morsel["path"] or default] = morsel.value
                if morsel["max-age"] == "0":
                    del self.jar[name, morsel["path"] or default]
        return answer

    def _cookies(self, path: str) -> str:
        fitting = [item for item in self.jar.items() if f"{path}/".startswith(f"{item[0][1].rstrip('/')}/")]
        fitting.sort(key=lambda item: -len(item[0][1]))
        return "; ".join(f"{name}={value}" for (name, _), value in fitting)

    async def told(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """Return an answer's status, and what it says where that is JSON."""
        answer = await self.ask(method, path, body, **headers)
        is_json = answer.headers.get("content-type") == "application/json"
        return [answer.status_code, answer.json() if is_json else answer.text]

    def names(self) -> list[str]:
        return sorted({header.partition("=")[0] for header in self.sent})

    def attributes(self, *but: str) -> dict[str, Any]:
        """Return the attributes of the one cookie that was sent."""
        (header,) = self.sent
        (morsel,) = SimpleCookie(header).values()
        return {name: str(value).lower() for name, value in morsel.items() if value and name not in but}


@dataclass(frozen=True)
class Side:
    """One of the two, running."""

    name: str
    url: str
    client: httpx2.AsyncClient

    def visitor(self, like: Visitor | None = None, *, minds_paths: bool = False) -> Visitor:
        return Visitor(self.client, minds_paths, dict(like.jar) if like else {})

    async def advance(self, seconds: float) -> None:
        await self.client.post(f"/clock/{seconds}")


Scenario: TypeAlias = Callable[[Side], Awaitable[Any]]


@dataclass(frozen=True)
class Compared:
    """A scenario; `right` is what comes out here where the other one is wrong."""

    scenario: Scenario
    right: Any = None

    @property
    def says(self) -> str:
        return self.scenario.__name__.replace("_", " ")

    @property
    def is_fault(self) -> bool:
        return self.right is not None


SAME: list[Compared] = []
FAULTS: list[Compared] = []


def same(scenario: Scenario) -> Scenario:
    SAME.append(Compared(scenario))
    return scenario


def fault(right: Any) -> Callable[[Scenario], Scenario]:
    def note(scenario: Scenario) -> Scenario:
        FAULTS.append(Compared(scenario, right))
        return scenario

    return note


async def steps(visitor: Visitor, *asked: Sequence[Any]) -> list[Any]:
    return [await visitor.told(*each) for each in asked]


@same
async def counting_as_in_the_readme(side: Side) -> Any:
    alice, bob = side.visitor(), side.visitor()
    return [await (alice if n % 3 else bob).told("POST", "/plain/count") for n in range(9)]


@same
async def writing_removing_clearing(side: Side) -> Any:
    return await steps(
        side.visitor(),
        ("POST", "/plain/write/", {"a": 1, "b": [1, 2], "c": {"d": None}, "日本語": "🙂"}),
        ("GET", "/plain/read/"),
        ("POST", "/plain/remove/a"),
        ("GET", "/plain/read/"),
        ("POST", "/plain/clear"),
        ("GET", "/plain/read/"),
        ("POST", "/plain/write/", {"e": 5}),
        ("GET", "/plain/read/"),
    )


@same
async def values_changed_in_place_and_objects(side: Side) -> Any:
    visitor = side.visitor()
    return [await visitor.told("POST", "/plain/append") for _ in range(3)]


@same
async def handlers_in_threads(side: Side) -> Any:
    return await steps(side.visitor(), ("POST", "/plain/write-in-thread?value=7"), ("GET", "/plain/read/"))


@same
async def an_id_that_stays(side: Side) -> Any:
    alice, bob = side.visitor(), side.visitor()
    ids = [(await visitor.told("GET", "/plain/id"))[1]["id"] for visitor in (alice, alice, bob)]
    return [isinstance(ids[0], str), len(ids[0]) > 20, ids[0] == ids[1], ids[0] == ids[2]]


@same
async def answers_that_have_nothing_to_do_with_sessions(side: Side) -> Any:
    visitor = side.visitor()
    asked = [("GET", "/plain/nothing"), ("GET", "/plain/stream"), ("GET", "/plain/missing"), ("PUT", "/plain/count")]
    return [*await steps(visitor, *asked), (await visitor.ask("HEAD", "/plain/nothing")).status_code]


@same
async def refusals_are_answers(side: Side) -> Any:
    return await steps(
        side.visitor(), ("POST", "/plain/fail/401"), ("POST", "/plain/fail/404"), ("GET", "/plain/read/")
    )


@same
async def attributes_of_the_cookie(side: Side) -> Any:
    found = {}
    for name in ("plain", "open", "lax", "strict", "hour"):
        visitor = side.visitor()
        await visitor.ask("POST", f"/{name}/write/", {"a": 1})
        unset = ("samesite",) if name in ("plain", "open", "hour") else ()
        found[name] = [visitor.names(), visitor.attributes("path", *unset)]
    return found


@same
async def names_of_cookie_and_object(side: Side) -> Any:
    visitor = side.visitor()
    told = await steps(visitor, ("POST", "/names/write/", {"a": 1}), ("GET", "/names/read/"))
    return [told, sorted(name for name, _ in visitor.jar)]


@same
async def headers_that_skip(side: Side) -> Any:
    tries: list[tuple[str, dict[str, str]]] = [
        ("skip", {"X-Skip": "yes"}),
        ("skip", {"x-skip": "no"}),
        ("skip", {}),
        ("skips", {"X-Any": "thing"}),
        ("skips", {"x-skip": "yes"}),
        ("skips", {"x-other": "yes"}),
    ]
    found = []
    for part, headers in tries:
        visitor = side.visitor()
        await visitor.ask("POST", f"/{part}/write-if-there", None, **headers)
        found.append(bool(visitor.sent))
    return found


@same
async def a_tampered_signature_is_a_stranger(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"a": 1})
    ((key, value),) = visitor.jar.items()
    visitor.jar[key] = value[:-4] + ("AAAA" if value[-4:] != "AAAA" else "BBBB")
    return await visitor.told("GET", "/plain/read/")


@same
async def overlapping_writes_of_different_keys(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"a": 1})
    await asyncio.gather(*(side.visitor(visitor).ask("POST", f"/plain/overlap/k{n}") for n in range(10)))
    return sorted((await visitor.told("GET", "/plain/read/"))[1])


@same
async def a_logger_is_told_something(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/logged/write/", {"a": 1})
    return len((await visitor.told("GET", "/logged/inside/log"))[1]) > 0


@same
async def methods_of_the_memory_store(side: Side) -> Any:
    return await side.visitor().told("GET", "/plain/inside/methods")


@same
async def cookies_of_the_handler_on_a_later_visit(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"a": 1})
    await visitor.ask("POST", "/plain/cookies")
    return visitor.names()


@same
async def max_age_ends_what_is_not_used(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/ends/write/", {"a": 1})
    await side.advance(HOUR - 60)
    before = await visitor.told("GET", "/ends/read/")
    await side.advance(2 * HOUR)
    return [before, await visitor.told("GET", "/ends/read/")]


@fault({"same id": False, "the attacker reads": {}})
async def a_planted_cookie_keeps_its_id_over_sign_in(side: Side) -> Any:
    attacker = side.visitor()
    await attacker.ask("POST", "/plain/write/", {"theme": "dark"})
    victim = side.visitor(attacker)
    await victim.ask("POST", "/plain/write/", {"user": "alice"})
    seen = (await attacker.told("GET", "/plain/read/"))[1]
    return {"same id": victim.jar == attacker.jar, "the attacker reads": seen}


@fault({})
async def a_stolen_cookie_works_after_sign_out_and_sign_in(side: Side) -> Any:
    victim = side.visitor()
    await victim.ask("POST", "/plain/write/", {"user": "alice"})
    thief = side.visitor(victim)
    await victim.ask("POST", "/plain/clear")
    await victim.ask("POST", "/plain/write/", {"user": "alice"})
    return (await thief.told("GET", "/plain/read/"))[1]


@fault([200, 200, 200, 200, 200])
async def garbage_in_the_cookie_is_an_error_on_every_route(side: Side) -> Any:
    values = [b"abc", b"a.b", b"", b"\xe9.\xfc", b"x" * 8192]
    asked = (side.client.get("/plain/nothing", headers=[(b"cookie", b"sid=" + value)]) for value in values)
    return [(await each).status_code for each in asked]


@fault(["first", "second", "sid"])
async def cookies_of_the_handler_vanish_on_the_first_visit(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/cookies")
    return visitor.names()


@fault({"path": "/", "samesite": "lax", "elsewhere": {"a": 1}})
async def without_a_path_two_paths_have_two_sessions(side: Side) -> Any:
    visitor = side.visitor(minds_paths=True)
    await visitor.ask("POST", "/plain/write/b/c", {"a": 1})
    found = visitor.attributes()
    elsewhere = (await visitor.told("GET", "/plain/read/"))[1]
    return {"path": found.get("path"), "samesite": found.get("samesite"), "elsewhere": elsewhere}


@fault({"rows": 0, "cookies": 0})
async def requests_without_a_cookie_make_rows(side: Side) -> Any:
    before = (await side.visitor().told("GET", "/days/inside/rows"))[1]["rows"]
    visitors = [side.visitor() for _ in range(200)]
    for visitor in visitors:
        await visitor.ask("GET", "/days/read/")
    after = (await side.visitor().told("GET", "/days/inside/rows"))[1]["rows"]
    # Looking at the number is a request without a cookie, too.
    return {"rows": max(0, after - before - 1), "cookies": sum(bool(visitor.sent) for visitor in visitors)}


@fault({"counted": 50})
async def fifty_increments_at_once_are_lost(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"count": 0})
    await asyncio.gather(*(side.visitor(visitor).ask("POST", "/plain/increment") for _ in range(50)))
    return {"counted": (await visitor.told("GET", "/plain/read/"))[1]["count"]}


@fault({"a": 1})
async def a_handler_that_fails_saves_all_the_same(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"a": 1})
    await visitor.ask("POST", "/plain/fail/500")
    return (await visitor.told("GET", "/plain/read/"))[1]


@fault([200, {}])
async def a_client_that_skips_breaks_the_handler(side: Side) -> Any:
    return await side.visitor().told("GET", "/skip/read/", None, **{"X-Skip": "yes"})


@fault({"a": 1})
async def a_websocket_has_no_session(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"a": 1})
    ((_, value),) = visitor.jar.items()
    address = f"{side.url.replace('http', 'ws').rstrip('/')}/plain/ws"
    async with connect(address, additional_headers={"cookie": f"sid={value}"}) as socket:
        return json.loads(await socket.recv())


@fault({})
async def two_applications_with_the_default_store_share_sessions(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/default-a/write/", {"user": "admin"})
    ((_, value),) = visitor.jar.items()
    other = side.visitor()
    other.jar["sid", "/"] = value
    return (await other.told("GET", "/default-b/read/"))[1]


@fault({})
async def a_token_that_the_key_signed_for_something_else_is_taken(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/plain/write/", {"user": "alice"})
    session_id = (await visitor.told("GET", "/plain/id"))[1]["id"]
    other = side.visitor()
    other.jar["sid", "/"] = URLSafeTimedSerializer(KEY).dumps({"sid": session_id, "for": "an address to confirm"})
    return (await other.told("GET", "/plain/read/"))[1]


@fault({"taken": False})
async def an_empty_key_is_taken(side: Side) -> Any:
    return (await side.visitor().told("POST", "/takes-empty-key"))[1]


@fault({"whole id": False, "whole cookie": False})
async def the_log_holds_the_whole_id(side: Side) -> Any:
    visitor = side.visitor()
    session_id = (await visitor.told("GET", "/logged/id"))[1]["id"]
    lines = "\n".join((await side.visitor(visitor).told("GET", "/logged/inside/log"))[1])
    values = [value for value in visitor.jar.values() if value in lines]
    return {"whole id": session_id in lines, "whole cookie": bool(values)}


@fault({"renewed": True, "still there": {"a": 1}})
async def a_session_that_is_used_is_not_renewed(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/hour/write/", {"a": 1})
    await side.advance(HOUR / 2)
    await visitor.ask("GET", "/hour/read/")
    renewed = bool(visitor.sent)
    await side.advance(HOUR - 60)
    return {"renewed": renewed, "still there": (await visitor.told("GET", "/hour/read/"))[1]}


@fault({"a": 1})
async def an_active_session_is_deleted_twelve_hours_after_it_was_made(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/days/write/", {"a": 1})
    for _ in range(13):
        await side.advance(HOUR)
        await visitor.ask("GET", "/days/read/")
    for _ in range(110):
        await side.visitor().ask("GET", "/days/read/")
    return (await visitor.told("GET", "/days/read/"))[1]


@fault({})
async def without_max_age_a_session_never_ends_on_the_server(side: Side) -> Any:
    visitor = side.visitor()
    await visitor.ask("POST", "/years/write/", {"user": "alice"})
    await side.advance(10 * YEAR)
    return (await visitor.told("GET", "/years/read/"))[1]


def scenarios() -> Mapping[str, Compared]:
    """Return all by what they say; those that move the clock far are last."""
    return {each.says: each for each in (*SAME, *FAULTS)}
