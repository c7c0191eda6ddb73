"""That growth is found, and no growth is not; the run itself is `make soak`."""

import random
from collections import Counter

import pytest

from tests.soak.actors import ACTORS
from tests.soak.judging import at_rest, of_memory, slope
from tests.soak.measuring import CONNECTIONS, DESCRIPTORS, MEMORY, POSTGRES, THREADS, Sample
from tests.soak.run import Outcome

SECONDS = 400


def memory(*, per_second: float, noise: float = 0.0, process: str = "worker 1", since: int = 0) -> list[Sample]:
    chance = random.Random(1)
    return [
        Sample(at, {(process, MEMORY): 200 + per_second * max(0, at - since) + chance.uniform(-noise, noise)})
        for at in range(SECONDS)
    ]


def counted(connections: int, descriptors: int, threads: int) -> list[Sample]:
    values = {
        ("worker 1", DESCRIPTORS): float(descriptors),
        ("worker 1", THREADS): float(threads),
        (POSTGRES, CONNECTIONS): float(connections),
    }
    peak = {key: value + 50 for key, value in values.items()}
    return [Sample(0, peak), Sample(1, values)]


def test_memory_that_goes_up_and_down_is_flat() -> None:
    (verdict,) = of_memory(memory(per_second=0, noise=30), SECONDS)
    assert verdict.is_flat, verdict


def test_memory_that_grows_is_found_behind_its_ups_and_downs() -> None:
    (verdict,) = of_memory(memory(per_second=0.1, noise=30), SECONDS)
    assert not verdict.is_flat, verdict
    assert verdict.per_hour == pytest.approx(360, rel=0.4)


def test_one_peak_is_no_slope() -> None:
    assert slope([*((float(at), 1.0) for at in range(100)), (100.0, 10_000.0)]) == 0


def test_the_databases_memory_is_judged_until_it_is_killed() -> None:
    samples = memory(per_second=5, process=POSTGRES, since=300)
    assert of_memory(samples, killed_at=300)[0].is_flat
    assert not of_memory(memory(per_second=1, process=POSTGRES), killed_at=300)[0].is_flat


@pytest.mark.parametrize(
    ("after", "grown"),
    [
        ((10, 60, 12), []),
        ((12, 62, 14), []),
        ((10, 90, 12), [DESCRIPTORS]),
        ((10, 60, 20), [THREADS]),
        ((40, 60, 12), [CONNECTIONS]),
    ],
)
def test_what_is_counted_is_compared_at_rest(after: tuple[int, int, int], grown: list[str]) -> None:
    verdicts = at_rest(counted(10, 60, 12), counted(*after), pool_size=10)
    assert [each.measure for each in verdicts if not each.is_flat] == grown


def test_a_pool_may_open_what_it_may_hold() -> None:
    assert all(each.is_flat for each in at_rest(counted(4, 60, 12), counted(16, 70, 12), pool_size=16))


def test_what_went_wrong_is_no_pass() -> None:
    rounds = Counter({each.__name__: 1 for each in ACTORS})
    assert Outcome(1, [], rounds, Counter(), []).passed
    assert not Outcome(1, [], rounds, Counter(), ["GET /: 500"]).passed
    assert not Outcome(1, [], rounds, Counter(), [], logged=["Traceback"]).passed
    assert not Outcome(1, of_memory(memory(per_second=1), SECONDS), rounds, Counter(), []).passed
    assert Outcome(1, [], rounds - Counter(["searches"]), Counter(), []).faults == ["searches never came to its end"]
