"""Loads what the service is made of, for the processes that `tests.support.forks` makes from this one.

Nothing of `chatkeep.cli` itself: it looks at its terminal and its environment as it is loaded.
"""

import gc
from importlib import import_module

LIBRARIES = (
    "alembic",
    "asyncpg",
    "chatkeep.app.worker",
    "chatkeep.connections.protocol",
    "httptools",
    "pydantic_settings",
    "rich.table",
    "sqlalchemy.ext.asyncio",
    "typer",
    "uvicorn",
    "uvloop",
)

# As the command loads its own: without looking for garbage among it, then or in each fork.
gc.disable()
for library in LIBRARIES:
    import_module(library)
gc.freeze()
gc.enable()
