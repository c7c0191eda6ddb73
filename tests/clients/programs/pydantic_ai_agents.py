"""An application with pydantic-ai, by chat completions and by responses."""

import os

from parts import run_parts
from pydantic import BaseModel
from pydantic_ai import Agent
from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel, OpenAIResponsesModelSettings


class Tea(BaseModel):
    name: str
    steeped_seconds: int


def agent(model, **options):
    return Agent(model("my-model"), instructions="Be short.", retries=0, **options)


def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


async def converse(model):
    talker = agent(model)
    first = await talker.run("My name is Alice.")
    async with talker.run_stream("What is my name?", message_history=first.all_messages()) as second:
        text, chunks = "", 0
        async for delta in second.stream_text(delta=True, debounce_by=None):
            text, chunks = text + delta, chunks + 1
    return {"text": text, "chunks": chunks, "tokens": second.usage.total_tokens}


async def call_tools(model):
    caller = agent(model, tools=[weather])
    first = await caller.run("How is the weather?")
    second = await caller.run("Thanks", message_history=first.all_messages())
    return [first.output, second.output]


async def parse(model):
    return (await agent(model, output_type=Tea).run("One tea.")).output.model_dump()


async def completions_part():
    return await converse(OpenAIChatModel)


async def completions_tools_part():
    return await call_tools(OpenAIChatModel)


async def completions_parsed_part():
    return await parse(OpenAIChatModel)


async def responses_part():
    return await converse(OpenAIResponsesModel)


async def responses_tools_part():
    return await call_tools(OpenAIResponsesModel)


async def responses_parsed_part():
    return await parse(OpenAIResponsesModel)


async def chain_part():
    """Send only what is new, as the service has the rest."""
    talker = agent(OpenAIResponsesModel)
    settings = OpenAIResponsesModelSettings(openai_previous_response_id="auto")
    first = await talker.run("My name is Alice.", model_settings=settings)
    second = await talker.run("What is my name?", message_history=first.all_messages(), model_settings=settings)
    return second.output


def sign_in(key):
    os.environ["OPENAI_API_KEY"] = key


run_parts(globals(), sign_in)
