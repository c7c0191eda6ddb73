"""A model server for tests: the OpenAI API over real HTTP, which remembers requests and fails on demand."""

from tests.upstream.app import Received, UpstreamApp
from tests.upstream.replies import known_replies
from tests.upstream.server import Upstream

__all__ = ["Received", "Upstream", "UpstreamApp", "known_replies"]
