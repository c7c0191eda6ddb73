"""The scenarios: what is killed, and under which load."""
