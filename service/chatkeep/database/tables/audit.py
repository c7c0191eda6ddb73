"""The audit trail: its events, whom they are about, and the ends of its chains."""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from chatkeep.database.tables.schema import TIME, metadata

AUDIT_CHAINS = 8

audit_chains = Table(
    "audit_chains",
    metadata,
    Column("chain", SmallInteger, primary_key=True),
    Column("seq", BigInteger, nullable=False, server_default=text("0")),
    Column("hash", LargeBinary, nullable=False),
    # By the id of the key that made each.
    Column("seals", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    comment="Where each chain of audit_events ends; a row's lock gives out the next place in its chain.",
)

audit_events = Table(
    "audit_events",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("chain", SmallInteger, nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("prev_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("created_at", TIME, nullable=False),
    Column("action", Text, nullable=False),
    Column("actor_kind", Text, nullable=False),
    Column("actor_id", Uuid),
    Column("subject_ids", ARRAY(Uuid), nullable=False, server_default=text("'{}'::uuid[]")),
    Column("reason", Text),
    Column("address", Text),
    Column("request_id", Text),
    Column("details", JSONB, nullable=False, server_default=text("'{}'::jsonb")),
    # Now and then, where all chains ended as this row was written.
    Column("heads", JSONB(none_as_null=True)),
    UniqueConstraint("chain", "seq"),
    CheckConstraint(f"chain >= 0 AND chain < {AUDIT_CHAINS}", name="chain"),
    CheckConstraint("seq > 0", name="seq"),
    Index(None, "actor_id", "id"),
    Index(None, "action", "id"),
    comment="Who did or read what. Rows are added and never changed: the owner has no right to.",
)

audit_subjects = Table(
    "audit_subjects",
    metadata,
    Column("subject_id", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    # Somebody else looked at what the subject wrote.
    Column("is_read", Boolean, nullable=False),
    PrimaryKeyConstraint("subject_id", "event_id"),
    Index("ix_audit_subjects_reads", "subject_id", "event_id", postgresql_where=text("is_read")),
    comment="By which account an event is found: audit_events.subject_ids, as an index.",
)
