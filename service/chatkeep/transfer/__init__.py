"""Histories that move: conversations as files, out and in."""
