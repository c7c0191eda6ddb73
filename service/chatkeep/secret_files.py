"""Settings in files of their own, as containers and systemd hand secrets to a process: `chatkeep_secret_key`.

The environment of a process is shown by `docker inspect` and inherited by every program that it starts; a file is not.
"""

import os
from pathlib import Path

from pydantic_settings import BaseSettings, SecretsSettingsSource

from chatkeep.errors import ConfigurationError

# Where Docker, Podman and Kubernetes manifests mount secrets.
RUN_SECRETS = "/run/secrets"
# Where systemd puts the credentials of a unit.
CREDENTIALS = "CREDENTIALS_DIRECTORY"
PREFIX = "chatkeep_"


def secret_folders() -> list[Path]:
    """Return the folders whose files are settings. The last one wins."""
    named = [RUN_SECRETS, os.environ.get(CREDENTIALS)]
    return [Path(name) for name in named if name and Path(name).is_dir() and os.access(name, os.R_OK | os.X_OK)]


def secret_files() -> list[Path]:
    """Return the files in those folders that are named like a setting, in any case."""
    return [file for folder in secret_folders() for file in folder.iterdir() if file.name.lower().startswith(PREFIX)]


def secret_source(settings: type[BaseSettings]) -> SecretsSettingsSource:
    """Return the source of values that reads these files.

    Raises:
        ConfigurationError: one cannot be read. The service would run with a default in its place.
    """
    for file in secret_files():
        _require_text(file)
    return SecretsSettingsSource(settings, secret_folders() or None)


def _require_text(file: Path) -> None:
    try:
        file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(
            f"The secret {file} cannot be read: {reason}. Make it a text file that the service's user may read."
        ) from None
