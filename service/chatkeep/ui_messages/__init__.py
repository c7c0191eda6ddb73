"""The AI SDK's chat protocol: UI messages in, a UI message stream out, for `useChat` and whatever else speaks it.

It stands on the OpenAI-compatible API, whose items it writes in the AI SDK's words.
"""
