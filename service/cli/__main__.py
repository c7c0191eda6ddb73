"""`python -m service.cli`: the same as `chatkeep`."""

from service.cli.main import main

main()
