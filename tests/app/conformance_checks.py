"""Further checks of every answer in the conformance test; schemathesis loads them in its own process."""

from typing import Any

import schemathesis
from schemathesis import Case, CheckContext, Response

AnyCase = Case[Any]

SCHEMA_CODES = ("invalid_request", "invalid_json")


@schemathesis.check
def a_request_that_fits_the_document_fits_the_service(
    _context: CheckContext, response: Response, case: AnyCase
) -> None:
    """In place of `positive_data_acceptance`, which knows no rule that a schema cannot say.

    Such rules have codes of their own (`invalid_cursor`, `idempotency_key_reused`, `invalid_text`), or no `errors`.
    """
    generated = case.meta.generation.mode if case.meta is not None else None
    if generated is None or not generated.is_positive or response.status_code != 422:
        return
    problem = response.json()
    # To JSON Schema 1.0 is a whole number; to most programs, and here, it is not.
    misfits = [error for error in problem.get("errors", ()) if error["msg"] != "Input should be a valid integer"]
    if problem["code"] in SCHEMA_CODES and misfits:
        raise AssertionError(f"the document allows what the service does not: {misfits}")


@schemathesis.check
def every_answer_names_its_request_and_tells_nothing(
    _context: CheckContext, response: Response, _case: AnyCase
) -> None:
    """Every answer has the headers of the contract, and no error shows what is behind the service."""
    headers = response.headers
    assert headers["x-request-id"], headers
    assert headers["x-content-type-options"] == ["nosniff"], headers
    if response.status_code >= 400:
        assert headers["content-type"] == ["application/problem+json"], headers
        for word in ("Traceback", "asyncpg", "sqlalchemy", "SELECT ", "pydantic"):
            assert word not in response.text
