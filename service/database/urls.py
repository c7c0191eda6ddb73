"""An address in one form, for what takes no other."""

from urllib.parse import quote

from sqlalchemy.engine import URL, make_url

from service.database.libpq.address import DatabaseAddress


def driver_url(url: str) -> str:
    """Return an address for asyncpg itself, which does not read all of libpq's. Errors: as `DatabaseAddress.parse`."""
    address = DatabaseAddress.parse(url)
    hosts = "host=" + ",".join(quote(each.name, safe="") for each in address.hosts)
    ports = "port=" + ",".join(str(each.port) for each in address.hosts)
    secret = f":{quote(address.password, safe='')}" if address.password else ""
    return f"postgresql://{quote(address.user, safe='')}{secret}@/{quote(address.database, safe='')}?{hosts}&{ports}"


def parsed_url(url: str) -> URL:
    return make_url(driver_url(url)).set(drivername="postgresql+asyncpg")
