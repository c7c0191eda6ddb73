"""The random secret behind a cookie or a token, and the digest of it that is kept."""

import hashlib
import secrets

SECRET_BYTES = 32


def new_secret() -> str:
    """Return 256 random bits as 43 URL-safe characters."""
    return secrets.token_urlsafe(SECRET_BYTES)


def digest_of(secret: str) -> bytes:
    """Return the 32 bytes under which `secret` is kept.

    A plain hash is enough: nobody can try 2**256 secrets, and who steals the table learns none of them.
    """
    return hashlib.sha256(secret.encode()).digest()
