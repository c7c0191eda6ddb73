"""Scopes: the parts of an account that an access token opens, and the one table of what each covers.

A route says which scopes let a token in, with `needs` or `needs_all` above its endpoint. A route that says nothing lets
no token in. Sessions have every scope.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeAlias, TypeVar

from chatkeep.errors import Forbidden, InsufficientScope

Endpoint = TypeVar("Endpoint", bound=Callable[..., Any])


class Scope(StrEnum):
    """A part of what the owner of a token may do."""

    CHAT = "chat"
    READ = "read"
    IMPORT = "import"
    ACCOUNT = "account"
    ADMIN = "admin"


MEANINGS: Mapping[Scope, str] = {
    Scope.CHAT: "Begin, continue, change and delete conversations, with files and feedback, and read the ones whose id "
    "the program knows. No list, search or export.",
    Scope.READ: "Read, list, search and export the whole history and its files. Changes nothing.",
    Scope.IMPORT: "Import files into the history.",
    Scope.ACCOUNT: "The profile, the password, sessions and access tokens; delete the account.",
    Scope.ADMIN: "The administrators' routes, as long as the owner is an administrator.",
}
ALL_SCOPES: frozenset[str] = frozenset(Scope)
DEFAULT_SCOPES = (Scope.CHAT,)

# Each way in is a set of scopes that a token has to have together; one way is enough.
Needs: TypeAlias = Sequence[frozenset[Scope]]


def needs(*scopes: Scope) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator for an endpoint that lets in tokens with any of these scopes."""
    return _marked([frozenset({scope}) for scope in scopes])


def needs_all(*scopes: Scope) -> Callable[[Endpoint], Endpoint]:
    """Return a decorator for an endpoint that lets in tokens with all of these scopes together."""
    return _marked([frozenset(scopes)])


def _marked(ways: Needs) -> Callable[[Endpoint], Endpoint]:
    def mark(endpoint: Endpoint) -> Endpoint:
        endpoint.scopes_needed = ways  # type: ignore[attr-defined]  # read by `needs_of`
        return endpoint

    return mark


def needs_of(endpoint: object) -> Needs:
    """Return the ways of a token into an endpoint; none where the endpoint says nothing."""
    ways: Needs = getattr(endpoint, "scopes_needed", ())
    return ways


def require_scope(held: Collection[str], ways: Needs) -> None:
    """See that a token with the scopes `held` may come in.

    Raises:
        InsufficientScope: it lacks a scope; says which.
        Forbidden: no token may.
    """
    if any(way.issubset(held) for way in ways):
        return
    if not ways:
        raise Forbidden("No access token is taken at this address: sign in with a browser.")
    needed = " or ".join(" and ".join(in_order(way)) for way in ways)
    has = ", ".join(in_order(held)) or "none"
    raise InsufficientScope(
        f"This access token lacks a scope: this takes {needed}, and the token has {has}.",
        scope=" ".join(in_order(ways[0].difference(held))),
    )


def in_order(scopes: Collection[str]) -> list[str]:
    """Return scopes in the order of the table; one that this version does not know is left out."""
    return [scope.value for scope in Scope if scope in scopes]
