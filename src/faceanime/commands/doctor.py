"""`faceanime doctor`."""

from __future__ import annotations

import dataclasses
import json
import sys

from faceanime.core.errors import FaceAnimeError


@dataclasses.dataclass(frozen=True)
class Doctor:
    """Check what this machine has, what it lacks, and how fast it is."""

    json: bool = False
    """Print the report as JSON instead of a table."""

    def run(self) -> None:
        """Run the command; see `cli.Command.run`. Raises FaceAnimeError if something is missing."""
        # heavy to load, so after the options are read
        from faceanime.commands.doctor_table import print_table
        from faceanime.system_check import diagnose

        if sys.stderr.isatty():
            print("measuring the speed of this machine ...", file=sys.stderr)
        report = diagnose()
        if self.json:
            print(
                json.dumps(
                    dataclasses.asdict(report) | {"problems": report.problems, "verdict": report.verdict},
                    indent=2,
                )
            )
        else:
            print_table(report)
        if report.problems:
            raise FaceAnimeError("; ".join(report.problems))
