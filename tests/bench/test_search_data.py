"""A measurement is only as good as what it is made on: the same history, whenever and wherever it is made."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from bench.search_data import History
from chatkeep.chat.search.lexemes import lexemes_of

TURNS = 2_000
DIGEST = f"""
import hashlib
from bench.search_data import History

digest = hashlib.sha256()
for row, lexemes in History({TURNS}).rows():
    digest.update(repr((row, lexemes)).encode())
print(digest.hexdigest())
"""


def test_the_same_seed_makes_the_same_history_in_every_process() -> None:
    # Processes differ in how they order sets.
    made = {
        subprocess.run(
            [sys.executable, "-c", DIGEST],
            cwd=Path(__file__).parents[2],
            env=os.environ | {"PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for hash_seed in ("1", "2")
    }
    assert len(made) == 1


def test_half_of_what_is_said_is_japanese() -> None:
    prompts = [row[6] for row, _ in History(TURNS).rows()]
    japanese = sum(not each.split(" n")[0].isascii() for each in prompts)
    assert japanese / len(prompts) == pytest.approx(0.5, abs=0.1)


def test_every_turn_has_a_word_of_its_own() -> None:
    found = [lexemes_of(f"n{number}") <= set(lexemes) for number, (_, lexemes) in enumerate(History(TURNS).rows())]
    assert len(found) == TURNS
    assert all(found)
