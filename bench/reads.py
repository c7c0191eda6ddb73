"""Reading back, beside the bare driver: the same rows of the same conversation."""

from bench.measurements import Figure, paired
from bench.sides import Both
from chatkeep.chat.history import conversations as queries
from chatkeep.chat.history.pages import turns_up

_TURNS = "SELECT * FROM turns WHERE user_id = $1 AND conversation_id = $2 ORDER BY position DESC LIMIT 50"
_CONVERSATIONS = "SELECT * FROM conversations WHERE user_id = $1 ORDER BY last_turn_at DESC, id DESC LIMIT 30"


async def last_turns(both: Both) -> list[Figure]:
    """The last 50 turns of a conversation of 200."""
    async with both.conversation(200) as place:

        async def ours(number: int) -> None:
            page = await turns_up(both.database, place.user_id, place.conversation_id, start_id=None, limit=50)
            assert len(page.turns) == 50

        async def bare(number: int) -> None:
            assert len(await both.bare.fetch(_TURNS, place.user_id, place.conversation_id)) == 50

        sides = await paired(ours, bare, times=both.effort.of(150), rounds=both.effort.rounds)
    return [sides.ratio("last 50 turns", 1.6)]


async def conversations(both: Both) -> list[Figure]:
    """The newest 30 conversations of a user who has 20 and ten more."""
    user_id = both.places[0].user_id
    for _ in range(10):
        await both.new_conversation(user_id)
    values = {"user_id": user_id, "after_time": queries.NEWEST_TIME, "after_id": queries.NEWEST_ID, "limit": 30}

    async def ours(number: int) -> None:
        assert len(await both.database.rows(queries.LIST_CONVERSATIONS, **values)) == 30

    async def bare(number: int) -> None:
        assert len(await both.bare.fetch(_CONVERSATIONS, user_id)) == 30

    sides = await paired(ours, bare, times=both.effort.of(150), rounds=both.effort.rounds)
    return [sides.ratio("30 conversations", 1.6)]
