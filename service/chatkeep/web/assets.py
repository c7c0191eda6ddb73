"""The files that a page loads: styles, modules and texts, under an address that changes when any of them does."""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chatkeep.http.languages import LANGUAGES
from chatkeep.web.translations import texts_of_group

STATIC = Path(__file__).parent / "static"
MEDIA_TYPES = {".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}
# Texts that only administrators read are not sent to everybody.
TEXTS = {
    "texts.js": "modules",
    "account-texts.js": "account",
    "actions-texts.js": "actions",
    "attachments-texts.js": "attachments",
    "console-texts.js": "console",
    "list-actions-texts.js": "list_actions",
    "search-texts.js": "search",
    "settings-texts.js": "settings",
    "shortcuts-texts.js": "shortcuts",
    "sign-in-texts.js": "sign_in",
}

_IMPORT = re.compile(rb'^(?:import|export) .*from "\./([^"]+)";$', re.MULTILINE)
_COMMENT_LINE = re.compile(r"^(//.*|/\*.*\*/|/\*\*.*|\*( .*|/)?)$")


@dataclass(frozen=True, slots=True)
class Asset:
    """One file, as it is sent."""

    body: bytes
    media_type: str
    etag: str


class Assets:
    """Every file by language and name. Modules name each other relatively, so that one digest stands for them all.

    The texts are made for each language; the other files are the same in all.
    """

    def __init__(self, files: Mapping[tuple[str, str], bytes]) -> None:
        whole = hashlib.sha256()
        for (language, name), body in sorted(files.items()):
            whole.update(f"{language}/{name} {len(body)} ".encode() + body)
        self.digest = whole.hexdigest()[:16]
        self._assets = {key: _asset(key[1], body) for key, body in files.items()}
        self._modules = {key: self._imported_by(*key) for key in files if key[1].endswith(".js")}

    @classmethod
    def read(cls) -> "Assets":
        return cls(dict(_files()))

    def __getitem__(self, key: tuple[str, str]) -> Asset:
        return self._assets[key]

    def get(self, language: str, name: str) -> Asset | None:
        return self._assets.get((language, name))

    def modules(self, language: str, name: str) -> list[str]:
        """Return every module that the module `name` needs, at whatever distance, so that all are asked for at once."""
        return self._modules[language, name]

    def _imported_by(self, language: str, name: str) -> list[str]:
        found = [name]
        for each in found:
            imported = _IMPORT.findall(self[language, each].body)
            found += dict.fromkeys(other for other in map(bytes.decode, imported) if other not in found)
        return found[1:]

    def names(self) -> list[str]:
        return sorted({name for _, name in self._assets})


def _files() -> Iterator[tuple[tuple[str, str], bytes]]:
    for language in LANGUAGES:
        for path in sorted(STATIC.iterdir()):
            if path.suffix in MEDIA_TYPES:
                text = _compact(path.read_text(encoding="utf-8"))
                yield (language, path.name), (_without_spaces(text) if path.suffix == ".css" else text).encode()
        for name, group in TEXTS.items():
            words = json.dumps(texts_of_group(group, language), ensure_ascii=False, separators=(",", ":"))
            yield (language, name), f"export default {words};\n".encode()


def _compact(text: str) -> str:
    """Leave out indentation and lines of comment; the rest keeps the line numbers of the file."""
    return "\n".join(_COMMENT_LINE.sub("", line.strip()) for line in text.split("\n"))


def _without_spaces(style: str) -> str:
    """Leave out what a style sheet is only read with: spaces, ends of lines, and each rule's last semicolon."""
    return re.sub(r"[ \n]+(?=[{}])|(?<=[{},;:])[ \n]+|;\s*(?=})", "", style)


def _asset(name: str, body: bytes) -> Asset:
    return Asset(body, MEDIA_TYPES[Path(name).suffix], f'"{hashlib.sha256(body).hexdigest()[:16]}"')
