"""PostgreSQL's own programs, files and processes: what the embedded server is made of."""
