"""Conversations, their turns, and the language models that answer them."""
