"""Names that a newcomer can guess: modules are nouns, and bounds are called MAX_ and MIN_."""

import ast
from collections.abc import Iterator
from pathlib import Path

SOURCE = Path(__file__).parents[1] / "service" / "chatkeep"
# Words of the field that end like a participle and are nouns, or say where something runs.
NOUNS = {"draining", "embedded", "folding", "imported", "matching", "ranking", "rendering", "streaming", "throttling"}
SUPERLATIVES = ("MOST_", "LONGEST_", "SHORTEST_", "FEWEST_", "LARGEST_", "DEEPEST_", "HIGHEST_")


def modules() -> list[Path]:
    found = sorted(SOURCE.rglob("*.py"))
    assert len(found) > 300
    return found


def constants(path: Path) -> Iterator[str]:
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign):
            yield from (target.id for target in node.targets if isinstance(target, ast.Name))
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            yield node.target.id


def test_no_module_is_named_by_a_participle() -> None:
    words = {path.stem.rpartition("_")[2] for path in modules()}
    assert {word for word in words if word.endswith(("ing", "ed"))} <= NOUNS


def test_bounds_are_called_as_everywhere() -> None:
    found = {name for path in modules() for name in constants(path)}
    assert "MAX_CHARACTERS" in found
    assert not {name for name in found if name.lstrip("_").startswith(SUPERLATIVES)}
