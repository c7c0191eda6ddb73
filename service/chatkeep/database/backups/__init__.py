"""Backups: the whole database in one file, made and restored by PostgreSQL's own programs."""
