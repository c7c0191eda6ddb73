"""One module a command: its arguments, options and help. The work is in `work`, by the same name."""
