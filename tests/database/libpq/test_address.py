"""The parameters of an address, a service's file, a password file and the environment together."""

from pathlib import Path

import pytest

from chatkeep.database.libpq.address import DatabaseAddress, complete_url, shown_url, with_database
from chatkeep.database.libpq.hosts import Host
from chatkeep.errors import ConfigurationError

URL = "postgresql://me@h/chat"


def parse(text: str, **environment: str) -> DatabaseAddress:
    return DatabaseAddress.parse(text, environment)


@pytest.mark.parametrize(
    ("text", "hosts"),
    [
        ("postgresql://me@h/chat", [Host("h", 5432)]),
        ("postgresql://me@a:1,b:2/chat", [Host("a", 1), Host("b", 2)]),
        ("postgresql://me@a,b:2/chat", [Host("a", 5432), Host("b", 2)]),
        ("postgresql://me@/chat?host=a,b&port=1,2", [Host("a", 1), Host("b", 2)]),
        ("postgresql://me@/chat?host=a,b&port=7", [Host("a", 7), Host("b", 7)]),
        ("postgresql://me@/chat?host=a:1,b:2", [Host("a", 1), Host("b", 2)]),
        ("postgresql://me@[2001:db8::1]:7/chat", [Host("2001:db8::1", 7)]),
        ("postgresql://me@[fe80::1%25eth0]/chat", [Host("fe80::1%eth0", 5432)]),
        ("postgresql://me@%2Fvar%2Frun%2Fpostgresql:7/chat", [Host("/var/run/postgresql", 7)]),
        ("postgresql://me@/chat?host=/tmp", [Host("/tmp", 5432)]),
        ("postgresql://me@db/chat?hostaddr=10.0.0.1", [Host("db", 5432, "10.0.0.1")]),
    ],
)
def test_hosts_and_ports(text: str, hosts: list[Host]) -> None:
    assert list(parse(text).hosts) == hosts


def test_without_a_host_the_usual_sockets_are_looked_for_and_then_localhost() -> None:
    hosts = parse("postgresql://me@/chat").hosts
    assert [each.socket for each in hosts][:2] == ["/run/postgresql", "/var/run/postgresql"]
    assert hosts[-1] == Host("localhost", 5432)


