"""PostgreSQL's own libpq, asked what an address means."""

import ctypes
import ctypes.util

from tests.support.parts import missing


class _Option(ctypes.Structure):
    _fields_ = (
        ("keyword", ctypes.c_char_p),
        ("envvar", ctypes.c_char_p),
        ("compiled", ctypes.c_char_p),
        ("val", ctypes.c_char_p),
        ("label", ctypes.c_char_p),
        ("dispchar", ctypes.c_char_p),
        ("dispsize", ctypes.c_int),
    )


class Libpq:
    """The installed library; where there is none the test is skipped, or fails where parts are required."""

    def __init__(self) -> None:
        name = ctypes.util.find_library("pq") or missing("libpq")
        self._library = ctypes.CDLL(name)
        self._library.PQconninfoParse.restype = ctypes.POINTER(_Option)
        self._library.PQconndefaults.restype = ctypes.POINTER(_Option)

    def parameters(self, address: str) -> dict[str, str] | None:
        """Return the parameters of an address, or None where libpq refuses it."""
        found = self._library.PQconninfoParse(address.encode(), None)
        if not found:
            return None
        try:
            return {each.keyword.decode(): each.val.decode() for each in _options(found) if each.val is not None}
        finally:
            self._library.PQconninfoFree(found)

    def variables(self) -> dict[str, str | None]:
        """Return each parameter there is, and the environment variable that stands in for it."""
        found = self._library.PQconndefaults()
        try:
            return {each.keyword.decode(): each.envvar and each.envvar.decode() for each in _options(found)}
        finally:
            self._library.PQconninfoFree(found)


def _options(found: "ctypes._Pointer[_Option]") -> list[_Option]:
    options: list[_Option] = []
    while found[len(options)].keyword:
        options.append(found[len(options)])
    return options
