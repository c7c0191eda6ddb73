"""Addresses as text: read as libpq reads them, and never quoted."""

import re
import string
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from chatkeep.database.libpq.address import DatabaseAddress
from chatkeep.database.libpq.parameters import VARIABLES
from chatkeep.database.libpq.text import parameters_of, uri_of
from chatkeep.errors import ConfigurationError
from tests.database.libpq.oracle import Libpq

PIECES = ("Zq7Jx", "Xk9Wb", "Vw3Np")
SIGNS = "/:@#?%&=+,;[]'\"\\ \t!$*()<>|^`~{}-_.é日"
NO_VARIABLES: dict[str, str] = {}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("postgresql://me:s3cr%2Fet@db:5433/chat", ("me", "s3cr/et", "db", "5433", "chat")),
        ("postgres://me:s3cr%2Fet@db:5433/chat", ("me", "s3cr/et", "db", "5433", "chat")),
        ("postgresql+asyncpg://me:s3cr%2Fet@db:5433/chat", ("me", "s3cr/et", "db", "5433", "chat")),
        ("postgresql://me@a:1,b:2,[::1]:3/chat", ("me", None, "a,b,::1", "1,2,3", "chat")),
        ("postgresql://me@a,b/chat", ("me", None, "a,b", ",", "chat")),
        ("postgresql:///chat?user=me&host=a,b&port=1,2", ("me", None, "a,b", "1,2", "chat")),
        ("postgresql://%2Fvar%2Frun%2Fpostgresql/chat?user=me", ("me", None, "/var/run/postgresql", None, "chat")),
        ("postgresql://me@/chat?host=/tmp", ("me", None, "/tmp", None, "chat")),
        ("postgresql://?user=me&password=a%26b&host=h&dbname=chat", ("me", "a&b", "h", None, "chat")),
        ("postgresql://me:a:b?c#d@h/chat", ("me", "a:b?c#d", "h", None, "chat")),
        ("host=h dbname=chat user=me password='a \\'secret'", ("me", "a 'secret", "h", None, "chat")),
        (" postgresql://me@h/chat\n", ("me", None, "h", None, "chat")),
    ],
)
def test_each_form_of_an_address_is_understood(text: str, found: tuple[str | None, ...]) -> None:
    parameters = parameters_of(text)
    assert tuple(parameters.get(name) for name in ("user", "password", "host", "port", "dbname")) == found
    assert parameters_of(uri_of(parameters)) == parameters


@pytest.mark.parametrize(
    "text",
    ["", ":", "?", "mysql://me:secret@db/x", "postgresql+psycopg://db/x", "postgresql:/me:secret@h/x", "secret",
     "'postgresql://me:secret@h/x'", "jdbc:postgresql://h/x?user=me&password=secret"],
)  # fmt: skip
def test_another_address_is_refused_with_an_example_of_a_right_one(text: str) -> None:
    with pytest.raises(
        ConfigurationError, match="It looks like postgresql://user:password@host:5432/database"
    ) as refused:
        DatabaseAddress.parse(text)
    assert "secret" not in refused.value.detail


@pytest.mark.parametrize("sign", ["/", "@", "%"])
def test_a_sign_that_has_to_be_percent_encoded_is_named_and_the_password_is_not(sign: str) -> None:
    with pytest.raises(ConfigurationError, match="percent-encoded") as refused:
        DatabaseAddress.parse(f"postgresql://me:Zq7Jx{sign}Xk9Wb@h/chat")
    assert not any(piece in refused.value.detail for piece in PIECES)


@given(password=st.text(min_size=1).filter(lambda text: "\x00" not in text and text.isprintable()))
def test_a_password_may_hold_any_character(password: str) -> None:
    """Percent-encoded, as a parameter, and in quotes."""
    in_quotes = password.replace("\\", "\\\\").replace("'", "\\'")
    encoded = quote(password, safe="")
    for text in (
        f"postgresql://me:{encoded}@h/chat",
        f"postgresql://h/chat?user=me&password={encoded}",
        f"host=h dbname=chat user=me password='{in_quotes}'",
    ):
        assert DatabaseAddress.parse(text, NO_VARIABLES).password == password


def test_a_parameter_that_there_is_not_is_named_with_the_one_that_is_alike() -> None:
    with pytest.raises(ConfigurationError, match=r"Unknown parameter sslmod[^.]*. Did you mean sslmode\?"):
        parameters_of("postgresql://h/chat?sslmod=require")
    with pytest.raises(ConfigurationError, match=r"Unknown parameter pgbouncer in"):
        parameters_of("postgresql://h/chat?pgbouncer=true")
    with pytest.raises(ConfigurationError, match=r"Unknown parameter hots[^.]*. Did you mean host\?"):
        parameters_of("hots=h dbname=chat")


@pytest.mark.parametrize(
    "name", ["scram_client_key", "scram_server_key", "oauth_issuer", "oauth_client_id", "oauth_client_secret"]
)
def test_what_only_libpq_can_do_is_refused_by_name(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"^The parameter {name} of CHATKEEP_DATABASE_URL cannot be kept: "):
        DatabaseAddress.parse(f"postgresql://h/chat?{name}=a", NO_VARIABLES)


