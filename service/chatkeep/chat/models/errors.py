"""How a language model can fail, one class a way; each becomes the turn's `error` as (`code`, `detail`).

`detail` is read by the user, so it says what happened in words of our own. It never holds a key, a
header, an address or what was asked.
"""

from chatkeep.errors import ChatkeepError


class ModelError(ChatkeepError):
    """The model server failed: 5xx, or an error in the middle of its answer.

    Args:
        retry_after_seconds: when another try has a chance; None if the server did not say.

    Attributes:
        worth_retrying: whether another try may do better.
    """

    code = "model_error"
    worth_retrying: bool = True

    def __init__(self, detail: str, retry_after_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.retry_after_seconds = retry_after_seconds


class ModelUnreachable(ModelError):
    """No connection: wrong address, nothing listening, a broken certificate."""

    code = "model_unreachable"


class ModelTimeout(ModelError):
    """Nothing came for too long. Not retried: a server this busy would only be asked twice as much."""

    code = "model_timeout"
    worth_retrying = False


class ModelLoading(ModelError):
    """503 while the server loads the model, which may take minutes."""

    code = "model_loading"


class ModelRateLimited(ModelError):
    """429."""

    code = "model_rate_limited"


class ModelQuotaReached(ModelError):
    """429 that no waiting helps: the account at the model server has no credit left."""

    code = "model_quota_reached"
    worth_retrying = False


class ModelRefused(ModelError):
    """401 or 403: the key is missing or wrong, which only the operator can change."""

    code = "model_refused"
    worth_retrying = False


class ModelNotFound(ModelError):
    """404, or a server that offers no model at all."""

    code = "model_not_found"
    worth_retrying = False


class ModelBadRequest(ModelError):
    """Another 4xx, most often a conversation longer than the model's context."""

    code = "model_bad_request"
    worth_retrying = False


class ModelTakesNoImages(ModelBadRequest):
    """The prompt has a picture, and the model reads text alone."""

    code = "model_takes_no_images"


class ModelTakesNoFiles(ModelBadRequest):
    """The prompt has a PDF, and the model or its server takes none."""

    code = "model_takes_no_files"


class ModelBadAnswer(ModelError):
    """The answer is not what the protocol says: HTML, a redirect, half a JSON document."""

    code = "model_bad_answer"
    worth_retrying = False


class ModelCutOff(ModelError):
    """The connection ended before the reply did."""

    code = "model_cut_off"


class EmptyReply(ModelError):
    """The reply came to its end, and there is nothing in it. Not retried: the model would say nothing again."""

    code = "empty_reply"
    worth_retrying = False


class ReplyTooLong(ModelError):
    """The model does not come to an end."""

    code = "reply_too_long"
    worth_retrying = False
