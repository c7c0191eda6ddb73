"""Middleware around every request: pure ASGI, so that streams pass untouched."""
