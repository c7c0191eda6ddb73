"""Promises of the service, held against real crashes: real processes, real PostgreSQL, real SIGKILL.

Clients write what they were told to a log, which is on disk before they go on; afterwards it is compared with the
database. `make crash` runs all of it, `test_crashes.py` a short version.

What this cannot show: a lost power supply. The kernel of the machine survives a SIGKILL and keeps what was written to
it, so `fsync=off` would pass here; the service refuses such a database when it starts.
"""
