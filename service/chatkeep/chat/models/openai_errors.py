"""Failures between us and the model server, each as one `ModelError`.

What the HTTP library raises holds the whole request: its key and everything that was asked. None of it goes
further than the client (`from None`), so that no log of an error can repeat it.
"""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from email.utils import mktime_tz, parsedate_tz

import aiohttp
from aiohttp.http_exceptions import ContentEncodingError

from chatkeep.chat.models.error_shapes import ReportedError, read_error
from chatkeep.chat.models.errors import (
    ModelBadAnswer,
    ModelBadRequest,
    ModelCutOff,
    ModelError,
    ModelLoading,
    ModelNotFound,
    ModelQuotaReached,
    ModelRateLimited,
    ModelRefused,
    ModelTakesNoFiles,
    ModelTakesNoImages,
    ModelTimeout,
    ModelUnreachable,
)
from chatkeep.chat.models.quotation import MAX_QUOTE_CHARACTERS, safe_quote

MAX_NAME_CHARACTERS = 100
# From these counts on, a gateway says that it has tried several times itself.
RETRIED_ALREADY = {"x-litellm-attempted-retries": 1, "x-envoy-attempt-count": 2}

_LOADING = re.compile(
    r"\bload\w*\b.{0,40}\bmodel|model\b.{0,80}\b(is|being|still|currently)\b.{0,20}\bload|warming up", re.IGNORECASE
)
_QUOTA = re.compile(
    r"insufficient[_ ](quota|balance|credit)|exceeded your current quota|billing|out of credit", re.IGNORECASE
)
_KEY = re.compile(r"api[ _-]?key|\bunauthori[sz]ed\b|authenticat|\bcredentials?\b|access token", re.IGNORECASE)
# The gateway took the key, and the server behind it refused the gateway's: LiteLLM, OGX.
_KEY_BEHIND = re.compile(r"litellm\.(AuthenticationError|PermissionDeniedError)|^Error code: 40[13] - ")
# LiteLLM without a database, when the key is not its master key.
NO_OTHER_KEYS = "no_db_connection"
_CONTEXT = re.compile(
    r"context[ _](size|length|window)|maximum context|too many tokens|prompt is too long", re.IGNORECASE
)
_UNKNOWN_MODEL = re.compile(
    r"model\b.{0,120}\b(not found|not exist|no such)\b"
    r"|\b(unknown|invalid|no such) model"
    r"|\bis pinned to\b",  # transformers serve
    re.IGNORECASE | re.DOTALL,
)

# vLLM, llama.cpp, Ollama, OpenRouter, OpenAI, and servers that know messages of text alone.
_NO_IMAGES = re.compile(
    r"not (a )?multi-?modal|(image|vision|multi-?modal)\b.{0,60}\bnot\b.{0,20}\bsupport"
    r"|\bnot? .{0,20}support.{0,30}\b(image|vision)|that support image|required for image|mmproj|image_url"
    r"|(content|input)\b.{0,40}\b(must be|should be|expected|valid)\b.{0,10}\bstring|\bno\b.{0,20}\bimage",
    re.IGNORECASE | re.DOTALL,
)

# vLLM, llama.cpp, Ollama, Qwen, DeepSeek, servers that check with pydantic, and those that know messages of text alone.
_NO_FILES = re.compile(
    r"\b(part|variant|value|tag|type|input_value)\b.{0,20}\bfile\b|unsupported content\[\]|invalid message format"
    r"|must have a 'type' field|\b(files?|pdfs?|documents?)\b.{0,60}\bnot\b.{0,20}\bsupport"
    r"|\bnot? .{0,20}support.{0,30}\b(files?|pdfs?|documents?)\b"
    r"|(content|input)\b.{0,40}\b(must be|should be|expected|valid)\b.{0,10}\bstring",
    re.IGNORECASE | re.DOTALL,
)

NO_STREAM = (
    "The model server did not answer with a stream of events. "
    "The operator should check that CHATKEEP_MODEL_URL is the address of an OpenAI-compatible API."
)


