"""Every word on the pages, in each language: `texts.json`, and which language a request is answered in."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from starlette.requests import Request

LANGUAGES = ("en", "ja")
LANGUAGE_COOKIE = "lang"


@cache
def texts_of(language: str) -> Mapping[str, str]:
    """Return every text of one language by its name."""
    return {name: words[language] for group in _groups().values() for name, words in group.items()}


@cache
def texts_of_modules(language: str) -> Mapping[str, str]:
    """Return the texts that the modules need; what only the templates say is not sent twice."""
    return texts_of_group("modules", language)


@cache
def texts_of_group(group: str, language: str) -> Mapping[str, str]:
    return {name: words[language] for name, words in _groups()[group].items()}


@cache
def _groups() -> Mapping[str, Mapping[str, Mapping[str, str]]]:
    groups: dict[str, dict[str, dict[str, str]]] = json.loads(
        Path(__file__).with_name("texts.json").read_text(encoding="utf-8")
    )
    return groups


def language_of(request: Request) -> str:
    """Return the language that was chosen here, or else the first of the browser's that there is.

    Source: RFC 9110, 12.5.4, Accept-Language.
    """
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = sorted(_wanted(request.headers.get("accept-language", "")), key=lambda each: -each[1])
    return next((name for name, weight in wanted if name in LANGUAGES and weight > 0), LANGUAGES[0])


def _wanted(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header[:500].split(","):
        name, _, weight = part.partition(";")
        found.append((name.strip().lower().partition("-")[0], _weight(weight)))
    return found


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    digits = value.strip()
    return float(digits) if digits.replace(".", "", 1).isdigit() and digits.isascii() else 0.0
