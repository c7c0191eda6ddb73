"""Random requests at `/v1` and at the AI SDK's chats, made by schemathesis: none is answered with a fault.

The requests are the same on every run. `make fuzz` sends more of them.
"""

import asyncio
import json
import os
import sys
from pathlib import Path

from tests.openai.clients import ApiUser
from tests.openai.test_permissions import resources
from tests.openai.undocumented import ROUTES, document_of
from tests.support.running_service import RunningService

EXAMPLES = os.environ.get("CHATKEEP_TEST_EXAMPLES", "5")
ROOT = Path(__file__).parents[2]


async def test_random_requests(service: RunningService, user: ApiUser, tmp_path: Path) -> None:
    made = await resources(user)
    known = made | {"conversation": made["conversation_id"], "previous_response_id": made["response_id"]}
    document = document_of(known | {"chat_id": "chat 1", "model_id": "m"})
    assert sum(len(item) for item in document["paths"].values()) == len(ROUTES)
    (tmp_path / "document.json").write_text(json.dumps(document))
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", "from schemathesis.cli import schemathesis; schemathesis()"),
        *("run", str(tmp_path / "document.json"), "--url", service.url, "--generation-deterministic"),
        *("--max-examples", EXAMPLES, "--phases", "examples,fuzzing", "--warnings", "off", "--no-color"),
        *("--checks", "not_a_server_error,every_error_is_of_the_one_shape", "--continue-on-failure"),
        *("--header", f"Authorization: Bearer {user.token}"),
        cwd=tmp_path,
        env=os.environ | {"SCHEMATHESIS_HOOKS": "tests.openai.conformance_checks", "PYTHONPATH": str(ROOT)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()[-20_000:]
    assert f"{len(ROUTES)} selected / {len(ROUTES)} total" in output.decode(), output.decode()
