"""The answers that clients got, compared with the database."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import asyncpg

from tests.crash.client_view import Told, TurnTold
from tests.crash.findings import Findings
from tests.crash.replies import reply_to
from tests.support.urls import driver_url

TURNS = """
SELECT id::text, conversation_id::text, parent_id::text, position, status, prompt, reply, idempotency_key FROM turns
"""
UNFINISHED = """
SELECT (SELECT count(*) FROM turns WHERE status = 'streaming') AS turns,
       (SELECT count(*) FROM conversations WHERE streaming_turn_id IS NOT NULL) AS conversations,
       (SELECT count(*) FROM reply_fragments) AS fragments
"""
# Older releases have no such table.
HAS_UNSETTLED = "SELECT to_regclass('unsettled_turns') IS NOT NULL"
RUNNING = "SELECT count(*) FROM unsettled_turns WHERE ended_at IS NULL"
MISCOUNTED = """
SELECT (SELECT count(*) FROM conversations c
        WHERE c.turn_count <> (SELECT count(*) FROM turns t WHERE t.conversation_id = c.id)) AS conversations,
       (SELECT count(*) FROM user_activity a
        WHERE a.turn_count <> (SELECT count(*) FROM turns t WHERE t.user_id = a.user_id)
        OR a.conversation_count <> (SELECT count(*) FROM conversations c WHERE c.user_id = a.user_id)) AS users
