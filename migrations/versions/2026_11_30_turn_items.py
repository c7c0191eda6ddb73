"""Turns of items: reasoning, tool calls and refusals beside the text, and how a reply ended

No table is rewritten, and none is read. New columns are null in every row that there is. The check on `status` lets
through all that the one before it did, so that no row has to be looked at: it is made `NOT VALID`, which holds for
every row that is written from now on.

Source: PostgreSQL manual, ALTER TABLE, Notes.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0014"
down_revision: str | None = "0013"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

COLUMNS = (
    ("finish_reason", sa.Text()),
    ("prompt_items", postgresql.JSONB()),
    ("reply_items", postgresql.JSONB()),
    ("cached_tokens", sa.Integer()),
    ("reasoning_tokens", sa.Integer()),
    ("left_out", sa.Integer()),
    ("continues", sa.Boolean()),
)
BEFORE = "'streaming', 'complete', 'stopped', 'failed', 'interrupted'"
NOW = "'streaming', 'complete', 'incomplete', 'stopped', 'failed', 'interrupted'"


def upgrade() -> None:
    for name, kind in COLUMNS:
        op.add_column("turns", sa.Column(name, kind, nullable=True))
    op.add_column("reply_fragments", sa.Column("kind", sa.Text(), nullable=True))
    check_status(NOW)


def downgrade() -> None:
    """Take the columns away, and with them all that is no plain text.

    What was cut or filtered becomes `complete`, as the code before this had it; such turns are found by an index.
    """
    op.execute("UPDATE turns SET status = 'complete' WHERE status = 'incomplete'")
    op.execute("DELETE FROM reply_fragments WHERE kind IS NOT NULL")
    check_status(BEFORE)
    op.drop_column("reply_fragments", "kind")
    for name, _ in reversed(COLUMNS):
        op.drop_column("turns", name)


def check_status(words: str) -> None:
    op.execute("ALTER TABLE turns DROP CONSTRAINT ck_turns_status")
    op.execute(f"ALTER TABLE turns ADD CONSTRAINT ck_turns_status CHECK (status IN ({words})) NOT VALID")
