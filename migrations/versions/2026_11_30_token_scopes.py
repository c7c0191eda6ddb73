"""Which scopes an access token has

Tokens from before keep all that their owner may do: they get every scope, by the column's default. So does a token that
a process of the release before makes while it goes on beside this one. No row is written.
"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0020"
down_revision: str | None = "0019"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

ALL = "{chat,read,import,account,admin}"


def upgrade() -> None:
    op.add_column(
        "access_tokens",
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False, server_default=sa.text(f"'{ALL}'")),
    )


def downgrade() -> None:
    # The release before knows no scopes: a token that was made for less would open the whole account.
    op.execute(f"DELETE FROM access_tokens WHERE NOT scopes @> '{ALL}'")
    op.drop_column("access_tokens", "scopes")
