"""The states of a turn: one while its reply comes, five that it ends with."""

from typing import Literal

Status = Literal["streaming", "complete", "incomplete", "stopped", "failed", "interrupted"]
