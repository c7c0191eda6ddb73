"""The server in front that signs people in, as the settings name it."""

from chatkeep.accounts.trusted_headers import TrustedHeaderAuth
from chatkeep.config import Settings
from chatkeep.errors import ConfigurationError


def trusted_proxy_of(settings: Settings) -> TrustedHeaderAuth | None:
    """Return the server in front that is believed about the asking user, where the settings name one.

    Raises:
        ConfigurationError: it could be anybody, or anybody could take a name before its owner is first seen.
    """
    if settings.auth_user_header is None:
        for name in ("auth_proxies", "auth_secret", "auth_email_header", "auth_name_header"):
            if getattr(settings, name):
                raise ConfigurationError(
                    f"CHATKEEP_{name.upper()} is set and CHATKEEP_AUTH_USER_HEADER is not: no proxy would sign anybody "
                    "in. Set CHATKEEP_AUTH_USER_HEADER to the header's name, such as X-Forwarded-User, or unset the "
                    "other one."
                )
        return None
    if settings.allow_registration:
        raise ConfigurationError(
            "CHATKEEP_AUTH_USER_HEADER is set, and anybody may register: a stranger could take a colleague's name and "
            "share the account later. Set CHATKEEP_ALLOW_REGISTRATION=false."
        )
    secret = settings.auth_secret
    return TrustedHeaderAuth(
        settings.auth_user_header,
        email_header=settings.auth_email_header,
        name_header=settings.auth_name_header,
        proxies=settings.auth_proxies,
        secret=None if secret is None else secret.get_secret_value(),
        secret_header=settings.auth_secret_header,
    )
