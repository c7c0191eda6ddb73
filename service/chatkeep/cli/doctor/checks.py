"""Looks at everything, one thing after the other; what fails is a finding and stops nothing else."""

from chatkeep.cli.doctor.database import look_at_database
from chatkeep.cli.doctor.findings import Area, Findings
from chatkeep.cli.doctor.load import look_at_load
from chatkeep.cli.doctor.model import look_at_model
from chatkeep.cli.doctor.safety import look_at_settings
from chatkeep.cli.doctor.settings_report import Setting, list_settings, look_for_misspelt
from chatkeep.config import Settings


def run_checks(**options: object) -> tuple[Findings, list[Setting]]:
    """Return what was found, and the settings where they can be read.

    Args:
        options: settings that the command line gives, by name; None is not given.
    """
    findings = Findings()
    shown: list[Setting] = []
    with findings.noting_failure(Area.SETTINGS):
        settings = Settings.read(**options)
        shown = list_settings(settings, [name for name, value in options.items() if value is not None])
        look_for_misspelt(findings)
        look_at_settings(settings, findings)
        look_at_database(settings, findings)
        look_at_model(settings, findings)
        look_at_load(settings, findings)
    return findings, shown
