"""Measurements of what it costs to spread the service over several servers, for docs/scaling.md."""
