"""Which settings there are, where each came from, and which names are none of them."""

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from pydantic import SecretStr
from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.setting_names import PREFIX, unknown_names
from chatkeep.config import Settings
from chatkeep.database.libpq.address import shown_url
from chatkeep.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting, as it may be shown: of a secret, only how long it is."""

    name: str
    value: str
    source: str


def list_settings(settings: Settings, options: Collection[str]) -> list[Setting]:
    """Return every setting.

    Args:
        options: the names of those that the command line gave.
    """
    in_environment = _names(EnvSettingsSource(Settings)())
    in_file = _names(DotEnvSettingsSource(Settings)())

    def source(name: str) -> str:
        if name in options:
            return "option"
        if name not in settings.model_fields_set:
            return "default"
        if name in in_environment:
            return "environment"
        return ".env" if name in in_file else "secret file"

    return [Setting(f"CHATKEEP_{name.upper()}", _shown(settings, name), source(name)) for name in Settings.model_fields]


def look_for_misspelt(findings: Findings) -> None:
    for unknown in unknown_names():
        findings.warn(Area.SETTINGS, unknown.what, unknown.advice)


def _names(found: Iterable[str]) -> set[str]:
    """Return the settings' own names: one that has several names is found by one of those."""
    return {name.lower().removeprefix(PREFIX) for name in found}


def _shown(settings: Settings, name: str) -> str:
    value = getattr(settings, name)
    if name in ("database_url", "read_database_url") and value is not None:
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
    """Return an address without the password and the query, which may hold a key.

    A password is typed as it is, with any sign in it: it ends at the last @.
    """
    return re.sub(r"\?.*", "?…", re.sub(r"//.*@", "//…@", url, flags=re.DOTALL), flags=re.DOTALL)
