"""The signed cookie that marks a browser as known to an account."""

import hashlib
from collections.abc import Sequence

from chatkeep.accounts.browser_cookies import BrowserCookie
from chatkeep.sessions import new_secret

DEVICE_COOKIE_SECONDS = 365 * 24 * 60 * 60


DEVICE_SALT = "chatkeep.device.v1"


class DeviceCookie:
    """A signed cookie on browsers that have signed in to an account before; it opens nothing.

    It lets the owner in while strangers' guesses have filled the account's counters. Like the session's cookie it
    ends with the browser, unless the user asked to be remembered there.

    Args:
        keys: signing keys, newest last.
    """

    def __init__(self, keys: Sequence[str], *, name: str, secure: bool) -> None:
        self.cookie = BrowserCookie(keys, name=name, salt=DEVICE_SALT, secure=secure)

    def read(self, content: str | None, account: str) -> str | None:
        """Return the device's own random name where the cookie says that it is a mark for this account."""
        account_digest, _, device = (content or "").partition("_")
        return device if account_digest == _digest_of(account) else None

    def content(self, account: str, device: str | None) -> str:
        """Return the cookie's content, for a device that has a name already or for a new one."""
        return f"{_digest_of(account)}_{device or new_secret()}"


def _digest_of(account: str) -> str:
    return hashlib.sha256(account.encode()).hexdigest()[:32]
