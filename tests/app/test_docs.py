"""The page of the API for people: whole, safe, and good to copy from."""

import asyncio
import base64
import hashlib
import json
import re
import shlex
from html import unescape
from html.parser import HTMLParser
from typing import Any

import httpx2
import pytest
from fastapi.openapi.utils import get_openapi

from chatkeep.app.openapi import OPENAPI_PATH
from tests.support.running_service import RunningService, running

VOID = {"meta", "br", "hr", "img", "link", "input"}


class Page(HTMLParser):
    """The elements of the page; fails where one is left open."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: dict[str, list[str]] = {}
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
            self.texts.setdefault(tag, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        for tag in set(self.open):
            self.texts[tag][-1] += data

    def all(self, attribute: str) -> list[str]:
        return [str(found[attribute]) for _, found in self.elements if attribute in found]


@pytest.fixture(scope="module")
async def answer(service: RunningService) -> httpx2.Response:
    return await service.client().get("/docs")


@pytest.fixture(scope="module")
def page(answer: httpx2.Response) -> Page:
    return Page(answer.text)


@pytest.fixture(scope="module")
def operations(service: RunningService) -> list[tuple[str, str, dict[str, Any]]]:
    paths = service.app.openapi()["paths"]
    return [(method.upper(), path, each) for path, item in paths.items() for method, each in item.items()]


def policy(answer: httpx2.Response) -> dict[str, str]:
    parts = answer.headers["content-security-policy"].split(";")
    return {name: sources for name, _, sources in (part.strip().partition(" ") for part in parts)}


def test_the_page_is_html_for_any_screen(answer: httpx2.Response, page: Page) -> None:
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.text.lower().startswith("<!doctype html>")
    assert ("html", {"lang": "en"}) in page.elements
    assert ("meta", {"name": "viewport", "content": "width=device-width, initial-scale=1"}) in page.elements
    (style,) = page.texts["style"]
    assert "color-scheme: light dark" in style
    assert "prefers-color-scheme: dark" in style


def test_only_its_own_style_may_run_and_it_is_the_one_on_the_page(answer: httpx2.Response, page: Page) -> None:
    (style,) = page.texts["style"]
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    assert policy(answer) == {
        "default-src": "'none'",
        "style-src": f"'sha256-{digest}'",
        "base-uri": "'none'",
        "form-action": "'none'",
        "frame-ancestors": "'none'",
    }


def test_it_has_no_script_and_needs_nothing_from_elsewhere(page: Page) -> None:
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "video", "svg"}
    attributes = {name for _, found in page.elements for name in found}
    assert not {name for name in attributes if name.startswith("on")} | attributes & {"src", "style", "srcset"}
    (style,) = page.texts["style"]
    assert "url(" not in style
    assert "@import" not in style
    assert {href for href in page.all("href") if not href.startswith("#")} == {OPENAPI_PATH}


def test_every_link_leads_somewhere(page: Page) -> None:
    ids = page.all("id")
    assert len(set(ids)) == len(ids)
    assert {href[1:] for href in page.all("href") if href.startswith("#")} <= set(ids)


def test_every_call_is_in_the_contents_and_on_the_page(
    page: Page, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    sections = dict(zip(_call_ids(page), page.texts["article"], strict=True))
    for method, path, operation in operations:
        name = operation["operationId"]
        assert page.all("href").count(f"#{name}") >= 2
        section = sections[name]
        for told in (method, path, operation["summary"], "curl"):
            assert told in section, (name, told)
        for parameter in operation.get("parameters", ()):
            assert parameter["name"] in section
        for status, answer in operation["responses"].items():
            assert status in section
            for code in answer.get("content", {}).get("application/problem+json", {}).get("examples", {}):
                assert code in section
        for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
            if media_type == "application/json":
                assert json.dumps(content["example"], indent=2, ensure_ascii=False) in section


def _call_ids(page: Page) -> list[str]:
    return [str(found["id"]) for tag, found in page.elements if tag == "article"]


def test_every_shape_that_a_body_has_is_on_the_page(service: RunningService, page: Page) -> None:
    schemas = service.app.openapi()["components"]["schemas"]
    named = {name for name, schema in schemas.items() if "properties" in schema and not name.startswith("Page_")}
    assert {name.removeprefix("shape-") for name in _call_ids(page) if name.startswith("shape-")} == named


def test_examples_for_a_shell_ask_this_service(
    service: RunningService, answer: httpx2.Response, operations: list[tuple[str, str, dict[str, Any]]]
) -> None:
    found = [unescape(each) for each in re.findall(r"<code>(curl .*?)</code>", answer.text, re.DOTALL)]
    assert len(found) == len(operations)
    for command, (method, path, operation) in zip(found, sorted(operations, key=_by_tag(service)), strict=True):
        words = shlex.split(command)
        url = next(word for word in words if word.startswith("http"))
        assert url.startswith(service.url + "/")
        assert "{" not in url
        assert ("-X" in words) == (method != "GET")
        contents = operation.get("requestBody", {}).get("content", {})
        assert ("-d" in words) == ("application/json" in contents)
        assert ("--data-binary" in words) == ("application/octet-stream" in contents)
        assert ("-F" in words) == (contents.keys() == {"multipart/form-data"})
        if "-d" in words:
            json.loads(words[words.index("-d") + 1])
        assert ("cookies.txt" in words) == bool(
            operation["security"] or path.endswith(("/login", "/register", "/link/password"))
        )


def _by_tag(service: RunningService) -> Any:
    names = [tag["name"] for tag in service.app.openapi()["tags"]]
    return lambda each: names.index(each[2]["tags"][0])


async def test_the_address_of_a_request_cannot_write_on_the_page(shared_database_url: str) -> None:
    async with running(shared_database_url, allowed_hosts="*") as service:
        for host in ('x"><script>alert(1)</script>', "a'onload=alert(1)", "<b>", "&amp;"):
            answer = await service.client().get("/docs", headers={"Host": host})
            assert answer.status_code == 400
            assert host not in answer.text
        behind = {"Host": "chat.example.org", "X-Forwarded-Proto": "https"}
        assert "http://chat.example.org/api" in (await service.client().get("/docs", headers=behind)).text
    async with running(shared_database_url, allowed_hosts="*", trusted_proxies="127.0.0.1") as service:
        assert "https://chat.example.org/api" in (await service.client().get("/docs", headers=behind)).text


@pytest.mark.parametrize("path", [OPENAPI_PATH, "/docs"])
async def test_it_is_made_once_however_many_ask_first(
    shared_database_url: str, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[object] = []

    def counted(**options: Any) -> dict[str, Any]:
        made.append(options["title"])
        return get_openapi(**options)

    monkeypatch.setattr("chatkeep.app.openapi.get_openapi", counted)
    async with running(shared_database_url) as service:
        client = service.client()
        answers = await asyncio.gather(*(client.get(path) for _ in range(8)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len(made) == 1
