"""`chatkeep` on a machine that is too busy for what the service waits."""

from chatkeep.cli import main
from tests.support.forks import COMMAND_SECONDS
from tests.support.limits import be_patient

be_patient(COMMAND_SECONDS)
main()
