"""Claims: numbers that are promised, what was measured, and whether the promise is kept.

A bench returns a Report. It is shown as a table, and as the one JSON object that machines read:

    {"bench", "machine", "not_measured": [{"name", "why"}],
     "claims": [{"name", "value", "unit", "goal", "better", "met", "against", "recorded"}]}

What takes hours is measured once, by a command that calls `record`, and kept in claims/*.json; a bench adds
those claims to its report with `recorded_claims`.
"""

import json
import os
import platform
import shlex
import sys
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Literal

from rich.console import Console
from rich.table import Table

from wayscan.data.atomic import write_atomically
from wayscan.data.runs.provenance import git_state, versions

WIDE = 150  # columns of a report in a file or a pipe
RECORDS = Path(__file__).parent / "claims"


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """Where a claim comes from that was not measured just now."""

    command: str
    commit: str | None
    date: str


@dataclass(frozen=True, kw_only=True)
class Claim:
    """One number.

    Args:
        name: what was measured; unique in its bench.
        unit: "×", "s", "ms", "MB", or "" for a fraction.
        goal: at least this much (better="higher") or at most (better="lower"); None if nothing is promised.
        against: the software or formula it is compared with; "" where the number stands alone.
    """

    name: str
    value: float
    unit: str = ""
    goal: float | None = None
    better: Literal["higher", "lower"] = "higher"
    against: str = ""
    recorded: Recorded | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", float(self.value))  # NumPy's numbers are no JSON

    @property
    def met(self) -> bool:
        """Whether the promise is kept; a number without a goal promises nothing and breaks nothing."""
        if self.goal is None:
            return True
        return self.value >= self.goal if self.better == "higher" else self.value <= self.goal

    def to_json(self) -> dict[str, Any]:
        names = ("name", "value", "unit", "goal", "better", "met", "against")
        return {name: getattr(self, name) for name in names} | {
            "recorded": None if self.recorded is None else asdict(self.recorded)
        }


@dataclass(frozen=True, kw_only=True)
class NotMeasured:
    """A claim that was not checked: this machine or installation cannot, or something went wrong."""

    name: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Report:
    """What a bench found.

    Args:
        wrong: what was not timed because a result was wrong, or could not be had.
    """

    bench: str
    claims: tuple[Claim, ...]
    not_measured: tuple[NotMeasured, ...] = ()
    wrong: tuple[NotMeasured, ...] = ()

    @property
    def exit_code(self) -> int:
        return 1 if self.wrong else 0

    def to_json(self) -> dict[str, Any]:
        not_measured = [asdict(each) for each in (*self.wrong, *self.not_measured)]
        return {
            "bench": self.bench,
            "machine": machine(),
            "claims": [claim.to_json() for claim in self.claims],
            "not_measured": not_measured,
        }


class Findings:
    """A report in the making."""

    def __init__(self) -> None:
        self.claims: list[Claim] = []
        self.not_measured: list[NotMeasured] = []
        self.wrong: list[NotMeasured] = []

    def claim(self, name: str, value: float, **about: Any) -> None:
        """Add a claim; `about` are the other fields of Claim."""
        self.claims.append(Claim(name=name, value=value, **about))

    def skip(self, name: str, why: str) -> None:
        self.not_measured.append(NotMeasured(name=name, why=why))

    def fail(self, name: str, why: str) -> None:
        """A result is wrong, or could not be had: it is not timed, and the bench's exit code is 1."""
        self.wrong.append(NotMeasured(name=name, why=why))

    def report(self, bench: str) -> Report:
        """Promises first, then numbers that promise nothing."""
        claims = sorted(self.claims, key=lambda claim: claim.goal is None)
        return Report(
            bench=bench,
            claims=tuple(claims),
            not_measured=tuple(self.not_measured),
            wrong=tuple(self.wrong),
        )


def show(report: Report, *, json_line: bool) -> int:
    """Print a table, or one line of JSON and the table on standard error; return the exit code."""
    console = Console(stderr=json_line)
    if not console.is_terminal:
        console.width = WIDE
    console.print(_table(report))
    for each in report.not_measured:
        console.print(f"not measured: {each.name}: {each.why}", highlight=False, markup=False)
    for each in report.wrong:
        console.print(f"FAILED: {each.name}: {each.why}", style="bold red", highlight=False, markup=False)
    promised = [claim for claim in report.claims if claim.goal is not None]
    console.print(f"{sum(claim.met for claim in promised)} of {len(promised)} promises kept", highlight=False)
    if json_line:
        print(json.dumps(report.to_json(), ensure_ascii=False, allow_nan=False))
    return report.exit_code


def _table(report: Report) -> Table:
    table = Table(title=f"{report.bench}, on {machine()['processor']}", title_justify="left")
    table.add_column("claim", max_width=66)
    table.add_column("value", justify="right", no_wrap=True)
    table.add_column("goal", justify="right", no_wrap=True)
    table.add_column("")
    table.add_column("against")
    for claim in report.claims:
        sign = "≥" if claim.better == "higher" else "≤"
        goal = "" if claim.goal is None else f"{sign} {claim.goal:.3g} {claim.unit}".rstrip()
        verdict = "" if claim.goal is None else "[green]met[/]" if claim.met else "[red]missed[/]"
        against = claim.against + (f" ({claim.recorded.date})" if claim.recorded else "")
        table.add_row(claim.name, f"{claim.value:.3g} {claim.unit}".rstrip(), goal, verdict, against)
    return table


# ---- recorded claims ------------------------------------------------------------------------------------


def record(bench: str, label: str, claims: Iterable[Claim], *, folder: Path = RECORDS) -> Path:
    """Keep claims that took long to measure, with the command line, commit and date of this process.

    Args:
        bench: whose report they belong to.
        label: names the measurement; one recorded earlier under the same name is replaced.
    """
    state = git_state(Path(__file__).parent) or {}
    commit = state.get("commit")
    origin = Recorded(
        command=shlex.join([Path(sys.orig_argv[0]).name, *sys.orig_argv[1:]]),
        commit=f"{commit} with changes" if commit and state.get("changed") else commit,
        date=datetime.now(timezone.utc).date().isoformat(),
    )
    content = {"bench": bench, "machine": machine(), "recorded": asdict(origin)}
    content["claims"] = [
        {key: value for key, value in claim.to_json().items() if key not in ("met", "recorded")}
        for claim in claims
    ]
    path = folder / f"{bench}-{label}.json"
    folder.mkdir(parents=True, exist_ok=True)
    write_atomically(path, [(json.dumps(content, ensure_ascii=False, indent=1) + "\n").encode()])
    return path


def recorded_claims(bench: str, *, folder: Path = RECORDS) -> list[Claim]:
    """All claims of a bench that were recorded, file by file."""
    found = []
    for path in sorted(folder.glob("*.json")):
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["bench"] == bench:
            origin = Recorded(**content["recorded"])
            found += [Claim(**claim, recorded=origin) for claim in content["claims"]]
    return found


# ---- the machine ----------------------------------------------------------------------------------------


def machine() -> dict[str, Any]:
    """What the numbers were measured on."""
    return {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "system": platform.platform(),
        "versions": versions(),
    }


def _processor() -> str:
    """The processor's name; its kind where the system does not say."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
