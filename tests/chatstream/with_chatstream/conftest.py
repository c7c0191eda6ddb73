"""These tests take a real ChatStream 0.3.0, which `make test-chatstream` installs; elsewhere they are not collected."""

from importlib.util import find_spec

collect_ignore_glob = [] if find_spec("chatstream") else ["test_*.py"]
