"""The sentences of this service about failed answers, in the language of the page."""

import re

import pytest
from playwright.async_api import Browser, expect

from chatkeep.chat.models import ModelError, Text
from chatkeep.chat.models.openai_errors import Failures
from chatkeep.http.languages import LANGUAGES
from chatkeep.web.failures import failure_in, without_settings
from chatkeep.web.translations import texts_of_group
from tests.support.running_service import Person, RunningService
from tests.web.browser import browsing
from tests.web.failure_sentences import PART, sentences
from tests.web.models import TaughtModel


def test_every_sentence_is_there_in_each_language() -> None:
    """Whoever writes a new one writes it in the other languages, too."""
    found = sentences()
    assert len(found) > 30
    known = {re.sub(r"\{\w+\}", PART, text) for text in texts_of_group("failures", "en").values()}
    assert found == known


@pytest.mark.parametrize("language", LANGUAGES)
def test_each_is_told_in_the_language_with_its_parts(language: str) -> None:
    words = texts_of_group("failures", language)
    parts = {"status": "418", "seconds": "7", "said": ": “no tea. No (HTTP 503)”", "name": "a “b” c", "reason": "x.y"}
    for name, text in texts_of_group("failures", "en").items():
        if "{error}" not in text:
            filled = {**parts, "error": ""}
            assert failure_in(language, text.format(**filled)) == words[name].format(**filled), name


def test_a_sentence_within_another_is_told_as_well() -> None:
    detail = "The model server failed (HTTP 500). Try again later. It lists no model named “tea”."
    assert failure_in("ja", detail) == (
        "モデルサーバーでエラーが発生しました（HTTP 500）。しばらくしてからもう一度お試しください。"
        "サーバーの一覧に「tea」というモデルはありません。"
    )


@pytest.mark.parametrize(
    "detail",
    [
        "Broken.",
        "",
        "The model server",
        "The model server failed (HTTP many). Try again later.",
        "The model server " * 99,
    ],
)
def test_other_sentences_stay_as_they_are(detail: str) -> None:
    assert failure_in("ja", detail) == detail


def test_the_server_s_own_words_stay_as_they_are() -> None:
    error = Failures("m", [], has_key=True).of_status(400, {}, '{"error": {"message": "kettle {status} is empty"}}')
    assert failure_in("ja", error.detail) == (
        "モデルサーバーはこのリクエストに回答できません（HTTP 400）: “kettle {status} is empty”。"
    )


@pytest.mark.parametrize(
    ("locale", "told"),
    [
        ("en-GB", "The model failed. The model server sent nothing for too long. Try again later."),
        (
            "ja-JP",
            (
                "モデルでエラーが発生しました。 "
                "モデルサーバーからの応答が途絶えました。しばらくしてからもう一度お試しください。"
            ),
        ),
    ],
)
async def test_a_failed_answer_says_why_in_the_language_of_the_page(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel, locale: str, told: str
) -> None:
    model.teach("wait", Text("Half"), ModelError("The model server sent nothing for too long. Try again later."))
    async with browsing(browser, service, person, locale=locale) as tab:
        await tab.open()
        await tab.say("wait")
        for _ in range(2):
            await expect(tab.get(".ending.bad")).to_have_text(told)
            await tab.page.reload()


async def test_the_console_says_it_in_its_language(
    browser: Browser, service: RunningService, person: Person, model: TaughtModel
) -> None:
    model.teach("cut", Text("Half"), ModelError("The model server ended the connection in the middle of its reply."))
    conversation = await person.conversation()
    await person.say(conversation, "cut")
    async with browsing(browser, service, await service.administrator(), locale="ja-JP") as tab:
        await tab.open(f"/console/conversations/{conversation}")
        await tab.get("#f-reason").fill("ticket")
        await tab.get("#why .main").click()
        await expect(tab.get(".ending.bad")).to_contain_text("モデルサーバーが、回答の途中で接続を切りました。")


@pytest.mark.parametrize("language", LANGUAGES)
def test_readers_who_run_nothing_are_told_whom_to_tell_and_no_setting(language: str) -> None:
    told = 0
    for text in texts_of_group("failures", language).values():
        shown = without_settings(language, text)
        assert not re.search("CHATKEEP|SSL_CERT|operator|運用担当者", shown), text
        told += shown != text
        assert shown == text or ("administrator" in shown or "管理者" in shown)
    assert told > 10
