"""The Dockerfile: what a linter and the real commands say of it; an image is not built here."""

import asyncio
import subprocess
import sys
from pathlib import Path

from chatkeep.app.draining import DELIVERY_SECONDS
from chatkeep.config import Settings
from tests.deploy.files import PROJECT, health_command, image_environment, instructions, last
from tests.support.process import environment, serving

# `docker stop` and `podman stop` kill after this.
STOP_SECONDS = 10


def test_the_linter_has_nothing_to_say() -> None:
    hadolint = Path(sys.executable).parent / "hadolint"
    ran = subprocess.run([hadolint, PROJECT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stdout) == (0, "")


def test_the_image_runs_as_a_number_that_is_not_root() -> None:
    user, group = last("USER").split(":")
    assert int(user) > 0
    assert group == "0"  # OpenShift runs it as any user of this group
    assert last("STOPSIGNAL") == "SIGTERM"


def test_a_plain_stop_leaves_time_to_save_replies() -> None:
    grace = int(image_environment()["CHATKEEP_SHUTDOWN_GRACE_SECONDS"])
    assert 0 < grace + DELIVERY_SECONDS < STOP_SECONDS


def test_every_setting_of_the_image_is_one() -> None:
    names = [name.removeprefix("CHATKEEP_").lower() for name in image_environment() if name.startswith("CHATKEEP_")]
    assert names
    assert set(names) <= set(Settings.model_fields)


def test_what_it_copies_is_there_and_reaches_the_builder() -> None:
    copied = [
        source.rstrip("/")
        for word, rest in instructions()
        if word == "COPY" and "--from" not in rest
        for source in rest.split()[:-1]
    ]
    ignored, *let_in = (PROJECT / ".dockerignore").read_text().split("\n\n")[0].splitlines()[1:]
    assert ignored == "*"
    assert {line.removeprefix("!") for line in let_in if line.startswith("!")} == set(copied)
    assert all((PROJECT / source).exists() for source in copied)


async def test_its_health_check_tells_a_living_service_from_none(database_url: str, tmp_path: Path) -> None:
    def healthy(port: str) -> int:
        # A proxy of the environment must not be asked for the container's own address.
        own = environment(port=port) | {"http_proxy": "http://127.0.0.1:9"}
        return subprocess.run(health_command(), env=own, capture_output=True, check=False).returncode

    async with serving(tmp_path, database_url=database_url) as service:
        port = service.url.rpartition(":")[2]
        assert await asyncio.to_thread(healthy, port) == 0
    assert await asyncio.to_thread(healthy, port) != 0
