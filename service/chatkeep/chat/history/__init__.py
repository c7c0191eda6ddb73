"""Conversations and turns as they are kept: `queries` read, `updates` write, `begin` begins a turn."""
