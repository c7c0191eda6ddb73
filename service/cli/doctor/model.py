"""The model server: whether it answers, takes the key, and has the model."""

import httpx2

from service.cli.asynchronous import finished
from service.cli.doctor.configured import without_secrets
from service.cli.doctor.findings import Area, Findings
from service.config import Settings

TIMEOUT_SECONDS = 5
CHECK_ADDRESS = "Check CHATKEEP_MODEL_URL; it usually ends in /v1."


def look_at_model(settings: Settings, findings: Findings) -> None:
    if settings.model_url is None:
        findings.note(
            Area.MODEL,
            "No model server is set: the small built-in demonstration answers.",
            "Set CHATKEEP_MODEL_URL, such as http://127.0.0.1:11434/v1 for Ollama.",
        )
        return
    with findings.noting_failure(Area.MODEL):
        _require_usable(settings)
        _ask(settings, without_secrets(settings.model_url), findings)


def _require_usable(settings: Settings) -> None:
    """Raises: ConfigurationError: what the service itself would refuse about the address or the key."""
    from service.chat.models.openai_compatible import OpenAICompatibleModel  # noqa: PLC0415  loads its library, where there is a model

    OpenAICompatibleModel(str(settings.model_url), api_key=settings.model_api_key, model=settings.model)


def _ask(settings: Settings, shown: str, findings: Findings) -> None:
    # Whatever the library would say of a failure may quote the key, so that none of it is shown.
    try:
        answer = finished(_models(settings))
    except httpx2.TimeoutException:
        findings.problem(
            Area.MODEL, f"{shown} does not answer within {TIMEOUT_SECONDS} s.", "Is the model server overloaded?"
        )
    except httpx2.HTTPError as error:
        findings.problem(Area.MODEL, f"Nothing answers at {shown} ({type(error).__name__}).", "Start the model server.")
    else:
        _judge(answer, shown, settings, findings)


async def _models(settings: Settings) -> httpx2.Response:
    address = httpx2.URL(str(settings.model_url))
    if not address.path.strip("/"):
        address = address.copy_with(path="/v1")  # as the service itself does
    key = settings.model_api_key.get_secret_value().strip() if settings.model_api_key else ""
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # Goes where it is told: no redirects and no proxies of the environment, which would be shown the key.
    async with httpx2.AsyncClient(timeout=TIMEOUT_SECONDS, trust_env=False, follow_redirects=False) as client:
        return await client.get(address.copy_with(path=f"{address.path.rstrip('/')}/models"), headers=headers)


def _judge(answer: httpx2.Response, shown: str, settings: Settings, findings: Findings) -> None:
    if answer.status_code in (401, 403):
        what = "refuses the key" if settings.model_api_key else "asks for a key"
        findings.problem(Area.MODEL, f"{shown} {what} ({answer.status_code}).", "Check CHATKEEP_MODEL_API_KEY.")
        return
    names = _names(answer)
    if names is None:
        findings.warn(Area.MODEL, f"{shown} does not list its models ({answer.status_code}).", CHECK_ADDRESS)
    elif settings.model is None and not names:
        findings.problem(Area.MODEL, f"{shown} offers no model.", "Load one there.")
    elif settings.model is None:
        findings.ok(Area.MODEL, f"{shown} answers; its first model, {names[0]}, is used.")
    elif settings.model in names:
        findings.ok(Area.MODEL, f"{shown} answers, and has {settings.model}.")
    else:
        offered = ", ".join(names[:5]) or "none"
        findings.warn(
            Area.MODEL, f"{shown} does not list {settings.model}; it offers {offered}.", "Check CHATKEEP_MODEL."
        )


def _names(answer: httpx2.Response) -> list[str] | None:
    """Return the models' names, or None where that is no list of models."""
    try:
        return [str(each["id"]) for each in answer.json()["data"] or ()] if answer.status_code == 200 else None
    except (ValueError, LookupError, TypeError):
        return None
