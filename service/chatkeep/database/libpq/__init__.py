"""The address of a database as libpq reads it, and the one function that opens a connection there."""