@dataclass(frozen=True, slots=True)
class Failures:
    """The failures of one request.

    Args:
        model: the name that was asked for.
        secrets: texts that no `detail` may repeat: the key and the prompts.
        has_key: whether a key is sent.
        parts: the kinds of parts that the messages have; `image_url` and `file` are not for every model.
    """

    model: str
    secrets: Sequence[str]
    has_key: bool
    parts: frozenset[str] = frozenset()

    def of_status(self, status: int, headers: Mapping[str, str], body: str) -> ModelError:
        """Return the error for an answer other than 2xx."""
        report = read_error(_parsed(body, headers.get("content-type", "")))
        error = self._of_status(status, headers, report)
        if headers.get("x-should-retry") == "false" or any(
            _number(headers.get(name)) >= count for name, count in RETRIED_ALREADY.items()
        ):
            error.worth_retrying = False
        return error

    def of_report(self, report: ReportedError, said_something: bool) -> ModelError:
        """Return the error that a server reports in a stream, with 200. It is never tried again."""
        said = safe_quote(report.message, self.secrets)
        sentence = f"The model server reported an error{said}."
        if said_something:
            sentence = f"The model server reported an error in the middle of its reply{said}."
        status = report.status or 500
        unreadable = self._of_unreadable_parts(report)
        error: ModelError
        if unreadable is not None:
            error = unreadable
        elif status in (401, 403):
            error = ModelRefused(sentence)
        elif status in (400, 413, 422) or _CONTEXT.search(report.message):
            error = ModelBadRequest(sentence)
        elif status == 429:
            error = ModelRateLimited(sentence)
        else:
            error = ModelError(sentence)
        error.worth_retrying = False
        return error

    def of_transport(self, error: BaseException) -> ModelError:
        """Return the error for a connection that broke, or that never came about."""
        if isinstance(error, aiohttp.ClientConnectorCertificateError):
            return ModelUnreachable(
                "The model server's certificate is not trusted. The operator should name the file of its CA in "
                "SSL_CERT_FILE, or correct CHATKEEP_MODEL_URL."
            )
        if isinstance(error, aiohttp.ClientHttpProxyError | aiohttp.ClientProxyConnectionError):
            return ModelUnreachable(
                "The proxy does not connect to the model server. The operator should check CHATKEEP_MODEL_PROXY."
            )
        if isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError | aiohttp.InvalidURL):
            return ModelUnreachable(
                "The model server cannot be reached. Try again later; if it stays so, the operator should check "
                "that it runs, and that CHATKEEP_MODEL_URL and the server's certificate are right."
            )
        if isinstance(error, TimeoutError):
            return ModelTimeout("The model server sent nothing for too long. Try again later.")
        if isinstance(error, aiohttp.ClientResponseError) or isinstance(error.__cause__, ContentEncodingError):
            return ModelBadAnswer(NO_STREAM)
        return ModelCutOff("The connection to the model server broke before the reply was whole.")

    def _of_status(self, status: int, headers: Mapping[str, str], report: ReportedError) -> ModelError:
        said = safe_quote(report.message, self.secrets)
        unreadable = self._of_unreadable_parts(report)
        if status >= 400 and status not in (401, 403, 429) and unreadable is not None:
            return unreadable
        if status < 400:
            return ModelBadAnswer(
                "The model server answered with a redirect, which is not followed. "
                "The operator should set CHATKEEP_MODEL_URL to the address that it leads to."
            )
        if status in (401, 403) and _KEY_BEHIND.search(report.message):
            return self._refused_behind(status, said)
        if status in (401, 403) or (status == 400 and _is_about_the_key(report)):
            return self._refused(status, said)
        if status == 404 or (status in (400, 422) and _UNKNOWN_MODEL.search(report.message)):
            return self._not_found(said)
        if status == 429:
            return self._rate_limited(headers, report)
        if status == 503:
            return self._unavailable(headers, report)
        if status >= 500 and not _CONTEXT.search(report.message):
            return ModelError(f"The model server failed (HTTP {status}). Try again later.", seconds_to_wait(headers))
        return ModelBadRequest(f"The model server cannot answer this request (HTTP {status}){said}.")

    def _of_unreadable_parts(self, report: ReportedError) -> ModelError | None:
        """Return the error of a model that takes no PDFs or no pictures, where it is sent some and says so.

        PDFs first: servers that refuse them name pictures among what they take.
        """
        model = self.model[:MAX_NAME_CHARACTERS]
        if "file" in self.parts and _NO_FILES.search(report.message):
            return ModelTakesNoFiles(
                f"The model “{model}” takes no PDFs, and this prompt has one. "
                "Choose a model that does, or send its text."
            )
        if "image_url" in self.parts and _NO_IMAGES.search(report.message):
            return ModelTakesNoImages(
                f"The model “{model}” takes no pictures, and this prompt has one. "
                "Choose a model that does, or ask without it."
            )
        return None

    def _refused(self, status: int, said: str) -> ModelError:
        if not self.has_key:
            return ModelRefused(
                f"The model server asks for a key (HTTP {status}){said}. "
                "The operator should set CHATKEEP_MODEL_API_KEY."
            )
        return ModelRefused(
            f"The model server refused the service's key (HTTP {status}){said}. "
            "The operator should check CHATKEEP_MODEL_API_KEY."
        )

    def _refused_behind(self, status: int, said: str) -> ModelError:
        return ModelRefused(
            f"The server behind the model gateway refused the gateway's key (HTTP {status}){said}. "
            "The operator should check the key in the gateway's own settings."
        )

    def _not_found(self, said: str) -> ModelError:
        return ModelNotFound(
            f"The model server has no model named “{self.model[:MAX_NAME_CHARACTERS]}”{said}. Choose another; if there "
            "is none, the operator should check CHATKEEP_MODEL, and that CHATKEEP_MODEL_URL ends in /v1."
        )

    def _rate_limited(self, headers: Mapping[str, str], report: ReportedError) -> ModelError:
        if _QUOTA.search(" ".join((report.message, *report.words))):
            return ModelQuotaReached(
                "The quota of this service at the model server is used up. The operator should check the plan and the "
                "billing there."
            )
        seconds = seconds_to_wait(headers)
        if seconds is None:
            return ModelRateLimited("The model server is asked too much at the moment. Try again later.")
        return ModelRateLimited(
            f"The model server is asked too much at the moment. Try again in {max(1, round(seconds))} seconds.", seconds
        )

    def _unavailable(self, headers: Mapping[str, str], report: ReportedError) -> ModelError:
        seconds = seconds_to_wait(headers)
        if _LOADING.search(report.message):
            return ModelLoading("The model server is still loading the model. Try again in a few minutes.", seconds)
        said = safe_quote(report.message, self.secrets)
        return ModelError(f"The model server cannot answer at the moment (HTTP 503){said}. Try again later.", seconds)


