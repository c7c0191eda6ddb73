"""The serving processes: the listener, the supervisor and its workers, and the start block."""
