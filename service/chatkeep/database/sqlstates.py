"""The meaning of each SQLSTATE to this service: our fault, not now, or the client's.

A fault is answered 500 and logged under the request's id. "Not now" is 503 with `Retry-After`: nothing was changed, and
the same request may work later. Every class of PostgreSQL is named here, so that none is judged by chance; a longer
entry says what is otherwise in its class. Source: PostgreSQL manual, Appendix A, PostgreSQL Error Codes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

READ_ONLY = "25006"
UNKNOWN_DATABASE = "3D000"
QUERY_CANCELED = "57014"
DISK_FULL = "53100"
LOCK_NOT_AVAILABLE = "55P03"
INSUFFICIENT_PRIVILEGE = "42501"
FEATURE_NOT_SUPPORTED = "0A000"
INTERNAL_ERROR = "XX000"


@dataclass(frozen=True, slots=True)
class Meaning:
    """The consequence of an error.

    Attributes:
        ends: the connection that it came through must not be used again.
        tells: it lasts until an operator does something, so the log says it.
    """

    answer: Literal["fault", "not now", "too slow", "unstorable"]
    ends: bool = False
    tells: bool = False


FAULT = Meaning("fault")
# A fault of ours; the next user of the connection must not find the rest of the transaction.
FAULT_OF_TRANSACTION = Meaning("fault", ends=True)
NOT_NOW = Meaning("not now")
LOST = Meaning("not now", ends=True)
REFUSED = Meaning("not now", tells=True)
TOO_SLOW = Meaning("too slow")
UNSTORABLE = Meaning("unstorable")

MEANINGS: Mapping[str, Meaning] = {
    "00": FAULT,  # successful completion: no error has it
    "01": FAULT,  # warning
    "02": FAULT,  # no data
    "03": FAULT,  # SQL statement not yet complete
    "08": LOST,  # connection exception; also what poolers say of a server that is gone
    "09": FAULT,  # triggered action exception
    "0A": FAULT,  # feature not supported; but see chatkeep.database.driver_errors for standbys
    "0B": FAULT_OF_TRANSACTION,  # invalid transaction initiation
    "0F": FAULT,  # locator exception
    "0L": FAULT,  # invalid grantor
    "0P": FAULT,  # invalid role specification
    "0Z": FAULT,  # diagnostics exception
    "10": FAULT,  # XQuery error
    "20": FAULT,  # case not found
    "21": FAULT,  # cardinality violation
    "22": FAULT,  # data exception: requests are checked before they come here
    "22021": UNSTORABLE,  # a character that the database's encoding does not have
    "22P05": UNSTORABLE,
    "23": FAULT,  # integrity constraint violation: expected ones are translated where they are expected
    "24": FAULT,  # invalid cursor state
    "25": FAULT_OF_TRANSACTION,  # invalid transaction state
    READ_ONLY: LOST,  # a standby, or made read-only: all that is read there may be old
    "25P03": LOST,  # the transaction idled too long
    "25P04": LOST,  # the transaction took too long
    "26": LOST,  # invalid SQL statement name: the connection is another one, which a pooler lends to others, too
    "27": FAULT,  # triggered data change violation
    "28": REFUSED,  # invalid authorization specification
    "2B": FAULT,  # dependent privilege descriptors still exist
    "2D": FAULT_OF_TRANSACTION,  # invalid transaction termination
    "2F": FAULT,  # SQL routine exception
    "34": FAULT,  # invalid cursor name
    "38": FAULT,  # external routine exception
    "39": FAULT,  # external routine invocation exception
    "3B": FAULT_OF_TRANSACTION,  # savepoint exception
    "3D": REFUSED,  # invalid catalog name: there is no such database
    "3F": FAULT,  # invalid schema name
    "40": NOT_NOW,  # transaction rollback: deadlock, serialisation
    "42": FAULT,  # syntax error or access rule violation
    INSUFFICIENT_PRIVILEGE: REFUSED,  # a right was taken: some providers do so to a database that is over its limit
    "42P05": LOST,  # as 26
    "44": FAULT,  # WITH CHECK OPTION violation
    "53": REFUSED,  # insufficient resources: disk, memory, connections
    "54": FAULT,  # program limit exceeded: our own limits come before it
    "55": NOT_NOW,  # object not in prerequisite state: being made, in use, locked
    "55000": REFUSED,
    "55P02": FAULT,  # a parameter that cannot be changed now
    "55P04": FAULT,  # a value of an enumeration that is too new
    "57": NOT_NOW,  # operator intervention
    QUERY_CANCELED: TOO_SLOW,
    "57P": LOST,  # the server shuts down, starts or crashed; the database was dropped; the session idled too long
    "58": REFUSED,  # system error: files and disks below PostgreSQL; PgCat says so of itself
    "72": NOT_NOW,  # snapshot failure
    "F0": REFUSED,  # configuration file error
    "HV": FAULT,  # foreign data wrapper error
    "HV00N": NOT_NOW,  # a foreign server does not answer
    "P0": FAULT,  # PL/pgSQL error
    "XX": FAULT,  # internal error or damage; but see chatkeep.database.driver_errors for Citus and standbys
}


def meaning_of(sqlstate: str) -> Meaning:
    """Return the meaning of an error; one of a class that nobody knows is a fault."""
    for length in (5, 3, 2):
        if (found := MEANINGS.get(sqlstate[:length])) is not None:
            return found
    return FAULT
