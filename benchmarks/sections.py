"""Sections of a bench, one after the other, with a bar on standard error."""

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TimeElapsedColumn

from .claims import Findings

Section = Callable[[Findings], None]


def run_all(findings: Findings, sections: Mapping[str, Section]) -> None:
    """Run every section; one that raises is a failure of its own and takes no other's numbers with it."""
    columns = (SpinnerColumn(), *Progress.get_default_columns(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task("", total=len(sections))
        for title, section in sections.items():
            progress.update(task, description=title)
            try:
                section(findings)
            except Exception as error:
                findings.fail(title, f"{type(error).__name__}: {error}")
            progress.advance(task)
