"""Every word on the pages, in each language: `texts.json`."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path


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
