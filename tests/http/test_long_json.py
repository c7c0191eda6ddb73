"""Answers with long texts: the same as short ones, byte for byte."""

import pytest
from pydantic import BaseModel

from chatkeep.http import long_json as module
from chatkeep.http.long_json import long_json
from chatkeep.http.schemas import Time


class Inner(BaseModel):
    text: str
    at: Time | None = None
    others: list[dict[str, object]] | None = None


class Outer(BaseModel):
    items: list[Inner]
    names: dict[str, object] = {}
    none: None = None
    share: float = 1e-7


TEXTS = ("", "short", 'quote " and \\ and \n', "日本語🍵" * 5, "\x01\x7f\u2028" * 7)


@pytest.mark.parametrize("piece", [1, 3, 64])
async def test_long_answers_are_written_as_short_ones_are(monkeypatch: pytest.MonkeyPatch, piece: int) -> None:
    monkeypatch.setattr(module, "PIECE_CHARACTERS", piece)
    items = [Inner(text=text, at="2026-01-31T09:30:00Z", others=[{}, {"a": [1, text, []]}]) for text in TEXTS]
    for body in (Outer(items=[]), Outer(items=items, names={"é": True, "n": {"x": 1.5, "y": None}})):
        assert await long_json(body) == body.__pydantic_serializer__.to_json(body)
