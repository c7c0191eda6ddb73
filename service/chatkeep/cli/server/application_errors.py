"""Errors of an operator's own application, in one sentence and their own lines that led there."""

import sysconfig
import traceback
from pathlib import Path

from chatkeep.errors import ConfigurationError

OURS = str(Path(__file__).resolve().parents[2])
LIBRARIES = tuple(sysconfig.get_path(each) for each in ("stdlib", "purelib", "platlib"))


def failure_of(name: str, error: BaseException) -> ConfigurationError:
    """Return the sentence about an error that the application `name` raised while it was loaded."""
    if isinstance(error, SystemExit):
        sentence = f"{name} cannot be served: loading it ended the process (SystemExit: {error.code})."
    else:
        sentence = f"{name} cannot be served: loading it failed with {_words(error)}."
    told = traceback.extract_tb(error.__traceback__)
    frames = traceback.StackSummary.from_list([each for each in told if _is_theirs(each.filename)])
    place = f'  File "{error.filename}", line {error.lineno}' if isinstance(error, SyntaxError) else ""
    return ConfigurationError("\n".join([sentence, "".join([*frames.format(), place]).rstrip()]).rstrip())


def is_a_signal(error: SystemExit) -> bool:
    """Tell whether the service itself was told to stop: its handlers raise in whatever runs just then."""
    frames = traceback.extract_tb(error.__traceback__)
    return bool(frames) and _is_ours(frames[-1].filename)


def _words(error: BaseException) -> str:
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return f"{type(error).__name__}: {said}".rstrip(": .")


def _is_theirs(file: str) -> bool:
    return not (file.startswith(("<", *LIBRARIES)) or _is_ours(file))


def _is_ours(file: str) -> bool:
    return file.startswith(f"{OURS}/")
