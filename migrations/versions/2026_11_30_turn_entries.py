"""What turns are found by, as numbers

In tables of their own: processes of the release before go on with theirs, and the service makes what is in those anew.
Names of accounts are found without their accents, too.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import context, op
from sqlalchemy.dialects import postgresql

from chatkeep.accounts.usernames import character_pairs

revision: str = "0023"
down_revision: str | None = "0022"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

TABLES = {
    "turn_entries": "What each finished turn is found by.",
    "reasoning_entries": "What the reasoning of each finished turn is found by; turns without reasoning have none.",
}


def upgrade() -> None:
    for name, comment in TABLES.items():
        op.create_table(
            name,
            sa.Column("user_id", sa.Uuid(), nullable=False),
            sa.Column("turn_id", sa.Uuid(), nullable=False),
            sa.Column("version", sa.SmallInteger(), nullable=False),
            sa.Column("lexemes", postgresql.ARRAY(sa.Integer()), nullable=True),
            sa.ForeignKeyConstraint(
                ["user_id", "turn_id"],
                ["turns.user_id", "turns.id"],
                name=op.f(f"fk_{name}_user_id_turn_id"),
                ondelete="CASCADE",
            ),
            sa.PrimaryKeyConstraint("user_id", "turn_id", name=op.f(f"pk_{name}")),
            comment=comment,
        )
        op.create_index(
            op.f(f"ix_{name}_lexemes"),
            name,
            ["lexemes"],
            unique=False,
            postgresql_using="gin",
            postgresql_with={"gin_pending_list_limit": 512},
        )
        op.create_index(op.f(f"ix_{name}_turn_id"), name, ["turn_id"], unique=False)
        op.create_index(
            f"ix_{name}_pending",
            name,
            ["user_id", "turn_id"],
            unique=False,
            postgresql_where=sa.text("lexemes IS NULL"),
        )
    _add_name_pairs()


def _add_name_pairs() -> None:
    """Have accounts found by their names without accents, too; of names in ASCII nothing changes.

    Written as SQL (`alembic upgrade --sql`), this is left out: it needs the names. Such accounts are then found by their
    names as they are written, and without accents once their name or address is changed.
    """
    if context.is_offline_mode():
        return
    connection = op.get_bind()
    named = connection.execute(
        sa.text(
            "SELECT id, username, email, display_name FROM users WHERE concat(username, email, display_name) ~ :other"
        ),
        {"other": "[^\\x01-\\x7f]"},
    ).all()
    for user_id, *names in named:
        connection.execute(
            sa.text("UPDATE users SET name_pairs = CAST(:pairs AS text[]) WHERE id = :id"),
            {"id": user_id, "pairs": character_pairs(*names)},
        )


def downgrade() -> None:
    # The release before makes what they are found by.
    for name, older in (("turn_entries", "turn_search"), ("reasoning_entries", "reasoning_search")):
        op.execute(
            f"INSERT INTO {older} (user_id, turn_id, part, version) SELECT user_id, turn_id, 0, 0 FROM {name}"
            " ON CONFLICT DO NOTHING"
        )
    for name in reversed(TABLES):
        op.drop_table(name)
