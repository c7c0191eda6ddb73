"""A process opens as many files as the system allows, and writes no more replies than it has files for."""

import resource
import subprocess
import sys

import pytest

RAISED = """
import resource
from chatkeep.config import Settings
from chatkeep.open_files import possible_generations, raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
raise_limit()
print(resource.getrlimit(resource.RLIMIT_NOFILE)[0], possible_generations(Settings.read()))
"""


@pytest.mark.parametrize(
    ("soft", "hard", "files", "generations"),
    [
        pytest.param(256, 8192, 8192, 2000, id="raised"),
        pytest.param(256, 1024, 1024, 440, id="no more than the system allows"),
        pytest.param(128, 256, 256, 56, id="few"),
        pytest.param(64, 128, 128, 1, id="hardly any"),
    ],
)
def test_the_limit_is_raised_and_replies_fit_into_it(soft: int, hard: int, files: int, generations: int) -> None:
    if resource.getrlimit(resource.RLIMIT_NOFILE)[1] < hard:
        pytest.skip("this system allows fewer open files")
    code = RAISED.format(soft=soft, hard=hard)
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={})
    assert told.stdout.split() == [str(files), str(generations)]
