"""The work of each command, by the command's name."""
