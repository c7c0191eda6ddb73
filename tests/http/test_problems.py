"""Errors in the one shape that they have."""

import inspect
import json
from typing import Any

import pytest
from starlette.responses import Response

from chatkeep import errors
from chatkeep.http.problems import (
    MEDIA_TYPE,
    PROTOCOL,
    USUAL,
    Problem,
    error_responses,
    invalid_response,
    problem_response,
    protocol_response,
    response_to,
    status_of,
)

STATUS_OF = {
    errors.LinkEnded: 409,
    errors.NotAuthenticated: 401,
    errors.InvalidCredentials: 401,
    errors.Forbidden: 403,
    errors.RegistrationClosed: 403,
    errors.GuestNotAllowed: 403,
    errors.UntrustedIdentity: 403,
    errors.InsufficientScope: 403,
    errors.CrossSiteRequest: 403,
    errors.NotFound: 404,
    errors.FileQuotaReached: 403,
    errors.FileTooLarge: 413,
    errors.FileTypeNotAllowed: 422,
    errors.FileMissing: 422,
    errors.FileInUse: 409,
    errors.TooManyUploads: 429,
    errors.Conflict: 409,
    errors.UsernameTaken: 409,
    errors.SeveralOwners: 409,
    errors.LastAdministrator: 409,
    errors.IsGuest: 409,
    errors.NoPassword: 409,
    errors.TurnInProgress: 409,
    errors.TooManyTokens: 409,
    errors.TooManyPins: 409,
    errors.LegalHold: 409,
    errors.NothingToContinue: 409,
    errors.Invalid: 422,
    errors.InvalidText: 422,
    errors.NothingToFind: 422,
    errors.UnknownImportFormat: 422,
    errors.InvalidCursor: 422,
    errors.WeakPassword: 422,
    errors.IdempotencyKeyReused: 422,
    errors.AuditReasonRequired: 428,
    errors.TooMany: 429,
    errors.TooManyAttempts: 429,
    errors.TooManyGenerations: 429,
    errors.TooManyImports: 429,
    errors.UploadTooSlow: 408,
    errors.Unavailable: 503,
    errors.ModelsUnknown: 503,
    errors.DatabaseUnavailable: 503,
    errors.ReadOnlyDatabase: 503,
    errors.MissingPrivilege: 503,
    errors.DatabaseFull: 503,
    errors.PoolerExhausted: 503,
    errors.QueryTooSlow: 503,
    errors.Busy: 503,
}


def body_of(answer: Response) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(bytes(answer.body))
    Problem.model_validate(body)
    return body


def classes() -> list[type[errors.ChatkeepError]]:
    found = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, errors.ChatkeepError)]
    return [each for each in found if not issubclass(each, errors.StartUpError) and each is not errors.ChatkeepError]


def test_every_error_of_the_domain_has_a_status() -> None:
    assert {each: status_of(each.__new__(each)) for each in classes()} == STATUS_OF


def test_codes_are_snake_case_and_each_means_one_thing() -> None:
    codes = [each.code for each in classes() if "code" in vars(each)]
    assert len(set(codes)) == len(codes)
    assert not set(codes) & PROTOCOL.keys()
    for code in (*codes, *PROTOCOL):
        assert code.replace("_", "").isalpha()
        assert code == code.lower()


def test_a_problem_has_the_members_of_the_contract() -> None:
    answer = response_to(errors.UsernameTaken("That username is taken."))
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert body_of(answer) == {
        "type": "about:blank",
        "title": "Conflict",
        "status": 409,
        "detail": "That username is taken.",
        "code": "username_taken",
    }


def test_further_members_stand_beside_them() -> None:
    body = body_of(response_to(errors.TurnInProgress("Wait.", turn_id="0198c0de-0000-7000-8000-000000000001")))
    assert body["turn_id"] == "0198c0de-0000-7000-8000-000000000001"


def test_whoever_is_to_wait_is_told_how_long() -> None:
    assert response_to(errors.TooManyAttempts("Wait.", 61)).headers["retry-after"] == "61"
    assert int(response_to(errors.DatabaseUnavailable("Wait.")).headers["retry-after"]) > 0


def test_whoever_is_not_signed_in_is_told_how() -> None:
    assert response_to(errors.NotAuthenticated("Sign in.")).headers["www-authenticate"] == "Bearer"


def test_an_unknown_error_is_an_internal_one() -> None:
    assert status_of(errors.MigrationError("x")) == 500


@pytest.mark.parametrize("code", PROTOCOL)
def test_the_answers_of_http_itself_are_problems(code: str) -> None:
    body = body_of(protocol_response(code))
    assert (body["code"], body["status"], body["detail"]) == (code, *PROTOCOL[code])


def test_text_that_utf8_cannot_say_does_not_break_an_answer() -> None:
    answer = problem_response(422, "invalid_request", "x", fields={"errors": [{"loc": ["body", "\ud800"], "msg": "x"}]})
    assert json.loads(bytes(answer.body))["errors"][0]["loc"] == ["body", "?"]


def _wrong(kind: str, *loc: str) -> dict[str, Any]:
    return {"type": kind, "loc": loc, "msg": "wrong", "input": "a secret", "ctx": {"error": ValueError("a secret")}}


@pytest.mark.parametrize(
    ("found", "code"),
    [
        ([_wrong("missing", "body", "title")], "invalid_request"),
        ([_wrong("invalid_text", "body", "title")], "invalid_text"),
        ([_wrong("string_unicode", "query", "q"), _wrong("missing", "body")], "invalid_text"),
        ([_wrong("json_invalid", "body"), _wrong("invalid_text", "body")], "invalid_json"),
        ([_wrong("string_too_long", "query", "cursor")], "invalid_cursor"),
        ([_wrong("string_unicode", "query", "cursor")], "invalid_cursor"),
        ([_wrong("missing", "body", "cursor")], "invalid_request"),
    ],
)
def test_what_does_not_fit_is_named_and_not_quoted(found: list[dict[str, Any]], code: str) -> None:
    answer = invalid_response(found)
    body = body_of(answer)
    assert (body["status"], body["code"]) == (422, code)
    assert body["errors"] == [{"loc": list(each["loc"]), "msg": "wrong"} for each in found]
    assert b"secret" not in bytes(answer.body)


def test_thousands_of_wrong_fields_do_not_make_a_huge_answer() -> None:
    assert (
        len(body_of(invalid_response([_wrong("extra_forbidden", "body", str(n)) for n in range(5000)]))["errors"]) == 50
    )


def test_documented_errors_have_an_example_for_each_code() -> None:
    answers = error_responses(401, 422, weak_password=(422, "Too short."))
    assert answers.keys() == {401, 422}
    examples = answers[422]["content"][MEDIA_TYPE]["examples"]
    assert examples.keys() == {"invalid_request", "weak_password"}
    assert examples["weak_password"]["value"]["detail"] == "Too short."


def test_usual_details_are_of_errors_that_there_are() -> None:
    known = {each.code: STATUS_OF[each] for each in classes()}
    assert {code: status for code, (status, _) in USUAL.items()}.items() <= known.items()
