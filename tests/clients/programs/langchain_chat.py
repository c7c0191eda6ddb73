"""An application with LangChain's ChatOpenAI, by chat completions and by responses."""

import os

from langchain_core.messages import AIMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI
from parts import run_parts
from pydantic import BaseModel


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"rain in {city}"


class Tea(BaseModel):
    name: str
    steeped_seconds: int


def chat(**options):
    return ChatOpenAI(model="my-model", max_retries=0, stream_usage=True, **options)


async def converse(model):
    history = [SystemMessage("Be short."), HumanMessage("My name is Alice.")]
    history.append(await model.ainvoke(history))
    history.append(HumanMessage("What is my name?"))
    streamed = [chunk async for chunk in model.astream(history)]
    whole = streamed[0]
    for chunk in streamed[1:]:
        whole += chunk
    return {"text": whole.text, "chunks": len(streamed), "tokens": whole.usage_metadata["total_tokens"]}


async def call_tools(model):
    bound = model.bind_tools([weather])
    history = [HumanMessage("How is the weather?")]
    history.append(await bound.ainvoke(history))
    call = history[-1].tool_calls[0]
    history.append(ToolMessage(weather.invoke(call["args"]), tool_call_id=call["id"]))
    history.append(await bound.ainvoke(history))
    return {"call": [call["name"], call["args"]], "text": history[-1].text}


async def parse(model):
    found = await model.with_structured_output(Tea).ainvoke([HumanMessage("A tea.")])
    return found.model_dump()


async def completions_part():
    return await converse(chat())


async def completions_tools_part():
    return await call_tools(chat())


async def completions_parsed_part():
    return await parse(chat())


async def responses_part():
    return await converse(chat(use_responses_api=True))


async def responses_tools_part():
    return await call_tools(chat(use_responses_api=True))


async def responses_parsed_part():
    return await parse(chat(use_responses_api=True))


async def chain_part():
    """Send only what is new, as the service has the rest."""
    model = chat(use_responses_api=True, use_previous_response_id=True)
    history = [HumanMessage("My name is Alice.")]
    history.append(await model.ainvoke(history))
    history.append(HumanMessage("What is my name?"))
    second = await model.ainvoke(history)
    return {"text": second.text, "is_message": isinstance(second, AIMessage)}


def sign_in(key):
    os.environ["OPENAI_API_KEY"] = key


run_parts(globals(), sign_in)
