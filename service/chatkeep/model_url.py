"""The addresses of the model server and of the proxy before it, as the settings hold them."""

from urllib.parse import urlsplit

FORM = "write the http or https address of a server that speaks the OpenAI API, such as http://127.0.0.1:11434/v1"

PROXY_FORM = "write the http or https address of a proxy, such as http://proxy.example.org:3128"


def require_model_url(text: str) -> str:
    """Return an address that can be asked.

    Raises:
        ValueError: says what to write, and not what was written: there may be a password in it.
    """
    if not _is_address(text):
        raise ValueError(FORM)
    return text


def require_model_proxy(text: str) -> str:
    """Return a proxy's address.

    Raises:
        ValueError: says what to write, and not what was written: there may be a password in it.
    """
    if not _is_address(text):
        raise ValueError(PROXY_FORM)
    return text


def _is_address(text: str) -> bool:
    if not text.isprintable() or " " in text:
        return False
    try:
        address = urlsplit(text)
        port = address.port
    except ValueError:  # a bracket without its other one; a port that is no number, or beyond 65535
        return False
    return address.scheme in ("http", "https") and bool(address.hostname) and port != 0
