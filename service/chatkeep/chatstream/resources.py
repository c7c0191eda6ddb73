"""How busy this process is, in ChatStream's figures."""

import os

import psutil

from chatkeep.chat.generation.registry import GenerationRegistry

WORKER = "chatkeep"
GIBIBYTE = 1024**3


def load_of(generations: GenerationRegistry) -> dict[str, str | int]:
    """Return the replies under way and those that wait, of this process; the queues of ChatStream are one here."""
    waiting = len(generations) - generations.running
    return {
        "name": WORKER,
        "processing": generations.running,
        "waiting": waiting,
        "_num_of_next_queue": 0,
        "_num_of_request_queue": waiting,
        "max_processing": generations.max_running,
        "max_waiting": generations.max_waiting,
    }


def memory_usage() -> dict[str, object]:
    """Return memory in GiB: the machine's, and what this process uses of it. The model runs elsewhere: no GPU."""
    total, used = psutil.virtual_memory().total, psutil.Process(os.getpid()).memory_info().rss
    cpu = {"total_memory": round(total / GIBIBYTE, 2), "used_memory": round(used / GIBIBYTE, 2)}
    return {"num_gpus": 0, "gpus": [], "cpu": cpu, "name": WORKER}
