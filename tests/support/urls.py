"""An address in the one form that asyncpg and SQLAlchemy read alike, for tests that connect by themselves."""

from urllib.parse import quote

from sqlalchemy.engine import URL, make_url

from chatkeep.database.libpq.address import DatabaseAddress


def driver_url(url: str) -> str:
    """Return an address for asyncpg itself, which does not read all of libpq's. Errors: as `DatabaseAddress.parse`."""
    address = DatabaseAddress.parse(url)
    secret = f":{quote(address.password, safe='')}" if address.password else ""
    login, database = f"{quote(address.user, safe='')}{secret}", quote(address.database, safe="")
    if len(address.hosts) == 1 and not address.has_only_sockets:
        return f"postgresql://{login}@{address.hosts[0].shown}/{database}"
    hosts = ",".join(quote(each.name, safe="") for each in address.hosts)
    ports = ",".join(str(each.port) for each in address.hosts)
    kind = "" if address.session_attributes == "any" else f"&target_session_attrs={address.session_attributes}"
    return f"postgresql://{login}@/{database}?host={hosts}&port={ports}{kind}"


def parsed_url(url: str) -> URL:
    return make_url(driver_url(url)).set(drivername="postgresql+asyncpg")
