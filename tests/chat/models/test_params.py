import pytest
from pydantic import ValidationError

from chatkeep.chat.models import GenerationParams


def test_only_what_was_chosen_is_kept() -> None:
    params = GenerationParams.model_validate({"temperature": 0, "stop": ["\n", "終わり"], "seed": None})
    assert params.chosen() == {"temperature": 0, "stop": ["\n", "終わり"]}


def test_everything_can_be_chosen() -> None:
    everything = {
        "temperature": 2.0,
        "top_p": 1.0,
        "max_tokens": 1,
        "max_completion_tokens": 1_000_000,
        "stop": "END",
        "seed": -(2**63),
        "presence_penalty": -2.0,
        "frequency_penalty": 2.0,
        "top_k": -1,
        "min_p": 0.0,
        "repetition_penalty": 1.1,
    }
    assert GenerationParams.model_validate(everything).chosen() == everything


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": 2.1},
        {"temperature": "0.5"},
        {"temperature": float("nan")},
        {"temperature": True},
        {"top_p": 0},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"stop": []},
        {"stop": ""},
        {"stop": "a\x00b"},
        {"stop": "\ud800"},
        {"stop": ["a"] * 17},
        {"seed": 2**63},
        {"min_p": -0.1},
        {"repetition_penalty": 0},
        {"n": 2},
        {"model": "other"},
        {"messages": []},
    ],
)
def test_values_out_of_bounds_and_other_names_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        GenerationParams.model_validate(wrong)
