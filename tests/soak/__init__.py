"""Everything at once for some minutes: what the service holds must not grow.

Streams followed and cut, sign-ins, imports, exports, searches, administration, revocations, guests, ChatStream's
endpoints and half requests go on together, and the embedded PostgreSQL is killed in between. Memory, file descriptors,
threads and connections are measured all the time, and compared at rest. `make soak` takes ten minutes.
"""
