"""The application to serve: the service's own, or one that the operator names with `--app`."""

import importlib
import inspect
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from starlette.types import ASGIApp

from chatkeep.app import worker
from chatkeep.cli.server.application_errors import failure_of, is_a_signal
from chatkeep.errors import ChatkeepError, ConfigurationError

FORM = "Name it as --app module:attribute, such as --app mine:app for `app` in mine.py."


def application_of(name: str | None) -> ASGIApp:
    """Return the application of that name; None is the service itself.

    Args:
        name: `module:attribute`; the module is looked for in the working directory first. The attribute is an ASGI
            application, or a function without arguments that returns one.

    Raises:
        ConfigurationError: there is no such module or attribute, it is neither, or it fails while it is loaded.
    """
    if name is None:
        return worker.application()
    try:
        return _application(_attribute(*name_parts(name), name), name)
    except ChatkeepError:
        raise
    except SystemExit as error:
        if is_a_signal(error):
            raise
        raise failure_of(name, error) from None
    except Exception as error:  # noqa: BLE001  whatever a module of somebody else's raises
        raise failure_of(name, error) from None


def name_parts(name: str) -> tuple[str, str]:
    """Return the module and the attribute of an application's name.

    Raises:
        ConfigurationError: it is not such a name.
    """
    module, colon, attribute = name.partition(":")
    words = [*module.split("."), *attribute.split(".")]
    if not colon or not all(word.isidentifier() for word in words):
        raise ConfigurationError(f"{name!r} is not the name of an application. {FORM}")
    return module, attribute


def _attribute(module: str, attribute: str, name: str) -> object:
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{module}.".startswith(f"{error.name}."):
            raise  # the module is there, and imports another that is not
        raise ConfigurationError(
            f"There is no module {error.name} in {here} or on PYTHONPATH, which --app {name} needs. {FORM}"
        ) from None
    for word in attribute.split("."):
        try:
            found = getattr(found, word)
        except AttributeError:
            raise ConfigurationError(f"The module {module} has no {attribute}. {FORM}") from None
    return found


def _application(found: object, name: str) -> ASGIApp:
    if _takes(found, 0):
        found = cast("Callable[[], Any]", found)()
    if not _takes(found, 3):
        raise ConfigurationError(
            f"{name} is not an ASGI application, nor a function without arguments that returns one. {FORM}"
        )
    return cast("ASGIApp", found)


def _takes(found: object, arguments: int) -> bool:
    """Tell whether it can be called with so many: three are an application's scope, receive and send."""
    if not callable(found):
        return False
    try:
        inspect.signature(found).bind(*range(arguments))
    except (TypeError, ValueError):
        return False
    return True