def test_what_may_be_a_piece_of_a_password_is_not_named() -> None:
    for text in (
        "postgresql://h/chat?password=one&Zq7Jx=two",
        "postgresql://h/chat?password=one&Zq7Jx",
        "postgresql://me:one/two?Zq7Jx=three@h/chat",
        "host=h password=one Zq7Jx=two",
        "host=h password=one Zq7Jx",
    ):
        with pytest.raises(ConfigurationError) as refused:
            DatabaseAddress.parse(text)
        assert "Zq7Jx" not in refused.value.detail


@st.composite
def passwords(draw: st.DrawFn) -> str:
    """Three pieces that are nowhere else, with signs between them."""
    signs = st.text(alphabet=SIGNS, min_size=1, max_size=3)
    return f"{draw(signs)}{PIECES[0]}{draw(signs)}{PIECES[1]}{draw(signs)}{PIECES[2]}"


TEMPLATES = (
    "postgresql://me:{}@h:5432/chat",
    "postgresql://me:{}@h:5432/chat?sslmode=disable",
    "postgresql+asyncpg://me:{}@h1:1,h2:2/chat",
    "postgresql://me:{}@/chat?host=/tmp",
    "postgresql://h/chat?user=me&password={}",
    "postgresql://h/chat?password={}&application_name=x",
    "postgresql://h/chat?sslmode=disable&sslpassword={}",
    "host=h dbname=chat user=me password={}",
    "host=h dbname=chat password='{}' user=me",
    "mysql://me:{}@h/chat",
    "me:{}@h/chat",
    "postgresql://{}",
)


@pytest.mark.parametrize("template", TEMPLATES)
@given(password=passwords())
def test_a_password_as_it_is_typed_is_understood_or_refused_and_never_shown(template: str, password: str) -> None:
    # Where it is read as something else there is nothing that tells it from a name that is meant.
    try:
        address = DatabaseAddress.parse(template.format(password), NO_VARIABLES)
    except ConfigurationError as error:
        said = error.detail + repr(error) + repr(error.__cause__) + repr(error.__context__)
        assert not any(piece in said for piece in PIECES), said
        return
    secret = (address.password or "") + address.tls.key_password
    if all(piece in secret for piece in PIECES):
        shown = address.shown + repr(address)
        assert not any(piece in shown for piece in PIECES), shown


@given(text=st.text(max_size=80) | st.text(alphabet=string.ascii_letters + SIGNS, max_size=60))
@example("postgresql://a..b/c")
@example("postgresql://[::1/c")
@example("postgresql://h:99999999999999999999/c")
@example("postgresql://h:٣/c")
@example("postgresql://%ff/c")
@example("postgresql://\ud800/c")
@example("postgresql://h/c?connect_timeout=1e9")
@example("postgresql://h/c?hostaddr=,,&host=a")
@example("host=" + "a," * 5000 + " dbname=x")
def test_any_text_is_an_address_or_one_sentence(text: str) -> None:
    for prefix in ("", "postgresql://", "postgresql://h/c?", "host=", "postgresql://h/c?host=", "postgresql://u:p@"):
        try:
            address = DatabaseAddress.parse(prefix + text, NO_VARIABLES)
        except ConfigurationError:
            continue
        assert address.hosts
        assert address.database
        assert DatabaseAddress.parse(uri_of(address.given), NO_VARIABLES) == address


@st.composite
def addresses(draw: st.DrawFn) -> str:
    """Addresses that are right as a rule, and signs everywhere."""
    text = st.text(alphabet="ab1" + SIGNS, max_size=6)
    encoded = text.map(lambda each: quote(each, safe=draw(st.sampled_from(("", ":?#", "@/")))))
    name = st.sampled_from(("h", "db.example.org", "10.0.0.1", "[::1]", "%2Ftmp", "")) | encoded
    host = st.tuples(name, st.sampled_from(("", ":1", ":", ":x"))).map("".join)
    user = st.sampled_from(("", "me@", "me:pw@", "@")) | st.tuples(encoded, encoded).map(
        lambda pair: "{}:{}@".format(*pair)
    )
    known = st.sampled_from(("host", "port", "user", "password", "sslmode", "dbname", "options"))
    query = st.lists(st.tuples(known, encoded).map("=".join), max_size=3).map("&".join)
    database = st.sampled_from(("", "/", "/chat")) | encoded.map("/{}".format)
    hosts = ",".join(draw(st.lists(host, max_size=3)))
    asked = draw(query)
    return f"postgresql://{draw(user)}{hosts}{draw(database)}" + (f"?{asked}" if asked else "")


@given(text=addresses())
def test_libpq_reads_the_same(text: str) -> None:
    libpq = Libpq().parameters(text)
    try:
        ours = parameters_of(text)
    except ConfigurationError:
        # What is more likely a mistake than meant is refused here alone.
        assert libpq is None or "@" in text or "[" in text or re.search(r":[^0-9]", text), text
        return
    assert ours == libpq


def test_every_parameter_of_libpq_is_known_with_its_variable() -> None:
    for name, variable in Libpq().variables().items():
        assert VARIABLES[name] == variable
