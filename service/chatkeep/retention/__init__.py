"""The retention policy: which conversations are due, and their deletion."""
