"""The files that a page loads: few, for ever, and in two languages."""

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any, get_args
from uuid import UUID

import httpx2
import pytest

from chatkeep.audit.actions import Action
from chatkeep.audit.verification import Fault
from chatkeep.chat.status import Status
from chatkeep.http.languages import LANGUAGES
from chatkeep.statistics.report import Bucket
from chatkeep.web import router as web
from chatkeep.web.chart_data import COUNTED, PERCENTILES, PERIODS, TIMED
from chatkeep.web.console import SECTIONS
from chatkeep.web.translations import texts_of, texts_of_modules
from tests.support.running_service import RunningService

WEB = Path(web.__file__).parent
MADE = ("error_", "turn_", "access_", "action_", "actor_", "fault_", "scope_", "state_", "link_")
MODULES = sorted((WEB / "static").glob("*.js"))
MAX_BYTES = 100_000
CONSOLE = (
    "/console",
    *(f"/console/{name}" for name in SECTIONS),
    f"/console/conversations/{UUID(int=0)}",
    f"/console/users/{UUID(int=0)}",
)


async def loaded(client: httpx2.AsyncClient, path: str, *, later: bool = False) -> dict[str, bytes]:
    """Return a page and everything that it loads, by address; with `later` also what it loads when it is needed."""
    imported = r'(?:from |import\()"\./([^"]+)"' if later else r'from "\./([^"]+)"'
    found = {path: (await client.get(path)).content}
    waiting = re.findall(r'(?:href|src)="(/static/[^"]+)"', found[path].decode())
    while waiting:
        address = waiting.pop()
        if address in found:
            continue
        answer = await client.get(address)
        assert answer.status_code == 200, address
        found[address] = answer.content
        folder = address.rpartition("/")[0]
        waiting += [f"{folder}/{name}" for name in re.findall(imported, answer.text)]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("path", ["/", "/account", "/set-password", *CONSOLE])
async def test_a_page_with_all_that_it_loads_weighs_less_than_100_kb(
    service: RunningService, path: str, language: str
) -> None:
    client = (await service.administrator()).client
    client.headers["Accept-Language"] = language
    files = await loaded(client, path)
    weights = {address.rpartition("/")[2]: len(body) for address, body in files.items()}
    assert sum(weights.values()) < MAX_BYTES, sorted(weights.items(), key=lambda each: each[1])
    assert {"style.css", "texts.js", "icon.svg", "dom.js"} <= weights.keys()


async def test_every_module_is_used_by_a_page(service: RunningService) -> None:
    clients = (service.client(), (await service.administrator()).client)
    pages = [
        await loaded(client, path, later=True)
        for client in clients
        for path in ("/", "/account", "/set-password", *CONSOLE)
    ]
    names = {address.rpartition("/")[2] for page in pages for address in page}
    assert {path.name for path in MODULES} <= names