def seconds_to_wait(headers: Mapping[str, str]) -> float | None:
    """Return the seconds from now that `Retry-After` asks for; None if it says nothing usable.

    Source: RFC 9110, section 10.2.3; `retry-after-ms` is Azure's and OpenAI's.
    """
    in_ms = headers.get("retry-after-ms", "").strip()
    if _is_number(in_ms):
        return float(in_ms) / 1000
    retry_after = headers.get("retry-after", "").strip()
    if _is_number(retry_after):
        return float(retry_after)
    date = parsedate_tz(retry_after) if retry_after else None
    return None if date is None else max(0.0, mktime_tz(date) - time.time())


def refuses_usage(body: str) -> bool:
    """Whether a server from before `stream_options` refuses it by name."""
    return "stream_options" in body or "include_usage" in body


def _is_about_the_key(report: ReportedError) -> bool:
    return NO_OTHER_KEYS in report.words or _KEY.search(report.message) is not None


def _is_number(text: str) -> bool:
    return re.fullmatch(r"\d{1,9}(\.\d{1,9})?", text, re.ASCII) is not None


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdecimal() and len(text) < 10 else 0


def _parsed(body: str, content_type: str) -> object:
    """Return the content of a refusal: JSON, or a plain sentence; a page of HTML says nothing."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return (
            "" if "html" in content_type.lower() or body.lstrip().startswith("<") else body[: 2 * MAX_QUOTE_CHARACTERS]
        )
