"""Addresses that are none: a page for whoever typed one, a problem for programs."""

import pytest

from tests.support.running_service import RunningService

NAVIGATING = {"Sec-Fetch-Mode": "navigate", "Accept": "text/html"}


@pytest.mark.parametrize("path", ["/cnosole", "/console/statistics?period=nonsense", "/console/conversations/nonsense"])
async def test_whoever_types_a_wrong_address_gets_a_page(service: RunningService, path: str) -> None:
    for language, words in (("en", "There is nothing at this address"), ("ja", "ページが見つかりません")):
        answer = await service.client(headers=NAVIGATING | {"Accept-Language": language}).get(path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "text/html; charset=utf-8"
        assert "script-src 'self'" in answer.headers["content-security-policy"]
        assert f"<h1>{words}</h1>" in answer.text


@pytest.mark.parametrize("path", ["/cnosole", "/api/v1/nothing", "/web/nothing", "/static/0/en/nothing.js"])
async def test_programs_get_a_problem(service: RunningService, path: str) -> None:
    headers = {} if path == "/cnosole" else NAVIGATING
    answer = await service.client(headers=headers).get(path)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    assert (await service.client(headers=NAVIGATING).post(path)).headers["content-type"] == "application/problem+json"
