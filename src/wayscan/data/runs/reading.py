"""Where settings are read from: a YAML file, or an earlier run."""

from pathlib import Path
from typing import Any

from wayscan.data.runs.folder import Run


def read_settings(source: Path) -> dict[str, Any]:
    """The settings in a YAML file (`--config FILE.yaml`) or those of an earlier run (`--config RUN`)."""
    source = Path(source)
    if source.is_dir():
        return dict(Run.open(source).about["config"])
    if not source.is_file():
        raise ValueError(
            f"settings {source} do not exist; expected a YAML file or a run folder: check the path"
        )
    import yaml

    try:
        settings = yaml.safe_load(source.read_text(encoding="utf-8"))
    except yaml.YAMLError as error:
        raise ValueError(f"settings {source} are not valid YAML: {error}") from error
    if not isinstance(settings, dict):
        raise ValueError(
            f"settings {source} hold {type(settings).__name__}; expected a mapping of names to values"
        )
    return settings
