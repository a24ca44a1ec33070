"""Write the reports of `faceanime evaluate` into docs/results.md, without pictures of people.

    python docs/make_results.py REPORTS

REPORTS is a folder with one report for each protocol, REPORTS/self and so on, written by
`faceanime evaluate --data PREPARED --protocol self -o REPORTS/self`; each report contains its command. Sections of
protocols without a report there are kept.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

PROTOCOLS = ("self", "cross", "predict", "target", "speed")
RESULTS = Path(__file__).parent / "results.md"
BEGIN, END = "<!-- made by docs/make_results.py -->\n", "<!-- end -->\n"


def main(reports: Path) -> None:
    """Replace the text between the marks. Raises SystemExit if a protocol has a report in neither page nor folder."""
    before, rest = RESULTS.read_text(encoding="utf-8").split(BEGIN)
    standing, after = rest.split(END)
    kept = dict(zip(PROTOCOLS, re.split(r"\n(?=## )", standing.strip()), strict=False))
    parts = []
    for protocol in PROTOCOLS:
        path = reports / protocol / "report.md"
        if not path.exists() and not kept.get(protocol, "").startswith("## "):
            sys.exit(f"{path} does not exist, and {RESULTS} has nothing of {protocol} to keep")
        parts.append(section(path) if path.exists() else kept[protocol].strip() + "\n")
    RESULTS.write_text(before + BEGIN + "\n".join(parts) + END + after, encoding="utf-8")


def section(report: Path) -> str:
    """The report as a section, without the pictures and videos that only its page can show."""
    blocks = re.split(r"\n(?=#+ )", report.read_text(encoding="utf-8"))
    shown = [block.strip() for block in blocks if ", in report.html" not in block]
    return re.sub(r"^#", "##", "\n\n".join(shown), flags=re.MULTILINE) + "\n"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
