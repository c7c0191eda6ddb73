"""How the service answers while its database is away, and how soon after."""

from collections.abc import Sequence
from dataclasses import dataclass

from tests.crash.clients import PROBLEM, Answer
from tests.crash.findings import Findings


@dataclass(frozen=True, slots=True)
class Outage:
    """From when until when the database took no connections, on the monotonic clock."""

    began: float
    ended: float

    def meets(self, answer: Answer) -> bool:
        return answer.began < self.ended and answer.ended > self.began


@dataclass(frozen=True, slots=True)
class Answered:
    """The measurements over all outages."""

    refusals: int
    slowest_seconds: float
    back_seconds: float

    def figures(self) -> dict[str, str]:
        return {
            "503": str(self.refusals),
            "slowest answer": f"{self.slowest_seconds:.2f} s",
            "back after": f"{self.back_seconds:.2f} s",
        }


def check_answers(
    answers: Sequence[Answer],
    outages: Sequence[Outage],
    findings: Findings,
    *,
    answer_seconds: float,
    back_seconds: float,
) -> Answered:
    """Nothing but 503, in time, and only while there is a reason; success soon after."""
    refusals, slowest = 0, 0.0
    for answer in answers:
        refused = answer.status >= 500
        if refused:
            refusals += 1
            right = (answer.status, answer.media_type) == (503, PROBLEM)
            findings.require(right, "only 503, and in time", f"{answer.request}: {answer.status} {answer.media_type}")
        if any(outage.meets(answer) for outage in outages):
            slowest = max(slowest, answer.seconds)
            late = f"{answer.request} was answered {answer.status} after {answer.seconds:.1f} s"
            findings.require(answer.seconds <= answer_seconds, "only 503, and in time", late)
        elif refused and not any(0 <= answer.began - outage.ended <= back_seconds for outage in outages):
            findings.add("only 503, and in time", f"{answer.request}: {answer.status} while the database was there")
    return Answered(refusals, slowest, _slowest_return(answers, outages, findings, back_seconds))


def _slowest_return(
    answers: Sequence[Answer], outages: Sequence[Outage], findings: Findings, back_seconds: float
) -> float:
    slowest = 0.0
    for outage in outages:
        after = [each.ended for each in answers if 200 <= each.status < 300 and each.ended > outage.ended]
        took = min(after, default=float("inf")) - outage.ended
        slowest = max(slowest, took)
        findings.require(took <= back_seconds, "back in time", f"the first success came {took:.1f} s after the return")
    return slowest
