"""Fills in what an address leaves out, in libpq's order: the address, its service's file, the environment."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chatkeep.database.libpq.parameters import SETTING, VARIABLES, label, require_sensible
from chatkeep.database.libpq.text import Parameters
from chatkeep.errors import ConfigurationError

SERVICE_FILE = ".pg_service.conf"

__all__ = ["SETTING", "Value", "fill_parameters", "home_folder", "number"]


@dataclass(frozen=True)
class Value:
    """A parameter's value, and what an error calls it."""

    text: str
    called: str


def fill_parameters(given: Parameters, environment: Mapping[str, str]) -> dict[str, Value]:
    """Return every parameter that has a value. One that is given empty keeps the environment's away.

    Raises:
        ConfigurationError: a value is none, or there is no such service.
    """
    found = {name: Value(text, label(name)) for name, text in given.items()}
    for source in (_of_service(found, environment), _of_environment(environment)):
        for name, value in source.items():
            found.setdefault(name, value)
    present = {name: value for name, value in found.items() if value.text}
    for name, value in present.items():
        require_sensible(name, value.text, value.called)
    return present


def _of_environment(environment: Mapping[str, str]) -> dict[str, Value]:
    found = {}
    for name, variable in VARIABLES.items():
        if variable and (text := environment.get(variable)):
            try:
                text.encode()
            except UnicodeEncodeError:
                raise ConfigurationError(f"{variable} is not text in UTF-8.") from None
            found[name] = Value(text, variable)
    return found


def _of_service(given: Mapping[str, Value], environment: Mapping[str, str]) -> dict[str, Value]:
    name = given["service"].text if "service" in given else environment.get("PGSERVICE", "")
    if not name:
        return {}
    named = given["servicefile"].text if "servicefile" in given else environment.get("PGSERVICEFILE", "")
    own = Path(named) if named else _at_home(environment, SERVICE_FILE)
    folder = environment.get("PGSYSCONFDIR")
    for file in (own, Path(folder, "pg_service.conf") if folder else None):
        if file is not None and (found := _section(file, name)) is not None:
            return found
    raise ConfigurationError(
        f"There is no service of the name that {'the parameter service' if 'service' in given else 'PGSERVICE'} gives "
        f"in {own or 'any file'}. Set PGSERVICEFILE to the file that has it."
    )


def _section(file: Path, name: str) -> dict[str, Value] | None:
    """Return the parameters of one service; None where the file does not have it."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, ValueError):
        return None
    found: dict[str, Value] | None = None
    for line in map(str.strip, lines):
        if line.startswith("["):
            if found is not None:
                break
            if line == f"[{name}]":
                found = {}
        elif found is not None and line and not line.startswith("#"):
            key, equals, value = line.partition("=")
            if not equals or key not in VARIABLES or key in ("service", "servicefile"):
                raise ConfigurationError(f"The service's section in {file} holds a line that is no parameter.")
            found[key] = Value(value, f"The parameter {key} in {file}")
    return found


def _at_home(environment: Mapping[str, str], name: str) -> Path | None:
    home = home_folder(environment)
    return home / name if home else None


def home_folder(environment: Mapping[str, str]) -> Path | None:
    """Return the home folder as libpq finds it. Containers run as user ids that have none, which is no error."""
    if home := environment.get("HOME"):
        return Path(home)
    try:
        return Path.home()
    except (RuntimeError, KeyError):
        return None


def number(values: Mapping[str, Value], name: str, *, least: int = -(2**31)) -> int | None:
    """Return a parameter that is a number.

    Raises:
        ConfigurationError: it is none.
    """
    if name not in values:
        return None
    try:
        found = int(values[name].text)
    except ValueError:
        found = None
    if found is None or not least <= found < 2**31:
        raise ConfigurationError(f"{values[name].called} must be a whole number from {least} to {2**31 - 1}.")
    return found
