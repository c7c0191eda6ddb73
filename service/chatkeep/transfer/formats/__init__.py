"""The formats of other programs, and this one's own."""
