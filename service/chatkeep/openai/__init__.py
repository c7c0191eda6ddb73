"""The OpenAI-compatible API under `/v1`: OpenAI's words for the conversations and turns of `chatkeep.chat`.

A response is a turn, its `previous_response_id` the turn's parent, a conversation a conversation. All ids are computed
from ours. Nothing is kept twice; `api_turns` holds only what no other part of the service knows of a request.

Source: openai-python 3.54, its types; Open Responses specification of 2026-04-24.
"""
