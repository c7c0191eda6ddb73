"""What went wrong between us and the model server, said as one `ModelError`.

What the SDK and httpx2 raise holds the whole request: its key and everything that was asked. None of it goes
further than this file (`from None`), so that no log of an error can repeat it.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from email.utils import mktime_tz, parsedate_tz

import httpx2
from openai import APIConnectionError, APIStatusError

from service.chat.models.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelCutOff,
    ModelError,
    ModelNotFound,
    ModelRateLimited,
    ModelRefused,
    ModelTimeout,
    ModelUnreachable,
)
from service.chat.models.openai_events import BROKEN_CONNECTION

LONGEST_QUOTE = 200
LONGEST_NAME = 100
# So many characters in a row that are also in the prompt are taken for a quotation of it.
QUOTATION_CHARACTERS = 12

_NEVER_CONNECTED = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)


@contextmanager
def model_errors(model: str, unspoken: Sequence[str]) -> Iterator[None]:
    """Turn whatever is raised inside into a ModelError.

    Args:
        model: the name that was asked for.
        unspoken: texts that no `detail` may repeat: the key and the prompts.
    """
    try:
        yield
    except TimeoutError:
        raise ModelTimeout("The model server sent nothing for too long. Try again later.") from None
    except APIStatusError as error:
        raise error_of_status(error.response, error.body, model, unspoken) from None
    except APIConnectionError as error:
        raise _error_of_transport(error.__cause__) from None
    except BROKEN_CONNECTION as error:
        raise _error_of_transport(error) from None


def error_of_status(response: httpx2.Response, body: object, model: str, unspoken: Sequence[str]) -> ModelError:
    """Return the error for an answer other than 2xx."""
    status = response.status_code
    if status >= 500:
        return ModelError(f"The model server failed (HTTP {status}). Try again later.")
    if status < 400:
        return ModelBadAnswer(
            "The model server answered with a redirect, which is not followed. "
            "The operator should set CHATKEEP_MODEL_URL to the address that it leads to."
        )
    if status in (401, 403):
        return ModelRefused(
            f"The model server refused the service's key (HTTP {status}). "
            "The operator should check CHATKEEP_MODEL_API_KEY."
        )
    if status == 404:
        return _not_found(model)
    if status == 429:
        return _rate_limited(response.headers)
    said = _quotation(_message(body), unspoken)
    return ModelBadRequest(f"The model server cannot answer this request (HTTP {status}){said}.")


def _error_of_transport(error: BaseException | None) -> ModelError:
    if isinstance(error, _NEVER_CONNECTED):
        return ModelUnreachable(
            "The model server cannot be reached. Try again later; if it stays so, the operator should check "
            "that it runs, and that CHATKEEP_MODEL_URL and the server's certificate are right."
        )
    if isinstance(error, httpx2.TimeoutException):
        return ModelTimeout("The model server accepts no requests at the moment. Try again later.")
    if isinstance(error, httpx2.SSEError | httpx2.DecodingError):
        return ModelBadAnswer(
            "The model server did not answer with a stream of events. "
            "The operator should check that CHATKEEP_MODEL_URL is the address of an OpenAI-compatible API."
        )
    return ModelCutOff("The connection to the model server broke before the reply was whole.")


def _not_found(model: str) -> ModelError:
    return ModelNotFound(
        f"The model server has no model named “{model[:LONGEST_NAME]}”. Choose another; if there is none, "
        "the operator should check CHATKEEP_MODEL, and that CHATKEEP_MODEL_URL ends in /v1."
    )


def _rate_limited(headers: Mapping[str, str]) -> ModelError:
    seconds = seconds_to_wait(headers.get("retry-after"))
    when = "later" if seconds is None else f"in {seconds:.0f} seconds"
    return ModelRateLimited(f"The model server is asked too much at the moment. Try again {when}.", seconds)


def seconds_to_wait(retry_after: str | None) -> float | None:
    """Return what `Retry-After` asks for, as a number of seconds from now; None if it says nothing usable.

    Source: RFC 9110, section 10.2.3.
    """
    if retry_after is None:
        return None
    if retry_after.strip().isdecimal():
        return float(retry_after)
    date = parsedate_tz(retry_after)
    return None if date is None else max(0.0, mktime_tz(date) - time.time())


def _message(body: object) -> str:
    """The server's sentence: `{"error": {"message": …}}`, of which some servers leave a level out."""
    error = body.get("error", body) if isinstance(body, Mapping) else None
    message = error.get("message") if isinstance(error, Mapping) else error
    return message if isinstance(message, str) else ""


def _quotation(message: str, unspoken: Sequence[str]) -> str:
    """Return `: “message”` to add to a sentence, or nothing where it would repeat what is unspoken.

    Servers that validate with pydantic quote the input in their errors, and with it the prompt.
    """
    line = _on_one_line(message)[:LONGEST_QUOTE]
    escaped = "\\u" in line or "\\x" in line
    if not line.isprintable() or not line or escaped or _repeats(line, unspoken):
        return ""
    return f": “{line.rstrip('.')}”"


def _repeats(line: str, unspoken: Sequence[str]) -> bool:
    texts = [_on_one_line(text) for text in unspoken]
    last_start = max(1, len(line) - QUOTATION_CHARACTERS + 1)
    parts = {line[start : start + QUOTATION_CHARACTERS] for start in range(last_start)}
    return any(_is_in(text, line) or any(part in text for part in parts) for text in texts)


def _is_in(text: str, line: str) -> bool:
    """A prompt of one to three characters is in any sentence, and gives nothing away."""
    return len(text) > 3 and text in line


def _on_one_line(text: str) -> str:
    return " ".join(text.split())
