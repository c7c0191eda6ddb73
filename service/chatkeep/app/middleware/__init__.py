"""What every request goes through: pure ASGI, so that streams pass untouched."""
