"""The pages: a chat and an account, for people with a browser."""
