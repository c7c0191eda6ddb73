"""The rules for a request's head that the parser leaves to the server.

Each is one by which a proxy in front and this service could read one request differently (request smuggling): the
second reads as a request what the first took for a part of one, and past the first one's rules.
"""

from collections.abc import Sequence

MAX_HEAD_BYTES = 64 * 1024
MAX_FIELDS = 100
# Each is an object more for the query's readers: 30,000 in one address took 60 ms of everybody's time.
MAX_PARAMETERS = 1_000
VERSIONS = ("1.1", "1.0")

Fields = Sequence[tuple[bytes, bytes]]


class BadHead(Exception):
    """A head that is refused.

    Args:
        code: one of `chatkeep.http.problems.PROTOCOL`.
        detail: more than the code usually says; None: nothing.
    """

    def __init__(self, code: str, detail: str | None = None) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


def check_head(url: bytes, version: str, fields: Fields) -> None:
    """Refuse a head that is too large, or that two readers could read in two ways.

    Args:
        fields: names in lower case, and values.

    Raises:
        BadHead: says why.

    Source: RFC 9112, 3.2, 3.2.2, 6.1 and 11.2.
    """
    if version not in VERSIONS:
        raise BadHead("bad_request", "Only HTTP/1.1 and HTTP/1.0 are spoken here.")
    hosts: list[bytes] = []
    size = len(url)
    for name, value in fields:
        size += len(name) + len(value) + 4
        if name == b"host":
            hosts.append(value)
        elif name == b"transfer-encoding" and (version != "1.1" or value.lower() != b"chunked"):
            raise BadHead("bad_request", "The only transfer coding is chunked, and only in HTTP/1.1.")
    if size > MAX_HEAD_BYTES or len(fields) > MAX_FIELDS or url.count(b"&") >= MAX_PARAMETERS:
        raise BadHead("head_too_large")
    if len(hosts) > 1 or (not hosts and version == "1.1"):
        raise BadHead("bad_request", "A request has exactly one Host header.")
    if not url.startswith(b"/"):
        _check_target(url, hosts)


def _check_target(url: bytes, hosts: Sequence[bytes]) -> None:
    """Refuse a whole address whose host is another one than in `Host`; servers differ about which one counts."""
    scheme, found, rest = url.partition(b"://")
    if not found or scheme.lower() not in (b"http", b"https"):
        return
    authority = rest.partition(b"/")[0].partition(b"?")[0]
    if [authority.lower()] != [host.lower() for host in hosts]:
        raise BadHead("bad_request", "The address of the request and its Host header name two hosts.")
