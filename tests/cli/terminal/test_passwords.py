"""Where a new password comes from, and which hashes of other systems are taken for one."""

import io
import math
import sys

import pytest
import typer
from passlib.hash import argon2, bcrypt, md5_crypt, pbkdf2_sha256, scrypt

from chatkeep.cli.terminal.passwords import (
    RANDOM_CHARACTERS,
    first_line_of_stdin,
    known_hash,
    new_password,
    one_of,
    random_password,
)
from chatkeep.errors import Invalid

PASSWORD = "correct horse battery staple"


def give(monkeypatch: pytest.MonkeyPatch, standard_input: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(standard_input)))


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\nsecond line\n"])
def test_standard_input_is_read_to_the_end_of_its_first_line(monkeypatch: pytest.MonkeyPatch, ending: str) -> None:
    give(monkeypatch, f" {PASSWORD} パス\t{ending}".encode())
    assert first_line_of_stdin() == f" {PASSWORD} パス\t"


@pytest.mark.parametrize(
    ("given", "reason"), [(b"", "empty"), (b"\n", "empty"), (b"\xff\xfe" * 8, "UTF-8"), (b"correct\x00horse", "U+0000")]
)
def test_what_is_no_password_is_refused(monkeypatch: pytest.MonkeyPatch, given: bytes, reason: str) -> None:
    give(monkeypatch, given)
    with pytest.raises(Invalid, match=reason.replace("+", r"\+")):
        new_password(from_stdin=True, at_random=False)


def test_random_passwords_are_long_and_differ() -> None:
    made = {new_password(from_stdin=False, at_random=True) for _ in range(20)}
    assert len(made) == 20
    assert min(map(len, made)) >= 20


def test_a_double_click_selects_a_random_password() -> None:
    """It is one word to terminals and pages, and no option to a command."""
    for _ in range(200):
        made = random_password()
        assert made.isascii()
        assert made.isalnum()
    assert 120 < len(made) * math.log2(len(RANDOM_CHARACTERS)) < 130


@pytest.mark.parametrize(
    "made",
    [
        argon2.using(time_cost=1, memory_cost=64).hash(PASSWORD),
        bcrypt.using(rounds=4).hash(PASSWORD),
        pbkdf2_sha256.using(rounds=10).hash(PASSWORD),
        scrypt.using(rounds=4).hash(PASSWORD),
    ],
    ids=["argon2", "bcrypt", "pbkdf2", "scrypt"],
)
def test_a_hash_that_signing_in_can_check_is_taken_as_it_is(monkeypatch: pytest.MonkeyPatch, made: str) -> None:
    assert known_hash(made) == made
    give(monkeypatch, f"{made}\n".encode())
    assert known_hash("-") == made


@pytest.mark.parametrize(
    "made",
    [
        PASSWORD,
        "5f4dcc3b5aa765d61d8327deb882cf99",
        md5_crypt.hash(PASSWORD),
        bcrypt.using(rounds=4).hash(PASSWORD)[:-1],
        "$argon2id$v=19$m=1",
        "$scrypt$ln=4",
        "",
    ],
    ids=["plain", "hex", "md5-crypt", "bcrypt cut", "argon2 cut", "scrypt cut", "empty"],
)
def test_any_other_hash_is_refused_without_being_quoted(made: str) -> None:
    with pytest.raises(Invalid, match="not a password hash that can be checked") as refused:
        known_hash(made)
    assert not made or made not in str(refused.value)


def test_options_that_exclude_each_other() -> None:
    one_of(password_stdin=True, random_password=False)
    one_of(password_stdin=False, random_password=False)
    with pytest.raises(typer.BadParameter, match="--password-stdin and --random-password"):
        one_of(password_stdin=True, random_password=True)
