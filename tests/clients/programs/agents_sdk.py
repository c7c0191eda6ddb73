"""An application with openai-agents that keeps its history here."""

import os

from agents import (
    Agent,
    ModelSettings,
    OpenAIConversationsSession,
    Runner,
    function_tool,
    set_default_openai_client,
)
from openai import AsyncOpenAI
from parts import run_parts


@function_tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


# The session keeps what is said: the responses need not be kept, too.
settings = ModelSettings(store=False)
plain = Agent(name="Plain", instructions="Be short.", model="my-model", model_settings=settings)
tooled = plain.clone(name="Tooled", tools=[weather])
kept = plain.clone(model_settings=ModelSettings())
kept_tooled = kept.clone(name="Tooled", tools=[weather])


async def session_part():
    session = OpenAIConversationsSession()
    first = await Runner.run(plain, "My name is Alice.", session=session)
    second = await Runner.run(plain, "What is my name?", session=session)
    return {"replies": [first.final_output, second.final_output], "items": await session.get_items()}


async def stream_part():
    session = OpenAIConversationsSession()
    result = Runner.run_streamed(plain, "Count to three.", session=session)
    said = ""
    async for event in result.stream_events():
        if event.type == "raw_response_event" and event.data.type == "response.output_text.delta":
            said += event.data.delta
    return {"said": said, "final": result.final_output, "items": await session.get_items()}


async def tools_part():
    session = OpenAIConversationsSession()
    result = await Runner.run(tooled, "How is the weather?", session=session)
    streamed = Runner.run_streamed(tooled, "And the weather now?", session=session)
    async for _ in streamed.stream_events():
        pass
    after = await Runner.run(tooled, "Thanks", session=session)
    return {
        "replies": [result.final_output, streamed.final_output, after.final_output],
        "kinds": [item.get("type", "message") for item in await session.get_items()],
    }


async def pop_part():
    session = OpenAIConversationsSession()
    await Runner.run(plain, "One", session=session)
    popped = [await session.pop_item(), await session.pop_item()]
    left, nothing = await session.get_items(), await session.pop_item()
    await session.add_items([{"role": "user", "content": f"Item {number}"} for number in range(55)])
    await Runner.run(plain, "After many", session=session)
    return {
        "popped": [item["role"] for item in popped],
        "left": left,
        "nothing": nothing,
        "last": [item["content"][0]["text"] for item in await session.get_items(limit=3)],
        "count": len(await OpenAIConversationsSession(conversation_id=session.session_id).get_items()),
    }


async def clear_part():
    session = OpenAIConversationsSession()
    await Runner.run(plain, "One", session=session)
    await session.clear_session()
    await session.clear_session()
    await Runner.run(plain, "Two", session=session)
    return [item["content"][0]["text"] for item in await session.get_items(limit=2)]


async def conversation_part():
    conversation = await AsyncOpenAI().conversations.create()
    first = await Runner.run(kept, "My name is Alice.", conversation_id=conversation.id)
    second = await Runner.run(kept_tooled, "How is the weather?", conversation_id=conversation.id)
    third = Runner.run_streamed(kept, "What is my name?", conversation_id=conversation.id)
    async for _ in third.stream_events():
        pass
    return [first.final_output, second.final_output, third.final_output]


async def chain_part():
    first = await Runner.run(kept, "My name is Alice.")
    second = await Runner.run(kept, "What is my name?", previous_response_id=first.last_response_id)
    third = Runner.run_streamed(kept_tooled, "The weather?", previous_response_id=second.last_response_id)
    async for _ in third.stream_events():
        pass
    return [first.final_output, second.final_output, third.final_output]


async def completions_part():
    """Run with chat completions, and a history that the application keeps itself."""
    from agents import OpenAIChatCompletionsModel

    agent = kept.clone(model=OpenAIChatCompletionsModel("my-model", AsyncOpenAI()))
    first = await Runner.run(agent.clone(tools=[weather]), "How is the weather?")
    second = await Runner.run(agent, [*first.to_input_list(), {"role": "user", "content": "Thanks"}])
    return [first.final_output, second.final_output]


def sign_in(key):
    os.environ["OPENAI_API_KEY"] = key
    set_default_openai_client(AsyncOpenAI())


run_parts(globals(), sign_in)
