"""The audit trail"""

from collections.abc import Sequence

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision: str = "0007"
down_revision: str | None = "0006"
branch_labels: Sequence[str] | None = None
depends_on: Sequence[str] | None = None

CHAINS = 8


def upgrade() -> None:
    op.create_table(
        "audit_chains",
        sa.Column("chain", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("seals", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.PrimaryKeyConstraint("chain", name=op.f("pk_audit_chains")),
        comment="Where each chain of audit_events ends; a row's lock gives out the next place in its chain.",
    )
    op.create_table(
        "audit_events",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("chain", sa.SmallInteger(), nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("prev_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("actor_kind", sa.Text(), nullable=False),
        sa.Column("actor_id", sa.Uuid(), nullable=True),
        sa.Column("subject_ids", postgresql.ARRAY(sa.Uuid()), server_default=sa.text("'{}'::uuid[]"), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("address", sa.Text(), nullable=True),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("details", postgresql.JSONB(), server_default=sa.text("'{}'::jsonb"), nullable=False),
        sa.Column("heads", postgresql.JSONB(none_as_null=True), nullable=True),
        sa.CheckConstraint(f"chain >= 0 AND chain < {CHAINS}", name=op.f("ck_audit_events_chain")),
        sa.CheckConstraint("seq > 0", name=op.f("ck_audit_events_seq")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_events")),
        sa.UniqueConstraint("chain", "seq", name=op.f("uq_audit_events_chain_seq")),
        comment="Who did or read what. Rows are added and never changed: the owner has no right to.",
    )
    op.create_index(op.f("ix_audit_events_actor_id_id"), "audit_events", ["actor_id", "id"])
    op.create_index(op.f("ix_audit_events_action_id"), "audit_events", ["action", "id"])
    op.create_table(
        "audit_subjects",
        sa.Column("subject_id", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("is_read", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("subject_id", "event_id", name=op.f("pk_audit_subjects")),
        comment="By which account an event is found: audit_events.subject_ids, as an index.",
    )
    op.create_index(
        "ix_audit_subjects_reads",
        "audit_subjects",
        ["subject_id", "event_id"],
        postgresql_where=sa.text("is_read"),
    )
    op.execute(
        "INSERT INTO audit_chains (chain, hash) "
        f"SELECT chain, decode(repeat('00', 32), 'hex') FROM generate_series(0, {CHAINS - 1}) chain"
    )
    # Whoever gets a statement of their own into the service (SQL injection) cannot edit the trail with it, and nobody
    # does by accident. The owner can give itself the right back; that is what the seals are for.
    for table in ("audit_events", "audit_subjects"):
        op.execute(f"REVOKE UPDATE, DELETE, TRUNCATE ON {table} FROM CURRENT_USER")
    op.execute("REVOKE DELETE, TRUNCATE ON audit_chains FROM CURRENT_USER")


def downgrade() -> None:
    op.drop_table("audit_subjects")
    op.drop_table("audit_events")
    op.drop_table("audit_chains")
