"""Whether a run can go on to the same numbers: its settings, data and surroundings must be what they were."""

from typing import NamedTuple

from wayscan.data.runs.folder import Run
from wayscan.data.runs.settings import difference_table, differences, free_keys, plain


class Facts(NamedTuple):
    """What config.json says beside the settings, and what a resumed run is compared by, too."""

    seed: int
    steps: int
    data: str | None  # hashes
    validation: str | None
    frozen: dict[str, str]
    threads: int
    processes: int
    device: str


def check_same(run: Run, settings: object, now: Facts) -> None:
    """Raise ValueError with the differing keys side by side, if there are any."""
    before = {
        name: run.about[name] for name in Facts._fields if name in run.about
    }  # older runs may lack some
    after = {name: value for name, value in now._asdict().items() if name in before}
    before["settings"], after["settings"] = run.about["config"], plain(settings)
    if rows := differences(before, after, ignore={f"settings.{key}" for key in free_keys(settings)}):
        raise ValueError(
            f"{run.path} cannot go on to the same numbers; these differ:\n{difference_table(rows)}\n"
            "Give it what it had, or start a new run from its settings (--config RUN)"
        )
