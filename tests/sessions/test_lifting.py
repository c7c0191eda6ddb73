"""The library by itself: taken out of the service, and without a database."""

import shutil
import subprocess
import sys
from pathlib import Path

import chatkeep

SERVICE = Path(chatkeep.__file__).parent
NEEDED = ("__init__.py", "clock.py", "errors.py", "ids.py", "signing_keys.py")
OF_THE_DATABASE = ("database_store.py",)

REFUSE = """
import sys

class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ("sqlalchemy", "asyncpg", "fastapi", "pydantic", "alembic", "structlog"):
            raise ImportError(f"{name} must not be needed")

sys.meta_path.insert(0, Refuse())
"""

APPLICATION = """
import asyncio
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route
from chatkeep.sessions import FasterSessionMiddleware, MemoryStore

async def count(request):
    session = request.state.session.get_session()
    session["count"] = session.get("count", 0) + 1
    return JSONResponse(session)

app = Starlette(routes=[Route("/", count)])
app.add_middleware(FasterSessionMiddleware, secret_key="a key of these tests 0123456789 abcdef", store=MemoryStore())

async def ask(cookie):
    sent = []

    async def receive():
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": [(b"cookie", cookie)]}
    await app(scope, receive, send)
    return dict(sent[0]["headers"]).get(b"set-cookie", b"").partition(b";")[0], sent[1]["body"]

async def main():
    cookie, _ = await ask(b"")
    print((await ask(cookie))[1].decode())

asyncio.run(main())
"""


def run(program: str, folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_importing_it_imports_no_database() -> None:
    program = f"{REFUSE}\nimport chatkeep.sessions\nprint(sorted(n for n in sys.modules if n.startswith('chatkeep.')))"
    imported = run(program, SERVICE.parent)
    assert "chatkeep.sessions.middleware" in imported
    assert "chatkeep.database" not in imported


def test_the_database_store_is_imported_for_who_asks() -> None:
    loaded = "print('sqlalchemy' in sys.modules)"
    program = f"import chatkeep.sessions, sys; {loaded}; chatkeep.sessions.DatabaseStore; {loaded}"
    assert run(program, SERVICE.parent).split() == ["False", "True"]


def test_a_copy_of_it_works_without_the_service(tmp_path: Path) -> None:
    copy = tmp_path / "chatkeep"
    shutil.copytree(SERVICE / "sessions", copy / "sessions", ignore=shutil.ignore_patterns(*OF_THE_DATABASE))
    for name in NEEDED:
        shutil.copy(SERVICE / name, copy / name)
    assert run(REFUSE + APPLICATION, tmp_path) == '{"count":2}'
