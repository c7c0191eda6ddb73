"""`python -m chatkeep.cli`: the same as `chatkeep`."""

from chatkeep.cli.main import main

main()
