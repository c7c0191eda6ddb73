"""Languages of what people read, and which of them a request is answered in."""

from starlette.requests import Request

LANGUAGES = ("en", "ja")
LANGUAGE_COOKIE = "lang"


def language_of(request: Request) -> str:
    """Return the language that was chosen here, or else the first of the browser's that there is.

    Source: RFC 9110, 12.5.4, Accept-Language.
    """
    chosen = request.cookies.get(LANGUAGE_COOKIE, "")
    if chosen in LANGUAGES:
        return chosen
    wanted = sorted(_wanted(request.headers.get("accept-language", "")), key=lambda each: -each[1])
    return next((name for name, weight in wanted if name in LANGUAGES and weight > 0), LANGUAGES[0])


def _wanted(header: str) -> list[tuple[str, float]]:
    found = []
    for part in header[:500].split(","):
        name, _, weight = part.partition(";")
        found.append((name.strip().lower().partition("-")[0], _weight(weight)))
    return found


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    if name.strip().lower() != "q":
        return 1.0
    digits = value.strip()
    return float(digits) if digits.replace(".", "", 1).isdigit() and digits.isascii() else 0.0