async def test_files_are_kept_for_ever_under_their_address_and_another_versions_are_kept_by_nobody(
    service: RunningService,
) -> None:
    client = service.client()
    page = (await client.get("/")).text
    address = re.findall(r'href="(/static/[^"]+\.css)"', page)[0]
    answer = await client.get(address)
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-type"] == "text/css; charset=utf-8"
    again = await client.get(address, headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    older = await client.get(re.sub(r"/static/\w+/", "/static/0123456789abcdef/", address))
    assert (older.status_code, older.headers["cache-control"]) == (200, "no-store")
    assert older.content == answer.content


@pytest.mark.parametrize(
    "path", ["x/en/none.js", "x/fr/dom.js", "x/en/..%2f..%2frouter.py", "x/en/%2e%2e/router.py", "x/en/router.py"]
)
async def test_no_other_file_is_sent(service: RunningService, path: str) -> None:
    assert (await service.client().get(f"/static/{path}")).status_code == 404


async def test_the_consoles_pages_are_for_administrators(service: RunningService) -> None:
    person = await service.person()
    for client, status in ((person.client, 403), (service.client(), 200)):
        for path in CONSOLE:
            answer = await client.get(path)
            assert answer.status_code == status, path
            assert re.findall(r"/console-?(\w*)\.(?:js|css)", answer.text) == ["closed"], path


@pytest.mark.parametrize("path", ["/", "/account", "/c/01980000-0000-7000-8000-000000000000", *CONSOLE])
async def test_a_page_lets_nothing_run_but_its_own_files(service: RunningService, path: str) -> None:
    answer = await (await service.administrator()).client.get(path)
    assert answer.status_code == 200
    policy = dict(part.strip().partition(" ")[::2] for part in answer.headers["content-security-policy"].split(";"))
    assert policy == {
        "default-src": "'none'",
        "script-src": "'self'",
        "style-src": "'self'",
        "img-src": "'self'",
        "connect-src": "'self'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
        "require-trusted-types-for": "'script'",
        "trusted-types": "chatkeep",
    }
    assert answer.headers["cache-control"] == "no-store"
    assert not re.search(r"\s(style|on\w+)=", answer.text)
    assert re.findall(r"<script[^>]*>", answer.text) == [
        tag for tag in re.findall(r"<script[^>]*>", answer.text) if 'type="module" src="/static/' in tag
    ]


@pytest.mark.parametrize(
    ("accepted", "cookie", "language"),
    [
        ("ja,en;q=0.5", None, "ja"),
        ("en;q=0.4, ja-JP;q=0.9", None, "ja"),
        ("de, fr", None, "en"),
        ("ja;q=0, en", None, "en"),
        ("ja;q=x", None, "en"),
        ("", None, "en"),
        ("ja", "en", "en"),
        ("en", "ja", "ja"),
        ("ja", "xx", "ja"),
    ],
)
async def test_the_language_is_the_browsers_or_the_chosen_one(
    service: RunningService, accepted: str, cookie: str | None, language: str
) -> None:
    headers = {"Accept-Language": accepted} | ({"Cookie": f"lang={cookie}"} if cookie else {})
    assert f'<html lang="{language}"' in (await service.client(headers=headers).get("/")).text


def groups() -> dict[str, dict[str, dict[str, str]]]:
    found: dict[str, Any] = json.loads((WEB / "texts.json").read_text(encoding="utf-8"))
    return found


def test_every_text_is_there_in_each_language_with_the_same_parts() -> None:
    for group in groups().values():
        for name, words in group.items():
            assert tuple(words) == LANGUAGES, name
            assert all(words.values()), name
            parts = {frozenset(re.findall(r"\{\w+\}", text)) for text in words.values()}
            assert len(parts) == 1, name


def test_every_text_is_used_and_every_used_one_is_there() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in MODULES)
    pages = "".join(path.read_text(encoding="utf-8") for path in (WEB / "templates").iterdir())
    # Some are loaded with the modules that say them, and not by every page.
    apart = {
        "account": ("account.js", "import.js"),
        "actions": ("actions.js",),
        "attachments": ("attachments.js",),
        "list_actions": ("list-actions.js",),
        "search": ("search.js",),
        "settings": ("settings.js",),
        "shortcuts": ("shortcuts.js",),
        "sign_in": ("sign-in-form.js", "set-password.js"),
    }
    for group, names in apart.items():
        elsewhere = "".join(path.read_text(encoding="utf-8") for path in MODULES if path.name not in names)
        assert not set(groups()[group]) & set(re.findall(r'\bt\(\s*"([a-z_0-9]+)"', elsewhere)), group
    in_modules = set(texts_of_modules("en")).union(*(groups()[group] for group in apart))
    named = set(re.findall(r'"([a-z_0-9]+)"', code))
    in_console = set(groups()["console"])
    made = {name for name in in_modules | in_console if name.startswith(MADE) or name.endswith("_hint")}
    assert (in_modules | in_console) - named <= made
    assert {f"action_{each}" for each in Action} | {f"fault_{each.name.lower()}" for each in Fault} - {
        "fault_gone_since"
    } <= in_console
    assert not in_console & (in_modules | set(groups()["templates"]))
    assert set(re.findall(r'\bt\(\s*"([a-z_0-9]+)"', code)) <= in_modules | in_console
    others = "".join(path.read_text(encoding="utf-8") for path in MODULES if not path.name.startswith("console"))
    assert set(re.findall(r'\bt\(\s*"([a-z_0-9]+)"', others)) <= in_modules
    on_pages = set(re.findall(r"\bt\.([a-z_0-9]+)", pages))
    on_pages |= {f"{name}_{each}" for name in ("section", "lead") for each in (*SECTIONS, "conversation", "person")}
    on_pages |= {f"status_{each}" for each in get_args(Status)}
    on_pages |= {f"period_{each}" for each in PERIODS} | {f"figure_{each}" for each in (*COUNTED, *TIMED)}
    on_pages |= {f"series_{each}" for each in (*chain(*COUNTED.values()), *PERCENTILES)} | {
        f"told_{each}" for each in TIMED
    }
    on_pages |= {f"action_{each}" for each in Action}
    on_pages |= {f"format_{each}{kind}" for each in get_args(Bucket) for kind in ("", "_long")}
    python = (WEB / "chart_data.py").read_text(encoding="utf-8")
    on_pages |= set(re.findall(r'\btexts\["([a-z_0-9]+)"\]', python))
    assert on_pages <= set(texts_of("en"))
    assert set(groups()["templates"]) <= on_pages


def test_no_words_are_written_anywhere_else() -> None:
    for path in (WEB / "templates").glob("*.html"):
        text = re.sub(
            r"{[%] block page %}.*?{% endblock %}|{[%{#].*?[%}#]}|<[^>]*>",
            " ",
            path.read_text(encoding="utf-8"),
            flags=re.DOTALL,
        )
        assert set(text.split()) <= {"Chatkeep", "·", "English", "日本語"}, path.name


def test_only_one_place_makes_html_of_text() -> None:
    for path in MODULES:
        code = path.read_text(encoding="utf-8")
        if path.name != "html.js":
            assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|setHTML", code), path
        # Indentation is taken out of what is sent, which must not be inside of a text.
        assert all(line.count("`") % 2 == 0 for line in code.splitlines()), path.name


@pytest.mark.parametrize("path", ["/", "/account"])
async def test_every_module_is_asked_for_at_once(service: RunningService, path: str) -> None:
    page = (await service.client().get(path)).text
    named = re.findall(r'(?:<script type="module" src|<link rel="modulepreload" href)="([^"]+)"', page)
    assert sorted(named) == sorted(address for address in await loaded(service.client(), path) if ".js" in address)
