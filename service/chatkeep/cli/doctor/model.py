"""The model server: whether it takes the key, has the model, and answers."""

from collections.abc import Mapping
from contextlib import aclosing
from typing import TYPE_CHECKING

from chatkeep.chat.models import EmptyReply, ModelError
from chatkeep.chat.models.errors import ModelBadAnswer, ModelBadRequest, ModelNotFound
from chatkeep.chat.models.prompt import ChatPrompt
from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.doctor.settings_report import without_secrets
from chatkeep.cli.run_async import run_async
from chatkeep.config import Settings

if TYPE_CHECKING:
    from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel

# A model that has to be loaded first may take this long.
ANSWER_SECONDS = 60
PROMPT = "Say yes."
MAX_NAMES_SHOWN = 5


def look_at_model(settings: Settings, findings: Findings) -> None:
    if settings.model_url is None:
        findings.note(
            Area.MODEL,
            "No model server is set: the small built-in demonstration answers.",
            "Set CHATKEEP_MODEL_URL, such as http://127.0.0.1:11434/v1 for Ollama.",
        )
        return
    with findings.noting_failure(Area.MODEL):
        run_async(_ask(settings, without_secrets(settings.model_url), findings))


async def _ask(settings: Settings, shown: str, findings: Findings) -> None:
    """Have the model say one token, as the service would: a server may list its models while nothing answers.

    Raises:
        ConfigurationError: what the service itself would refuse about the address or the key.
    """
    # Here, as its library takes a moment to load.
    from chatkeep.chat.models.openai_compatible import OpenAICompatibleModel  # noqa: PLC0415

    model = OpenAICompatibleModel.of(settings, first_token_seconds=ANSWER_SECONDS, retries=0)
    names: list[str] | None = None
    try:
        names = await _names(model, settings)
        await _say_something(model)
        _judge(names, model.default_name or "", shown, settings, findings)
    except ModelError as error:
        findings.problem(
            Area.MODEL,
            f"{shown}: {error.detail}{_offer(names, settings.model)}",
            "Check that the model server runs, and CHATKEEP_MODEL_URL, CHATKEEP_MODEL and CHATKEEP_MODEL_API_KEY.",
        )
    finally:
        await model.close()


async def _names(model: "OpenAICompatibleModel", settings: Settings) -> list[str] | None:
    """Return the models that the server lists; None where it lists none and need not, since one is named."""
    try:
        return await model.list_models()
    except (ModelBadAnswer, ModelNotFound):
        if settings.model is None:
            raise
        return None


async def _say_something(model: "OpenAICompatibleModel") -> None:
    prompt = ChatPrompt()
    prompt.add_requester_msg(PROMPT)
    try:
        await _first_piece(model, prompt, {"max_tokens": 1})
    except (ModelBadRequest, EmptyReply):
        # Some models take no such limit, or think first.
        await _first_piece(model, prompt, {})


async def _first_piece(model: "OpenAICompatibleModel", prompt: ChatPrompt, params: Mapping[str, object]) -> None:
    async with aclosing(model.stream(prompt, model=None, params=params)) as reply:
        await anext(reply)


def _judge(names: list[str] | None, name: str, shown: str, settings: Settings, findings: Findings) -> None:
    """Say how it answered, as it did."""
    if settings.model is None:
        findings.ok(Area.MODEL, f"{shown} answers; its first model, {name}, is used.")
    elif names is None:
        findings.ok(Area.MODEL, f"{shown} answers as {name}; it does not list its models.")
    elif name in names:
        findings.ok(Area.MODEL, f"{shown} answers, and has {name}.")
    else:
        findings.warn(
            Area.MODEL,
            f"{shown} answers, but does not list {name}; it offers {_first_of(names)}.",
            "Check CHATKEEP_MODEL.",
        )


def _offer(names: list[str] | None, name: str | None) -> str:
    """Return a sentence to add to a failure of a model that the server does not list."""
    if names is None or name is None or name in names:
        return ""
    return f" It offers {_first_of(names)}."


def _first_of(names: list[str]) -> str:
    return ", ".join(names[:MAX_NAMES_SHOWN]) or "none"
