"""docs/claims.md from the reports of the benches.

wayscan bench scan --json > scan.json; wayscan bench runs --json > runs.json
python -m benchmarks.page scan.json runs.json
"""

import json
import sys
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent.parent / "docs" / "claims.md"

HEAD = """# Claims

What is promised, and what was measured. This page is made by `python -m benchmarks.page` from the reports of
the benches. Measure on your own machine with `wayscan bench NAME`; what cannot be measured there says why.
"""


def page(reports: list[dict[str, Any]]) -> str:
    return "\n".join([HEAD, *(_section(report) for report in reports)])


def _section(report: dict[str, Any]) -> str:
    machine, today = report["machine"], datetime.now(timezone.utc).date().isoformat()
    versions = ", ".join(f"{name} {version}" for name, version in machine["versions"].items())
    promised = [claim for claim in report["claims"] if claim["goal"] is not None]
    others = [claim for claim in report["claims"] if claim["goal"] is None]
    kept = sum(claim["met"] for claim in promised)
    lines = [
        f"## {report['bench']}",
        "",
        f"`wayscan bench {report['bench']}`, {today}, on {machine['processor']}, {machine['cores']} cores; "
        f"{versions}. {kept} of {len(promised)} promises kept.",
        "",
        "| claim | value | goal | | against |",
        "|---|---:|---:|---|---|",
        *(_row(claim) for claim in promised),
    ]
    if others:
        lines += ["", "Without a promise:", "", "| number | value | against |", "|---|---:|---|"]
        lines += [f"| {claim['name']} | {_number(claim)} | {claim['against']} |" for claim in others]
    if report["not_measured"]:
        lines += ["", "Not measured:", ""]
        lines += [f"- {each['name']}: {each['why']}" for each in report["not_measured"]]
    return "\n".join([*lines, ""])


def _row(claim: dict[str, Any]) -> str:
    sign = "≥" if claim["better"] == "higher" else "≤"
    goal = f"{sign} {claim['goal']:.3g} {claim['unit']}".rstrip()
    origin = claim["recorded"]
    against = claim["against"] + (f" (recorded {origin['date']}: `{origin['command']}`)" if origin else "")
    verdict = "met" if claim["met"] else "**missed**"
    return f"| {claim['name']} | {_number(claim)} | {goal} | {verdict} | {against} |"


def _number(claim: dict[str, Any]) -> str:
    return f"{claim['value']:.3g} {claim['unit']}".rstrip()


def main(files: list[str]) -> int:
    if not files:
        print("usage: python -m benchmarks.page REPORT.json …", file=sys.stderr)
        return 2
    reports = [json.loads(Path(file).read_text(encoding="utf-8").splitlines()[-1]) for file in files]
    PAGE.write_text(page(reports), encoding="utf-8")
    print(PAGE)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