@pytest.mark.parametrize(
    "query",
    ["port=0", "port=65536", "port=Zq7Jx", "port=1,2", "host=a,b&port=1,2,3", "host=a,b&hostaddr=10.0.0.1",
     "connect_timeout=Zq7Jx", "keepalives_idle=Zq7Jx", "tcp_user_timeout=1.5", "hostaddr=Zq7Jx",
     "hostaddr=1.2.3.4,Zq7Jx", "host=@Zq7Jx", "host=a Zq7Jx", "host=a@Zq7Jx", "host=" + ",".join("a" * 33)],
)  # fmt: skip
def test_a_value_that_is_none_is_refused_and_not_shown(query: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        parse(f"{URL}?{query}")
    assert "Zq7Jx" not in refused.value.detail


def test_a_database_has_to_be_named() -> None:
    with pytest.raises(ConfigurationError, match="The database is missing"):
        parse("postgresql://me:secret@db")
    assert parse("postgresql://me@db", PGDATABASE="chat").database == "chat"


def test_variables_of_the_environment_say_what_the_address_leaves_out() -> None:
    variables = {"PGPASSWORD": "from outside", "PGSSLMODE": "disable", "PGPORT": "7", "PGAPPNAME": "ours"}
    address = parse(URL, **variables)
    assert (address.password, address.tls.mode, address.hosts[0].port) == ("from outside", "disable", 7)
    assert address.startup_settings == {"application_name": "ours"}
    address = parse("postgresql://me:own@h:9/chat?sslmode=require", **variables)
    assert (address.password, address.tls.mode, address.hosts[0].port) == ("own", "require", 9)
    assert parse("postgresql:///chat", PGHOST="/tmp", PGUSER="you").hosts[0].socket == "/tmp"
    with pytest.raises(ConfigurationError, match=r"^PGSSLMODE must be one of disable"):
        parse(URL, PGSSLMODE="no")


def test_a_closed_address_is_not_changed_by_the_environment() -> None:
    closed = complete_url("postgresql://me:pw@/chat?host=/tmp&port=5432")
    variables = {"PGHOSTADDR": "10.0.0.1", "PGOPTIONS": "-c jit=on", "PGSSLMODE": "bad", "PGPASSWORD": "x",
                 "PGTARGETSESSIONATTRS": "standby", "PGSERVICE": "none", "PGCHANNELBINDING": "require"}  # fmt: skip
    assert parse(closed, **variables) == parse(closed)
    assert parse(closed).hosts == (Host("/tmp", 5432),)


def test_a_service_s_file_comes_after_the_address_and_before_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "services.conf"
    file.write_text(
        "# ours\n[other]\nhost=wrong\n[chats]\nhost=db.example.org\nport=7\npassword=a=b\n\n[more]\nport=8\n"
    )
    address = parse("postgresql://me@/chat?service=chats", PGSERVICEFILE=str(file), PGHOST="no", PGSSLMODE="disable")
    assert (address.hosts, address.password, address.tls.mode) == ((Host("db.example.org", 7),), "a=b", "disable")
    assert parse("postgresql://me@own/chat", PGSERVICEFILE=str(file), PGSERVICE="chats").hosts == (Host("own", 7),)
    (tmp_path / ".pg_service.conf").write_text(file.read_text())
    assert parse("postgresql://me@/chat?service=chats", HOME=str(tmp_path)).hosts[0].name == "db.example.org"
    with pytest.raises(ConfigurationError, match="no service of the name"):
        parse("postgresql://me@/chat?service=nowhere", PGSERVICEFILE=str(file))
    file.write_text("[chats]\nldap://secret\n")
    with pytest.raises(ConfigurationError, match="a line that is no parameter") as refused:
        parse("postgresql://me@/chat?service=chats", PGSERVICEFILE=str(file))
    assert "secret" not in refused.value.detail


def test_a_password_file_has_one_for_each_host(tmp_path: Path) -> None:
    file = tmp_path / ".pgpass"
    file.write_text(
        "# ours\nh1:5432:chat:me:one\nh2:*:chat:me:two\\:\\\\2\n*:*:other:*:wrong\nlocalhost:*:*:me:local\n"
        "2001\\:db8\\:\\:1:*:*:*:six\n"
    )
    file.chmod(0o600)
    address = parse("postgresql://me@h1,h2:9,h3,[2001:db8::1]/chat", HOME=str(tmp_path))
    assert [address.password_for(each) for each in address.hosts] == ["one", "two:\\2", None, "six"]
    socket = parse("postgresql://me@/chat?host=/var/run/postgresql", HOME=str(tmp_path))
    assert socket.password_for(socket.hosts[0]) == "local"
    assert parse("postgresql://me:own@h1/chat", HOME=str(tmp_path)).password_for(address.hosts[0]) == "own"
    named = parse(f"postgresql://me@h1/chat?passfile={file}")
    assert named.password_for(named.hosts[0]) == "one"
    file.chmod(0o644)
    assert address.password_for(address.hosts[0]) is None
    with pytest.raises(ConfigurationError, match="others may read: `chmod 600`"):
        parse(f"postgresql://me@h1/chat?passfile={file}")
    with pytest.raises(ConfigurationError, match="is not there"):
        parse(URL, PGPASSFILE="/nowhere")


def test_an_address_is_shown_in_one_form_without_secrets() -> None:
    assert shown_url("postgres://me:geheim@h/x?sslmode=disable&password=geheim&sslpassword=geheim") == (
        "postgresql://me:***@h/x?sslmode=disable"
    )
    assert shown_url("host=a,b dbname='my chats' user=me password=geheim") == "postgresql://me:***@a,b/my%20chats"
    assert shown_url("postgresql://me@/x?host=/run/pg") == "postgresql://me@%2Frun%2Fpg/x"
    assert shown_url(complete_url("postgresql://me@h/x")) == "postgresql://me@h/x"


def test_another_database_of_the_same_server_keeps_all_else() -> None:
    other = parse(with_database("postgres://me:p%2Fw@h:7/chat?sslmode=disable", "a/b"))
    assert (other.database, other.password, other.hosts, other.tls.mode) == ("a/b", "p/w", (Host("h", 7),), "disable")


def test_other_names_of_parameters_are_understood() -> None:
    assert parse(f"{URL}?ssl=true").tls.mode == "require"
    assert parse(f"{URL}?ssl=require").tls.mode == "require"
    assert parse("postgresql://h?database=chat&username=me").user == "me"


def test_keepalives_and_times() -> None:
    address = parse(
        f"{URL}?keepalives_idle=7&keepalives_interval=8&keepalives_count=9&tcp_user_timeout=10&connect_timeout=3"
    )
    kept = address.keepalive
    assert (kept.on, kept.idle_seconds, kept.interval_seconds, kept.count) == (True, 7, 8, 9)
    assert (kept.user_timeout_milliseconds, address.connect_timeout_seconds) == (10, 3)
    assert parse(f"{URL}?connect_timeout=0&keepalives=0").connect_timeout_seconds is None


def test_a_user_without_a_home_or_a_name_has_to_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def nobody(_uid: int) -> None:
        raise KeyError

    monkeypatch.setattr("pwd.getpwuid", nobody)
    monkeypatch.delenv("HOME", raising=False)
    assert parse(URL).password_file is None
    assert parse("postgresql://h/chat", USER="you").user == "you"
    with pytest.raises(ConfigurationError, match="names no user"):
        parse("postgresql://h/chat")


def test_every_host_has_to_be_on_this_machine() -> None:
    assert parse("postgresql://me@localhost,127.0.0.1,[::1],%2Ftmp/chat").is_on_this_machine
    assert not parse("postgresql://me@localhost,db/chat").is_on_this_machine
    assert not parse("postgresql://me@localhost/chat?hostaddr=10.0.0.1").is_on_this_machine
