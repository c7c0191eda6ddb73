"""A conversation as a page: styles inside, nothing that runs, nothing that is loaded from anywhere.

Threat: a message that becomes a program on the reader's machine. Replies go through the renderer of the chat page,
which sanitises them; everything else is escaped; and the page forbids the browser to run or load anything.
"""

import base64
import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from chatkeep.chat.items import AnyItem, is_file, is_reasoning, is_refusal
from chatkeep.chat.records import ConversationRecord
from chatkeep.chat.reply_log import ITEM, ReplySpan, stretches_of
from chatkeep.chat.schemas import Turn
from chatkeep.prose.markdown import render
from chatkeep.transfer.pages.file_places import FilePlaces

_FOLDER = Path(__file__).parent
_STYLE = (_FOLDER / "templates" / "page.css").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# Of a page from a disk, `file:` is what lies beside it.
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; img-src data: file: 'self'; base-uri 'none'; "
    "form-action 'none'"
)
ENDINGS = {"incomplete": "cut", "failed": "failed", "stopped": "stopped", "interrupted": "interrupted"}

_environment = Environment(
    loader=FileSystemLoader(_FOLDER / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


@cache
def words_in(language: str) -> Mapping[str, str]:
    """Return the words of the pages in a language."""
    words: dict[str, dict[str, str]] = json.loads((_FOLDER / "texts.json").read_text(encoding="utf-8"))
    return {name: each[language] for name, each in words.items()}


class Pages:
    """Writes pages in a language.

    Args:
        now: when they are exported.
        places: where the files are that turns name.
    """

    def __init__(self, language: str, now: datetime, places: FilePlaces) -> None:
        self.words = words_in(language)
        self._language = language
        self._now = now
        self.places = places

    def title_of(self, conversation: ConversationRecord) -> str:
        return " ".join((conversation.title or "").split()) or self.words["untitled"]

    def head(self, title: str) -> bytes:
        about = self.words["about"].format(time=minute(self._now))
        return self._written("head.html", title=title, about=about, policy=POLICY, style=Markup(_STYLE))  # noqa: S704  a file of ours

    def head_of(self, conversation: ConversationRecord) -> bytes:
        """Return the beginning of a conversation's page, up to its turns."""
        head = self.head(self.title_of(conversation))
        if conversation.system_prompt:
            head += self._folded(self.words["system"], conversation.system_prompt).encode() + b"\n"
        return head if conversation.turn_count else head + f"<p>{self.words['nothing']}</p>\n".encode()

    def foot(self) -> bytes:
        return b"</main>\n</body>\n</html>\n"

    def turn(self, turn: Turn) -> bytes:
        """Return a turn. It takes as long as its reply needs to be rendered."""
        spans = stretches_of(turn.reply.content, turn.reply.items) if turn.reply is not None else ()
        return self._written(
            "turn.html",
            turn=turn,
            parts=[part for span in spans for part in self._parts(span)],
            ending=self._ending(turn),
            minute=minute,
            is_file=is_file,
            file=self._file,
            folded=self._item,
        )

    def _written(self, template: str, **values: object) -> bytes:
        page = _environment.get_template(template)
        return page.render(t=self.words, language=self._language, **values).encode()

    def _ending(self, turn: Turn) -> str | None:
        if turn.finish_reason == "content_filter" and turn.status == "incomplete":
            return self.words["filtered"]
        name = ENDINGS.get(turn.status, "streaming" if turn.status == "streaming" else None)
        return None if name is None else self.words[name]

    def _parts(self, span: ReplySpan) -> Iterator[Markup]:
        if span.kind is None:
            yield Markup(f'<div class="part">{render(span.text)}</div>')  # noqa: S704  sanitised
        elif span.kind == ITEM:
            yield self._item(json.loads(span.text))
        else:
            yield self._folded(self.words["thought"], span.text)

    def _item(self, item: AnyItem) -> Markup:
        if is_file(item):
            return self._file(item)
        if is_refusal(item):
            return Markup('<p class="refusal"><strong>{}</strong> <span dir="auto">{}</span></p>').format(
                self.words["refused"], item["refusal"]
            )
        if is_reasoning(item):
            return self._folded(self.words["thought"], item["text"])
        kind = item.get("type")
        if kind == "function_call":
            return self._folded(self.words["tool_call"].format(name=item.get("name")), _in_lines(item.get("arguments")))
        if kind == "function_call_output":
            return self._folded(self.words["tool_result"], _in_lines(item.get("output")))
        return self._folded(self.words["other_item"].format(type=kind), _in_lines(item))

    def _folded(self, label: str, text: str) -> Markup:
        return Markup(
            '<details><summary dir="auto">{}</summary><pre tabindex="0" dir="auto">{}</pre></details>'
        ).format(label, text)

    def _file(self, item: AnyItem) -> Markup:
        name = str(item.get("name") or self.words["file"])
        place = self.places.of(item)
        if place is None:
            missing = self.words["file_missing"].format(name=name)
            return Markup('<span class="file missing" dir="auto">{}</span>').format(missing)
        if place.is_again:
            return Markup('<a class="file" href="#{}" dir="auto">{}</a>').format(place.anchor, name)
        if place.is_picture:
            return Markup('<img class="picture" id="{}" alt="{}" src="{}">').format(place.anchor, name, place.address)
        return Markup('<a class="file" id="{}" href="{}" download="{}" dir="auto">{}</a>').format(
            place.anchor, place.address, name, name
        )


def _in_lines(value: Any) -> str:
    """Return JSON in lines, or the text itself where it is none."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return str(value)
    return json.dumps(value, ensure_ascii=False, indent=2)


def minute(time: datetime) -> str:
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
