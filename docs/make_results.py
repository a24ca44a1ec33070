"""Put the reports of `faceanime evaluate` into docs/results.md, whole but for pictures of people.

`python docs/make_results.py REPORTS`, a folder with one report for each protocol, REPORTS/self and so on:
`faceanime evaluate --data PREPARED --protocol self -o REPORTS/self`; each report tells its own command.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROTOCOLS = ("self", "cross", "predict", "target", "speed")
RESULTS = Path(__file__).parent / "results.md"
BEGIN, END = "<!-- made by docs/make_results.py -->\n", "<!-- end -->\n"


def main(reports: Path) -> None:
    """Replace what stands between the marks."""
    parts = [section(reports / protocol / "report.md") for protocol in PROTOCOLS]
    before, rest = RESULTS.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    RESULTS.write_text(before + BEGIN + "\n".join(parts) + END + after, encoding="utf-8")


def section(report: Path) -> str:
    """The report one level down, without what its page alone can show."""
    blocks = re.split(r"\n(?=#+ )", report.read_text(encoding="utf-8"))
    shown = [block.strip() for block in blocks if ", in report.html" not in block]
    return re.sub(r"^#", "##", "\n\n".join(shown), flags=re.MULTILINE) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
