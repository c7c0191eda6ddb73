"""Names that begin as a setting's and are none: they do nothing, and somebody believes that they do."""

import difflib
import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic_settings import DotEnvSettingsSource, EnvSettingsSource

from chatkeep.config import Settings
from chatkeep.secret_files import secret_files

PREFIX = "chatkeep_"
NAMES = frozenset(Settings.model_fields)
# Names beside the settings: those of this project's own tests, and those that Kubernetes sets in every pod beside a
# Service named chatkeep.
OTHERS = re.compile(rf"{PREFIX}(test_.*|service_(host|port)(_.*)?|port_\d+_(tcp|udp|sctp)(_(proto|port|addr))?)")


@dataclass(frozen=True, slots=True)
class UnknownName:
    """Args:
    what: one sentence that says which name, and where it is.
    advice: the nearest right name, or what else to do.
    """

    what: str
    advice: str


def unknown_names() -> Iterator[UnknownName]:
    """Yield the names in the environment, in `.env` and among the secrets that are no setting."""
    in_environment = EnvSettingsSource(Settings).env_vars
    in_file = DotEnvSettingsSource(Settings).env_vars
    in_folders = [file.name.lower() for file in secret_files()]
    places = (("the environment", in_environment), ("the file .env", in_file), ("the folder of secrets", in_folders))
    for place, names in places:
        for name in names:
            if name.startswith(PREFIX) and not _is_known(name):
                yield UnknownName(f"{name.upper()} in {place} is not a setting, and does nothing.", _suggestion(name))


def _is_known(name: str) -> bool:
    return name.removeprefix(PREFIX) in NAMES or OTHERS.fullmatch(name) is not None


def _suggestion(name: str) -> str:
    alike = difflib.get_close_matches(name.removeprefix(PREFIX), NAMES, n=1)
    return (
        f"Did you mean CHATKEEP_{alike[0].upper()}?"
        if alike
        else "Remove it; `chatkeep doctor --settings` lists all settings."
    )
