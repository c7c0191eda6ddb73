"""LiteLLM's proxy and OGX, in front of another model server."""

import json
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from tests.servers.programs import ModelServer, installed, running_server
from tests.support.process import ROOT
from tests.support.programs import free_port

GATEWAY_KEY = "sk-gateway-0123456789abcdef"
UPSTREAM_KEY = "sk-upstream-fedcba9876543210"
WRONG_KEY = "sk-wrong-00112233445566778899"


@asynccontextmanager
async def stand_in(folder: Path) -> AsyncIterator[ModelServer]:
    """Run the tests' own model server, slow, as a process that can be killed."""
    port = free_port()
    command = (sys.executable, "-m", "tests.upstream", "--port", str(port), "--api-key", UPSTREAM_KEY)
    options = ("--model", "small", "large", "--pause-ms", "100")
    async with running_server(folder, *command, *options, port=port, key=UPSTREAM_KEY, PYTHONPATH=str(ROOT)) as server:
        yield server


@asynccontextmanager
async def litellm(folder: Path, models: Mapping[str, Mapping[str, Any]]) -> AsyncIterator[ModelServer]:
    """Run LiteLLM's proxy, without a database, until the block ends.

    Args:
        models: by the name that it lists, what it calls `litellm_params`.
    """
    port = free_port()
    config = {
        "model_list": [{"model_name": name, "litellm_params": dict(params)} for name, params in models.items()],
        "general_settings": {"master_key": GATEWAY_KEY},
        "router_settings": {"num_retries": 0},
    }
    path = _written(folder / f"litellm-{port}.yaml", config)
    # The prices of models come with it; without this it would ask for newer ones.
    settings = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_TELEMETRY": "False"}
    command = (installed("litellm", "litellm"), "--config", path, "--host", "127.0.0.1", "--port", str(port))
    async with running_server(folder, *command, port=port, key=GATEWAY_KEY, **settings) as server:
        yield server


@asynccontextmanager
async def ogx(folder: Path, upstreams: Mapping[str, tuple[str, str]]) -> AsyncIterator[ModelServer]:
    """Run OGX until the block ends.

    Args:
        upstreams: by the name of its provider, the address of a server and the key for it.
    """
    port = free_port()
    providers = [
        {"provider_id": name, "provider_type": "remote::openai", "config": {"base_url": url, "api_key": key}}
        for name, (url, key) in upstreams.items()
    ]
    stores = {
        "metadata": {"namespace": "registry", "backend": "kv_default"},
        "inference": {"table_name": "inference", "backend": "sql_default", "enabled": False},
    }
    config = {
        "version": 2,
        "distro_name": "tests",
        "apis": ["inference"],
        "providers": {"inference": providers},
        "storage": {
            "backends": {
                "kv_default": {"type": "kv_sqlite", "db_path": str(folder / f"values-{port}.db")},
                "sql_default": {"type": "sql_sqlite", "db_path": str(folder / f"tables-{port}.db")},
            },
            "stores": stores,
        },
        "registered_resources": {"models": []},
        "server": {
            "host": "127.0.0.1",
            "port": port,
            "insecure": True,
            "auth": {"provider_config": {"type": "local_api_key", "api_keys": [GATEWAY_KEY]}},
        },
    }
    path = _written(folder / f"ogx-{port}.yaml", config)
    command = (installed("ogx", "ogx"), "run", path, "--insecure")
    # As it is by default, it answers nobody for many seconds after each failure, while it paints the traceback.
    settings = {"OGX_CONFIG_DIR": str(folder / "ogx"), "OTEL_SDK_DISABLED": "true", "OGX_LOG_FORMAT": "json"}
    async with running_server(folder, *command, port=port, key=GATEWAY_KEY, **settings) as server:
        yield server


def _written(path: Path, config: Mapping[str, Any]) -> Path:
    """Write a configuration as JSON, which is YAML."""
    path.write_text(json.dumps(config, indent=2))
    return path
