import pytest
from hypothesis import given
from hypothesis import strategies as st
from itsdangerous import Signer

from chatkeep.errors import ConfigurationError
from chatkeep.sessions import SessionCookie, SignedCookie, digest_of, new_secret

OLD, NEW = "an old key of these tests 0123456789", "a new key of these tests 9876543210"


def value_of(header: str) -> str:
    return header.partition(";")[0].partition("=")[2]


def test_what_was_written_is_read() -> None:
    cookie, secret = SessionCookie([NEW]), new_secret()
    assert cookie.read(value_of(cookie.write(secret))) == secret


def test_by_default_it_is_for_https_this_site_and_no_script() -> None:
    assert SessionCookie([NEW]).write("secret").endswith("; Path=/; HttpOnly; SameSite=Lax; Secure")
    assert "Max-Age" not in SessionCookie([NEW]).write("secret")


def test_what_can_be_chosen() -> None:
    cookie = SessionCookie([NEW], name="__Host-chat", secure=False, same_site="strict")
    assert cookie.write("s", max_age_seconds=60).startswith("__Host-chat=s.")
    assert cookie.write("s", max_age_seconds=60).endswith("; Max-Age=60; Path=/; HttpOnly; SameSite=Strict")


def test_forgetting_takes_the_same_attributes() -> None:
    assert SessionCookie([NEW]).clear() == (
        "sid=; Max-Age=0; Expires=Thu, 01 Jan 1970 00:00:00 GMT; Path=/; HttpOnly; SameSite=Lax; Secure"
    )


def test_the_newest_key_signs_and_every_key_verifies() -> None:
    before, during, after = SessionCookie([OLD]), SessionCookie([OLD, NEW]), SessionCookie([NEW])
    assert during.read(value_of(before.write("secret"))) == "secret"
    assert after.read(value_of(during.write("secret"))) == "secret"
    assert before.read(value_of(during.write("secret"))) is None
    assert after.read(value_of(before.write("secret"))) is None


def test_what_the_same_key_signed_for_another_purpose_is_nothing() -> None:
    other = SignedCookie([NEW], name="sid", salt="another purpose")
    cookie = SessionCookie([NEW])
    assert cookie.read(value_of(other.write("secret"))) is None
    assert cookie.read(Signer(NEW).sign("secret").decode()) is None


@pytest.mark.parametrize("keys", [[], [""], [NEW, ""]])
def test_without_a_key_there_is_no_cookie(keys: list[str]) -> None:
    with pytest.raises(ConfigurationError):
        SessionCookie(keys)


@pytest.mark.parametrize("value", [None, "", "abc", "a.b", ".", "é.ü", "\ud800.x", "x" * 8192, "\x00", "a.b\n"])
def test_garbage_is_nothing(value: str | None) -> None:
    assert SessionCookie([NEW]).read(value) is None


@pytest.mark.parametrize("more", ["=", "==", "==\n", " ", "."])
def test_a_signature_has_one_spelling(more: str) -> None:
    cookie = SessionCookie([NEW])
    assert cookie.read(value_of(cookie.write("secret")) + more) is None


@given(st.text())
def test_any_other_text_is_nothing(value: str) -> None:
    cookie = SessionCookie([NEW])
    assert cookie.read(value) is None
    assert cookie.read(value + value_of(cookie.write("secret"))) in (None, "secret")
    # What is no letter of base64 may stand after a signature; it never makes another secret.
    assert cookie.read(value_of(cookie.write("secret")) + value) in (None, "secret")


def test_a_secret_is_256_random_bits_and_its_digest_is_not_reversible() -> None:
    secrets = {new_secret() for _ in range(1000)}
    assert len(secrets) == 1000
    assert {len(secret) for secret in secrets} == {43}
    assert {len(digest_of(secret)) for secret in secrets} == {32}
    assert len({digest_of(secret) for secret in secrets}) == 1000
