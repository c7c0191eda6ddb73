"""The files for deployments, parsed."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

PROJECT = Path(__file__).resolve().parents[2]


def instructions() -> list[tuple[str, str]]:
    """Return the Dockerfile's instructions, each with its argument on one line."""
    lines = [line for line in (PROJECT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    joined = "\n".join(lines).replace("\\\n", "")
    return [(word, rest.strip()) for word, _, rest in (line.partition(" ") for line in joined.splitlines() if line)]


def last(word: str) -> str:
    """Return the argument of the last instruction of that name: the one of the image that runs."""
    return [rest for name, rest in instructions() if name == word][-1]


def image_environment() -> dict[str, str]:
    return dict(part.split("=", 1) for part in last("ENV").split())


def health_command() -> list[str]:
    found: list[str] = json.loads(last("HEALTHCHECK").partition("CMD ")[2])
    return found


def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((PROJECT / "compose.yaml").read_text())
    return found


def unit() -> dict[str, list[str]]:
    """Return the values of each key of the systemd unit's `[Service]`."""
    service = (PROJECT / "deploy" / "chatkeep.service").read_text().partition("[Service]")[2].partition("[Install]")[0]
    found: dict[str, list[str]] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", service, re.MULTILINE):
        found.setdefault(key, []).append(value)
    return found


def documented(heading: str) -> list[str]:
    """Return the shell blocks below a heading of docs/deploying.md."""
    text = (PROJECT / "docs" / "deploying.md").read_text().partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    assert text, f"no heading {heading}"
    return re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
