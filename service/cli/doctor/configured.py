"""Which settings there are, where each came from, and which names in the environment are none of them."""

import difflib
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from service.cli.doctor.findings import Area, Findings
from service.config import Settings
from service.database.urls import shown_url
from service.errors import ConfigurationError

PREFIX = "chatkeep_"
# Names beside the settings: those of this project's own tests.
OTHERS = f"{PREFIX}test_"
NAMES = frozenset(Settings.model_fields)


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as it may be shown: of a secret, only how long it is."""

    name: str
    value: str
    source: str


def configured(settings: Settings, options: Collection[str]) -> list[Setting]:
    """Return every setting.

    Args:
        options: the names of those that the command line gave.
    """
    in_environment = _names(EnvSettingsSource(Settings)())

    def source(name: str) -> str:
        if name in options:
            return "option"
        if name not in settings.model_fields_set:
            return "default"
        return "environment" if name in in_environment else ".env"

    return [Setting(f"CHATKEEP_{name.upper()}", _shown(settings, name), source(name)) for name in Settings.model_fields]


def look_for_misspelt(findings: Findings) -> None:
    """Names that begin as a setting's and are none do nothing: somebody believes that they do."""
    in_environment = [name for name in EnvSettingsSource(Settings).env_vars if name.startswith(PREFIX)]
    in_file = [name for name in DotEnvSettingsSource(Settings).env_vars if name.startswith(PREFIX)]
    for place, names in (("the environment", in_environment), ("the file .env", in_file)):
        for name in names:
            if name.removeprefix(PREFIX) not in NAMES and not name.startswith(OTHERS):
                findings.warn(
                    Area.SETTINGS, f"{name.upper()} in {place} is no setting, and does nothing.", _suggestion(name)
                )


def _suggestion(name: str) -> str:
    alike = difflib.get_close_matches(name.removeprefix(PREFIX), NAMES, n=1)
    return (
        f"Did you mean CHATKEEP_{alike[0].upper()}?"
        if alike
        else "Remove it; `chatkeep doctor --settings` lists all there are."
    )


def _names(found: Iterable[str]) -> set[str]:
    """Return the settings' own names: one that has several names is found by one of those."""
    return {name.lower().removeprefix(PREFIX) for name in found}


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if name == "database_url" and value is not None:
        return _shown_address(value.get_secret_value())
    if name == "model_url" and value is not None:
        return without_secrets(value)
    return _shown_value(value)


def _shown_value(value: object) -> str:
    match value:
        case None | ():
            return "not set"
        case SecretStr():
            return f"set, {len(value)} characters"
        case tuple() if isinstance(value[0], SecretStr):
            return f"{len(value)} set, {' and '.join(str(len(key)) for key in value)} characters"
        case tuple():
            return ", ".join(str(each) for each in value)
        case bool():
            return str(value).lower()
    return str(value)


def _shown_address(url: str) -> str:
    try:
        return shown_url(url)
    except (ConfigurationError, ValueError):
        return f"set, {len(url)} characters"


def without_secrets(url: str) -> str:
    """Return an address without the password and the query, which may hold a key."""
    return re.sub(r"\?.*", "?…", re.sub(r"//[^/@]*@", "//…@", url))
