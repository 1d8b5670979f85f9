"""Where a pretrained model lies: a folder, the package itself, or the Hugging Face hub."""

import importlib.resources
import re
from pathlib import Path

from wayscan.names import nearest

CONFIG = "config.json"
WEIGHTS = "model.safetensors"

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def bundled_models() -> list[str]:
    """Names of the models that come with the package."""
    return sorted(folder.name for folder in _bundle().glob("*") if (folder / CONFIG).is_file())


def find_pretrained(source: str | Path) -> Path:
    """The folder with config.json and model.safetensors that `source` means.

    Args:
        source: a folder, the name of a model in the package, or a hub id "owner/name", tried in this order.
            A hub model is downloaded once and found in the cache afterwards, without a network.
    """
    folder, name = Path(source).expanduser(), str(source)
    # A folder that only happens to be called like a model of the package must not hide it.
    if (folder / CONFIG).is_file() or (folder.is_dir() and name not in bundled_models()):
        _expect_model_in(folder)
        return folder
    if name in bundled_models():
        return _bundle() / name
    if _HUB_ID.fullmatch(name):
        return _from_hub(name)
    raise ValueError(
        f"no pretrained model {name!r}: no folder {folder.absolute()}, no hub id owner/name and no model of "
        f"the package; {nearest(name, bundled_models())}"
    )


def _bundle() -> Path:
    return Path(str(importlib.resources.files("wayscan"))) / "bundle"


def _expect_model_in(folder: Path) -> None:
    missing = [name for name in (CONFIG, WEIGHTS) if not (folder / name).is_file()]
    if missing:
        raise ValueError(
            f"the folder {folder.absolute()} has no {' and no '.join(missing)}, expected a folder written by "
            "save_pretrained"
        )


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        folder = Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except (OSError, ValueError) as error:
        why = str(error).strip().partition("\n")[0]
        raise ValueError(
            f"no pretrained model {name!r}: no folder {Path(name).absolute()}, no model of the package has "
            f"this name, and neither the hub cache nor huggingface.co gave it ({type(error).__name__}: {why})"
        ) from error
    _expect_model_in(folder)
    return folder
