"""Hot statements look for users' rows by the user's id, whatever else leads to them.

So the rows of all users could one day stand in several places: each statement says by itself where it has to go.
"""

import re
from collections.abc import Iterator
from typing import Any

import asyncpg

from chatkeep.database.tables import metadata
from tests.admin.hot_statements import HOT
from tests.admin.plans import plan_for_any
from tests.support.urls import driver_url

OF_USERS = {table.name for table in metadata.tables.values() if "user_id" in table.c}
# The id as it was given, or as a row has it that was found before.
KNOWN_USER = re.compile(r"\buser_id = (\$\d+|ANY|\(?\w+\.(user_)?id\b|\(InitPlan \d+\))")
CONDITIONS = ("Index Cond", "Recheck Cond", "Filter")

# What is read of all users, or before it is known whose it is. A statement that is new here needs a reason.
ACROSS_USERS = {
    # A cookie and a token hold a secret, and not yet the id of their user.
    "accounts.identity_queries.USER_BY_SESSION": {"login_sessions"},
    "accounts.identity_queries.USER_BY_TOKEN": {"access_tokens"},
    "accounts.identity_queries.ROLES_OF_DIGESTS": {"login_sessions", "access_tokens"},
    "accounts.identity_queries.TOUCH_SESSION": {"login_sessions"},
    "accounts.identity_queries.TOUCH_TOKEN": {"access_tokens"},
    "chatstream.queries.CONVERSATION_OF_SESSION": {"login_sessions"},
    # A process looks for the turns that it, or one that died, is answering: of whoever they are.
    "chat.history.queries.OWNERS": {"unsettled_turns"},
    "chat.history.updates.STREAMING_TURNS": {"unsettled_turns"},
    "chat.history.updates.STALLED_TURNS": {"unsettled_turns"},
    "chat.history.fragments.DELETE_ORPHAN_FRAGMENTS": {"turns"},
    # A range of the key that begins and ends with the same user: nobody else's entries are in it.
    "chat.search.candidates.SCAN": {"turn_entries"},
    "chat.search.candidates.SCAN_REASONING": {"reasoning_entries"},
    # The indexer's own work, which goes through everybody's turns.
    "chat.search.index_queries.PENDING": {"turn_entries"},
    "chat.search.index_queries.PENDING_REASONING": {"reasoning_entries"},
    "chat.search.index_queries.WINDOW": {"turns"},
    "chat.search.index_queries.LEFT_BEHIND": {"turns"},
    "chat.search.older_queries.NEWEST_OLDER": {"turn_search"},
    "chat.search.older_release_queries.MISSING": {"turns"},
    "chat.search.older_release_queries.ADOPT": {"turns"},
    "chat.search.older_release_queries.OLDEST_STREAMING": {"unsettled_turns"},
}


def scans(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield each step of a plan that reads rows of a table with users."""
    if plan.get("Relation Name") in OF_USERS and plan["Node Type"] != "ModifyTable":
        yield plan
    for step in plan.get("Plans", ()):
        yield from scans(step)


def searched_without_user(plan: dict[str, Any]) -> set[str]:
    """Return the tables of which rows are read that need not be of a known user."""
    return {
        step["Relation Name"]
        for step in scans(plan)
        if not any(KNOWN_USER.search(step.get(condition, "")) for condition in CONDITIONS)
    }


async def test_hot_statements_name_the_user_wherever_they_read_users_rows(database_url: str) -> None:
    connection = await asyncpg.connect(driver_url(database_url))
    try:
        # A join then looks up one row for each of the other side, and its condition stands at the step that reads.
        await connection.execute(
            "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off;"
            "SET plan_cache_mode = force_generic_plan"
        )
        plans = {name: await plan_for_any(connection, statement.sql) for name, statement in HOT.items()}
    finally:
        await connection.close()
    found = {name: searched_without_user(plan) for name, plan in plans.items()}
    assert {name: tables for name, tables in found.items() if tables} == ACROSS_USERS
    # Most of the others do read rows of users: a plan of which nothing is left proves nothing.
    assert sum(any(scans(plan)) for plan in plans.values()) > len(plans) * 3 // 4
