"""What is checked of every answer in the conformance test of `/v1`; schemathesis loads it in its own process."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response


@schemathesis.check
def every_error_is_of_the_one_shape(_context: CheckContext, response: Response, case: Case[Any]) -> None:
    """Under `/v1` errors are OpenAI's; everywhere they name their request and tell nothing of what is behind."""
    headers = response.headers
    assert headers["x-request-id"], headers
    if response.status_code < 400:
        return
    text = response.text
    for word in ("Traceback", "asyncpg", "sqlalchemy", "SELECT ", "pydantic"):
        assert word not in text
    if case.path.startswith("/v1"):
        error = response.json()["error"]
        assert {"message", "type", "param", "code"} <= error.keys(), error
        assert error["message"]
    else:
        assert headers["content-type"] == ["application/problem+json"], headers
