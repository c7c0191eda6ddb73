"""A reply while it is generated: queued, written down, streamed, and recovered when its process dies."""
