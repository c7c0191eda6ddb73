"""What the servers behind a gateway send, by the name of their model."""

from tests.chat.models.streams import DONE, ROLE, STOP, call, chunk, refusal, says
from tests.upstream.raw import Answer

ANSWERS = {
    "calls": (
        Answer(
            ROLE
            + chunk({"tool_calls": [call(0, "weather", "", "call_1")]})
            + chunk({"tool_calls": [call(0, "", '{"city": "Kyoto"}')]})
            + chunk(reason="tool_calls")
            + DONE
        ),
    ),
    "thinks": (Answer(ROLE + chunk({"reasoning_content": "Two and two."}) + says("Four") + STOP),),
    "cut": (Answer(ROLE + says("la li") + chunk(reason="length") + DONE),),
    "blind": (refusal(400, {"error": {"message": "blind is not a multimodal model", "type": "BadRequestError"}}),),
    "strict": (refusal(400, {"error": {"message": "min_p is not supported by this model.", "param": "min_p"}}),),
}
WEATHER = {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
