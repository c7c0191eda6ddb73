"""The audit trail: who did or read what, append-only, in chains of hashes whose ends are sealed with a key."""
