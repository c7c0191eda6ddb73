"""Titles of a user's conversations, each with the turn that stands for it."""

from dataclasses import dataclass
from typing import Self

from sqlalchemy import Boolean, Integer, Uuid, bindparam, case, select, true

from chatkeep.chat.search.candidates import OwnCandidate, has_file
from chatkeep.database.statement import Row, Statement
from chatkeep.database.tables import conversations, turns

_user_id = bindparam("user_id", type_=Uuid)
_c = conversations.c
_t = turns.c


@dataclass(frozen=True, slots=True)
class TitledCandidate(OwnCandidate):
    """The newest turn of a conversation, whose title may fit."""

    @classmethod
    def from_row(cls, row: Row) -> Self:
        named = (row["conversation_id"], row["title"], row["created_at"], row["model"], row["has_file"])
        return cls(row["turn_id"], (row["title"],), *named)


def _titles() -> Statement[TitledCandidate]:
    """The newest conversations before one, in the order in which they were begun."""
    newest = (
        select(_c.id, _c.title, _c.head_turn_id)
        .where(_c.user_id == _user_id, _c.id < bindparam("after", type_=Uuid))
        .where(_c.title.is_not(None), _c.head_turn_id.is_not(None))
        .order_by(_c.user_id.desc(), _c.id.desc())
        .limit(bindparam("limit", type_=Integer))
        .cte("newest")
        .prefix_with("MATERIALIZED")
    )
    head = newest.c.head_turn_id
    turn = (
        select(_t.created_at, _t.model)
        .where(_t.user_id == _user_id, _t.id.between(head, head))
        .limit(1)
        .lateral("turn")
    )
    file = case((bindparam("with_files", type_=Boolean), has_file(_user_id, head)))
    return Statement(
        select(newest.c.id.label("conversation_id"), newest.c.title, head.label("turn_id"), *turn.c)
        .add_columns(file.label("has_file"))
        .select_from(newest.join(turn, true()))
        .order_by(newest.c.id.desc()),
        row=TitledCandidate.from_row,
    )


TITLES = _titles()
