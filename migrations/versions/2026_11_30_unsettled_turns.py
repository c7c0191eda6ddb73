"""Turns begin and end in functions, and an end changes no index

What runs has a narrow table, `unsettled_turns`, in place of an index of `turns` by status; what ended in an unusual way
has another. Processes of the release before may go on beside this one, which looks for the turns that they begin and
end: see `chatkeep.chat.search.unindexed_turns`. No row of `turns` is written.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op

from chatkeep.database.functions import definition_of

revision: str = "0017"
down_revision: str | None = "0016"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

FUNCTIONS = ("begin_turn_1", "end_turn_1")


def upgrade() -> None:
    op.create_table(
        "unsettled_turns",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("conversation_id", sa.Uuid(), nullable=False),
        sa.Column("replica_id", sa.Uuid(), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_unsettled_turns_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "turn_id", name=op.f("pk_unsettled_turns")),
        postgresql_with={"fillfactor": 50, "autovacuum_vacuum_scale_factor": 0, "autovacuum_vacuum_threshold": 2000},
        comment="Turns that are being answered, and those that ended a moment ago and are not in `turn_search` yet.",
    )
    op.create_table(
        "unusual_turns",
        sa.Column("user_id", sa.Uuid(), nullable=False),
        sa.Column("turn_id", sa.Uuid(), nullable=False),
        sa.Column("status", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["user_id", "turn_id"],
            ["turns.user_id", "turns.id"],
            name=op.f("fk_unusual_turns_user_id_turn_id"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("user_id", "turn_id", name=op.f("pk_unusual_turns")),
        comment="Turns that ended in another way than `complete`, for an administrator's filter.",
    )
    op.execute(
        "INSERT INTO unsettled_turns (user_id, turn_id, conversation_id, replica_id)"
        " SELECT user_id, id, conversation_id, coalesce(replica_id, '00000000-0000-0000-0000-000000000000') FROM turns"
        " WHERE status = 'streaming'"
    )
    op.execute(
        "INSERT INTO unusual_turns (user_id, turn_id, status) SELECT user_id, id, status FROM turns"
        " WHERE status <> 'complete' AND status <> 'streaming'"
    )
    op.create_index(op.f("ix_unusual_turns_status_turn_id"), "unusual_turns", ["status", "turn_id"])
    for name in FUNCTIONS:
        op.execute(definition_of(name))
    op.drop_index("ix_turns_streaming", table_name="turns")
    op.drop_index("ix_turns_unusual_status", table_name="turns")
    # Of pages that are written from now on.
    op.execute("ALTER TABLE turns SET (fillfactor = 50)")


def downgrade() -> None:
    op.execute("ALTER TABLE turns RESET (fillfactor)")
    op.create_index(
        "ix_turns_unusual_status", "turns", ["status", "id"], postgresql_where=sa.text("status <> 'complete'")
    )
    op.create_index("ix_turns_streaming", "turns", ["replica_id"], postgresql_where=sa.text("status = 'streaming'"))
    for name in FUNCTIONS:
        op.execute(f"DROP FUNCTION {name}")
    op.execute(
        "UPDATE turns t SET replica_id = u.replica_id FROM unsettled_turns u"
        " WHERE t.user_id = u.user_id AND t.id = u.turn_id AND t.status = 'streaming'"
    )
    # The release before makes what they are found by, and that of their reasoning with `chatkeep search reindex`.
    op.execute(
        "INSERT INTO turn_search (user_id, turn_id, part, version) SELECT user_id, turn_id, 0, 0 FROM unsettled_turns"
        " WHERE ended_at IS NOT NULL ON CONFLICT DO NOTHING"
    )
    op.drop_table("unusual_turns")
    op.drop_table("unsettled_turns")
