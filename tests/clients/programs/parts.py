"""Runs the parts of a program that its arguments name, each with the key behind its name."""

import asyncio
import json
import sys


def run_parts(functions, sign_in):
    """Print what the parts return.

    Args:
        sign_in: is given the key before each part.
    """
    print(json.dumps(asyncio.run(_all(functions, sign_in))))


async def _all(functions, sign_in):
    found = {}
    for given in sys.argv[1:]:
        name, _, key = given.partition("=")
        sign_in(key)
        found[name] = await functions[name]()
    return found
