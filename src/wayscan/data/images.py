"""Image files as RGB uint8 arrays."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp")


def read_image(path: Path | str) -> NDArray[np.uint8]:
    """Read any image that OpenCV knows (grey, RGBA and 16-bit included) as RGB uint8 (H, W, 3)."""
    import cv2

    path = Path(path)
    if not path.is_file():
        raise ValueError(f"image {path} does not exist; expected an image file; check the folder")
    image = cv2.imdecode(np.fromfile(path, dtype=np.uint8), cv2.IMREAD_COLOR) if path.stat().st_size else None
    if image is None:
        raise ValueError(
            f"image {path} cannot be decoded; expected JPEG or PNG; the file may be cut off: copy it again"
        )
    return np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), dtype=np.uint8)


def image_paths(folder: Path | str) -> tuple[Path, ...]:
    """The image files of a folder, sorted by name."""
    folder = Path(folder)
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder; expected a folder of images; check the path")
    return tuple(sorted(path for path in folder.iterdir() if path.suffix.lower() in IMAGE_SUFFIXES))