"""
TITLES = "SELECT id::text, title FROM conversations"
USERNAMES = "SELECT username FROM users"

Row = Mapping[str, Any]


@dataclass
class Measured:
    """The counts and measurements of a scenario."""

    prompts: int = 0
    whole: int = 0
    cut: int = 0
    behind_seconds: float = 0.0
    allowed_behind_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Kept:
    """The contents of the database, when all is over."""

    turns: Sequence[Row]
    unfinished: Row
    miscounted: Row
    titles: Mapping[str, str | None]
    usernames: frozenset[str]

    @classmethod
    async def read(cls, url: str) -> "Kept":
        connection = await asyncpg.connect(driver_url(url))
        try:
            unfinished = await connection.fetchrow(UNFINISHED)
            miscounted = await connection.fetchrow(MISCOUNTED)
            has_unsettled = await connection.fetchval(HAS_UNSETTLED)
            running = await connection.fetchval(RUNNING) if has_unsettled else 0
            assert unfinished is not None
            assert miscounted is not None
            return cls(
                turns=[dict(row) for row in await connection.fetch(TURNS)],
                unfinished={**unfinished, "running": running},
                miscounted=dict(miscounted),
                titles={row["id"]: row["title"] for row in await connection.fetch(TITLES)},
                usernames=frozenset(row["username"] for row in await connection.fetch(USERNAMES)),
            )
        finally:
            await connection.close()


def check(told: Told, kept: Kept, findings: Findings, *, most_behind_seconds: float) -> Measured:
    """Compare; add to `findings` what differs.

    Args:
        most_behind_seconds: text that was read longer than this before a kill has to be kept; the time of two commits
            at that moment comes on top, one that it may have missed and one that it was in.
    """
    measured = Measured()
    _check_presence(told, kept, findings)
    by_key = {row["idempotency_key"]: row for row in kept.turns}
    for turn in told.turns.values():
        if turn.key in by_key:
            _check_reply(told, turn, by_key[turn.key], findings, measured, most_behind_seconds)
    _check_order(kept, findings)
    _check_rest(told, kept, findings)
    return measured


def _check_presence(told: Told, kept: Kept, findings: Findings) -> None:
    keys = Counter(
        row["idempotency_key"] for row in kept.turns if row["conversation_id"] not in told.gone_conversations
    )
    prompts = Counter(row["prompt"] for row in kept.turns)
    ids = {row["id"]: row["prompt"] for row in kept.turns}
    for turn in told.turns.values():
        if turn.kept_at is not None:
            findings.require(
                ids.get(turn.turn) == turn.prompt, "prompts are kept", f"{turn.turn} was acknowledged, and is not there"
            )
        most = max(keys[turn.key], prompts[turn.prompt])
        findings.require(most <= 1, "one turn for a key", f"{turn.key} has {most} turns")
        findings.require(most == 1 or not turn.status, "prompts are kept", f"{turn.key} was answered, and is not there")
    unknown = keys.keys() - told.turns.keys() - {None}
    findings.require(not unknown, "one turn for a key", f"turns that nobody asked for: {sorted(unknown)[:3]}")


def _check_reply(
    told: Told, turn: TurnTold, row: Row, findings: Findings, measured: Measured, most_behind_seconds: float
) -> None:
    reply, status = row["reply"] or "", row["status"]
    measured.prompts += turn.kept_at is not None
    whole = reply == reply_to(turn.prompt)
    measured.whole += status == "complete"
    findings.require(whole or status != "complete", "replies are whole", f"{turn.turn} is complete, and is not whole")
    findings.require(
        reply_to(turn.prompt).startswith(reply), "replies are whole", f"{turn.turn} {status}: no beginning of its reply"
    )
    if turn.status:
        was = (turn.status, turn.characters)
        same = was == (status, len(reply))
        findings.require(same, "a turn ends in one way", f"{turn.turn}: {was} was told, {status} {len(reply)} is kept")
    if status == "complete":
        return
    measured.cut += 1
    findings.require(_may_be_cut(told, turn, status), "a turn ends in one way", f"{turn.turn or turn.key} is {status}")
    if status == "streaming":  # its text is in fragments
        return
    _check_what_was_seen(told, turn, len(reply), findings, measured, most_behind_seconds)


def _may_be_cut(told: Told, turn: TurnTold, status: str) -> bool:
    """Whether a turn has a reason to be unfinished."""
    if status == "stopped":
        return turn.stop_asked
    ended = told.kills_of(turn) or told.was_told_to_stop(turn)
    return status == "interrupted" and bool(turn.doubted or ended)


def _check_what_was_seen(
    told: Told, turn: TurnTold, stored: int, findings: Findings, measured: Measured, most_behind_seconds: float
) -> None:
    lost_at = turn.first_seen_beyond(stored)
    if lost_at is None:
        return
    kills = told.kills_of(turn)
    if not kills:
        findings.add("what was seen is kept", f"{turn.turn}: {turn.seen} read, {stored} kept, and nobody was killed")
        return
    kill = next((each for each in kills if each.when > lost_at), None)
    if kill is None:  # what was read after the kill was on its way
        return
    behind_seconds = kill.when - lost_at
    allowed_seconds = most_behind_seconds + 2 * kill.commit_seconds
    measured.allowed_behind_seconds = max(measured.allowed_behind_seconds, allowed_seconds)
    measured.behind_seconds = max(measured.behind_seconds, behind_seconds)
    findings.require(
        behind_seconds <= allowed_seconds,
        "what was seen is kept",
        f"{turn.turn}: lost what was read {behind_seconds:.3f} s before the kill, of {allowed_seconds:.3f} s",
    )


def _check_order(kept: Kept, findings: Findings) -> None:
    """Each conversation of the load is one path, without gaps."""
    by_conversation: dict[str, list[Row]] = {}
    for row in kept.turns:
        by_conversation.setdefault(row["conversation_id"], []).append(row)
    for conversation, rows in by_conversation.items():
        rows.sort(key=lambda row: row["position"])
        positions = [row["position"] for row in rows]
        parents = [row["parent_id"] for row in rows]
        in_order = positions == [*range(len(rows))] and parents == [None, *(row["id"] for row in rows[:-1])]
        findings.require(in_order, "counters are right", f"the turns of {conversation} are no path: {positions}")


def _check_rest(told: Told, kept: Kept, findings: Findings) -> None:
    for what, count in kept.unfinished.items():
        findings.require(count == 0, "nothing is left streaming", f"{count} {what}")
    for what, count in kept.miscounted.items():
        findings.require(count == 0, "counters are right", f"{count} {what} are counted wrongly")
    for conversation in told.begun - kept.titles.keys():
        findings.add("what was acknowledged stays", f"conversation {conversation} was begun, and is not there")
    for conversation, title in told.titles.items():
        found = kept.titles.get(conversation)
        detail = f"{conversation} was named {title}, and is called {found}"
        findings.require(found == title, "what was acknowledged stays", detail)
    back = {row["conversation_id"] for row in kept.turns} | kept.titles.keys()
    for conversation in told.gone_conversations & back:
        findings.add("what was ended stays ended", f"conversation {conversation} is back")
    for username in told.gone_users & kept.usernames:
        findings.add("what was ended stays ended", f"{username} is back")
