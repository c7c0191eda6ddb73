"""Accounts: names, passwords, signing in, tokens, and who is asking."""
