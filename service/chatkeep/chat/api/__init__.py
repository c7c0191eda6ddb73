"""Chat over HTTP: conversations, turns and search."""
