"""Routes under `/v1`: JSON as everywhere, with room for histories and the schemas of tools."""

from chatkeep.http.bodies import JsonRoute, StrictRequest

# A hundred tools with their schemas, or some thousands of messages.
MAX_STRUCTURE_BYTES = 512 * 1024


class OpenAIRequest(StrictRequest):
    """A request that may bring a whole history."""

    max_structure_bytes = MAX_STRUCTURE_BYTES


class OpenAIRoute(JsonRoute):
    """A route under `/v1`; see `chatkeep.openai.errors` for its errors."""

    request_class = OpenAIRequest
