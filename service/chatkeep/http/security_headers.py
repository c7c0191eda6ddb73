"""The headers that every answer has."""


def security_headers(*, https: bool) -> tuple[tuple[bytes, bytes], ...]:
    """Return the headers of an API that OWASP would have, with their names in lower case.

    Args:
        https: also tell browsers to come back by https only.

    Source: OWASP REST Security Cheat Sheet, Security Headers.
    """
    headers = {
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Resource-Policy": "same-origin",
        "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
        "Cache-Control": "no-store",
    }
    if https:
        # For this name alone: others of the same domain may have no TLS, and would be out of reach for two years.
        headers["Strict-Transport-Security"] = "max-age=63072000"
    return tuple((name.lower().encode(), value.encode()) for name, value in headers.items())
