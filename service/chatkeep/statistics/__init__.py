"""Counters of what happened, kept as it happens: they outlive the histories that they count."""
