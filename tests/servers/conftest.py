"""These tests take real model servers, which `make test-servers` installs; elsewhere they are not collected."""

import os

from tests.servers.programs import INSTALLED_IN

collect_ignore_glob = [] if INSTALLED_IN in os.environ else ["test_*.py"]
