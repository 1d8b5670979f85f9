"""The library that a compositor draws from: scenes and sprites in memory, built from sources and kept in one
file.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
from numpy.typing import NDArray

from wayscan.data.images import image_paths, read_image
from wayscan.world.sprites.cutouts import (
    Scene,
    Sprite,
    SpriteKind,
    blob_mask,
    colour_segments,
    cut_out,
    object_masks,
    outline_of,
    pyramid,
)
from wayscan.world.sprites.textures import texture

LIBRARY_VERSION = 1
SCENE_SIDE = 480  # longer side of a scene, pixels
KINDS: tuple[SpriteKind, ...] = get_args(SpriteKind)

# Photographs that lie inside the wheels: natural scenes first, then textures of natural things.
SCIKIT_IMAGE = (
    "astronaut",
    "chelsea",
    "coffee",
    "rocket",
    "motorcycle_left",
    "camera",
    "coins",
    "hubble_deep_field",
)
SCIKIT_IMAGE_TEXTURES = ("brick", "grass", "gravel", "ihc", "moon", "retina")
SCIKIT_LEARN = ("china", "flower")


@dataclass(frozen=True, kw_only=True)
class Sources:
    """Where scenes and sprites come from."""

    images: Path | None = None  # folder of photographs
    segments: Path | None = None  # folder of 8-bit label images, one for each photograph, same stem and size
    packaged: bool = True  # photographs inside scikit-image and scikit-learn, where they are installed
    textures: int = 160  # procedural textures
    cache: Path | None = (
        None  # file (.npz) to keep the library in, so that later processes load instead of build
    )
    limit: int | None = None  # use only so many photographs of the folder


@dataclass(frozen=True, eq=False)
class Library:
    """Scenes and sprites, with index lists by kind."""

    scenes: tuple[Scene, ...]
    sprites: tuple[Sprite, ...]

    @cached_property
    def scenes_by_nature(self) -> dict[bool, tuple[int, ...]]:
        return {
            nature: tuple(k for k, s in enumerate(self.scenes) if s.natural == nature)
            for nature in (True, False)
        }

    @cached_property
    def sprites_by_kind(self) -> dict[SpriteKind, tuple[int, ...]]:
        return {
            kind: tuple(k for k, sprite in enumerate(self.sprites) if sprite.kind == kind) for kind in KINDS
        }

    @cached_property
    def objects_by_scene(self) -> dict[int, tuple[int, ...]]:
        found: dict[int, list[int]] = {}
        for k in self.sprites_by_kind["object"]:
            found.setdefault(self.sprites[k].scene, []).append(k)
        return {scene: tuple(members) for scene, members in found.items()}

    def describe(self) -> str:
        kinds = ", ".join(f"{len(members)} {kind}" for kind, members in self.sprites_by_kind.items())
        natural = len(self.scenes_by_nature[True])
        return f"{natural} photographs, {len(self.scenes) - natural} textures; sprites: {kinds}"

    def save(self, path: Path | str) -> None:
        """Write the library to one .npz file (level 0 only; pyramids are rebuilt on loading)."""
        scenes = [scene.levels[0] for scene in self.scenes]
        sprites = [sprite.levels[0] for sprite in self.sprites]
        regions = [region for scene in self.scenes for region in scene.regions]
        np.savez(
            path,
            version=LIBRARY_VERSION,
            scene_shapes=np.array([scene.shape for scene in scenes], dtype=np.int32).reshape(-1, 3),
            scene_pixels=_joined([scene.reshape(-1) for scene in scenes], np.uint8),
            natural=np.array([scene.natural for scene in self.scenes], dtype=bool),
            region_counts=np.array([len(scene.regions) for scene in self.scenes], dtype=np.int32),
            region_lengths=np.array([len(region) for region in regions], dtype=np.int32),
            region_points=_joined(regions, np.float64).reshape(-1, 2),
            sprite_shapes=np.array([sprite.shape for sprite in sprites], dtype=np.int32).reshape(-1, 3),
            sprite_pixels=_joined([sprite.reshape(-1) for sprite in sprites], np.uint8),
            kinds=np.array([KINDS.index(sprite.kind) for sprite in self.sprites], dtype=np.int8),
            origins=np.array([sprite.scene for sprite in self.sprites], dtype=np.int32),
            areas=np.array([sprite.area for sprite in self.sprites], dtype=np.float64),
            outline_lengths=np.array([len(sprite.outline) for sprite in self.sprites], dtype=np.int32),
            outline_points=_joined([sprite.outline for sprite in self.sprites], np.float64).reshape(-1, 2),
        )

    @classmethod
    def load(cls, path: Path | str) -> "Library":
        """Read what `save` wrote."""
        with np.load(path, allow_pickle=False) as packed:
            kept = {name: packed[name] for name in packed.files}
        if int(kept.get("version", -1)) != LIBRARY_VERSION:
            raise ValueError(
                f"sprite library {path} has version {kept.get('version')}; expected {LIBRARY_VERSION}; "
                f"delete it to rebuild"
            )
        regions = iter(_parted(kept["region_points"], kept["region_lengths"]))
        scenes = tuple(
            Scene(pyramid(pixels), tuple(next(regions) for _ in range(count)), bool(natural))
            for pixels, natural, count in zip(
                _pictures(kept["scene_pixels"], kept["scene_shapes"]),
                kept["natural"],
                kept["region_counts"],
                strict=True,
            )
        )
        outlines = _parted(kept["outline_points"], kept["outline_lengths"])
        sprites = tuple(
            Sprite(pyramid(pixels), outline, float(area), KINDS[kind], int(origin))
            for pixels, outline, area, kind, origin in zip(
                _pictures(kept["sprite_pixels"], kept["sprite_shapes"]),
                outlines,
                kept["areas"],
                kept["kinds"],
                kept["origins"],
                strict=True,
            )
        )
        return cls(scenes, sprites)


@lru_cache(maxsize=4)
def library_for(sources: Sources) -> Library:
    """The library of these sources: built once a process, or read from its cache file."""
    if sources.cache is not None and Path(sources.cache).is_file():
        return Library.load(sources.cache)
    library = build_library(sources)
    if sources.cache is not None:
        library.save(sources.cache)
    return library


def build_library(sources: Sources) -> Library:
    """Cut scenes and sprites out of every source; the same sources give the same library."""
    rng = np.random.default_rng(20_240)
    scenes: list[Scene] = []
    sprites: list[Sprite] = []
    for picture, segmentations, shapes in _photographs(sources, rng):
        masks = [mask for labels in segmentations for mask in object_masks(labels, rng)]
        regions = (outline_of(mask) for mask in masks)
        scenes.append(
            Scene(pyramid(picture), tuple(region for region in regions if region is not None), True)
        )
        for mask in masks:
            _append(sprites, cut_out(picture, mask, kind="object", scene=len(scenes) - 1))
        _append_shapes(sprites, picture, len(scenes) - 1, rng, shapes=shapes, kind="shape")
    for _ in range(sources.textures):
        picture = texture(rng, 320, 480)
        scenes.append(Scene(pyramid(picture), (), False))
        _append_shapes(sprites, picture, len(scenes) - 1, rng, shapes=6, kind="texture")
    if not scenes:
        raise ValueError(
            f"{sources} give no scene; expected photographs or textures > 0; name a folder or set textures"
        )
    return Library(tuple(scenes), tuple(sprites))


def _photographs(
    sources: Sources, rng: np.random.Generator
) -> Iterator[tuple[NDArray[np.uint8], list[NDArray[np.uint8]], int]]:
    """A picture, its segmentations (both at the scenes' size) and how many shapes to fill with its parts."""
    if sources.images is not None:
        paths = image_paths(sources.images)[: sources.limit]
        if not paths:
            raise ValueError(
                f"images {sources.images} holds no image; expected .jpg or .png files; check the folder"
            )
        for path in paths:
            picture = read_image(path)
            if sources.segments is None:
                labels = colour_segments(picture, rng)
            else:
                labels = _labels(sources.segments, path, picture)
            yield _at_scene_size(picture, cv2.INTER_AREA), [_at_scene_size(labels, cv2.INTER_NEAREST)], 2
    if sources.packaged:
        for path in packaged_photographs():
            picture = _at_scene_size(read_image(path), cv2.INTER_AREA)
            # They are few: cut each more than one way.
            yield picture, [colour_segments(picture, rng, groups) for groups in (6, 10, 16)], 8


def packaged_photographs() -> list[Path]:
    """Photographs that lie inside installed scikit-image and scikit-learn wheels; none is downloaded."""
    from importlib.util import find_spec

    found = []
    places = (
        ("skimage", "data", SCIKIT_IMAGE + SCIKIT_IMAGE_TEXTURES),
        ("sklearn", "datasets/images", SCIKIT_LEARN),
    )
    for package, folder, names in places:
        spec = find_spec(package)
        if spec is None or spec.origin is None:
            continue
        for name in names:
            matches = sorted((Path(spec.origin).parent / folder).glob(f"{name}.*"))
            found += [path for path in matches if path.suffix in (".png", ".jpg")]
    return found


def _labels(folder: Path, path: Path, picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    label_path = Path(folder) / f"{path.stem}.png"
    labels = cv2.imread(str(label_path), cv2.IMREAD_UNCHANGED)
    if labels is None:
        raise ValueError(
            f"segmentation {label_path} is missing or unreadable; expected one for each image in "
            f"{path.parent}"
        )
    if labels.shape != picture.shape[:2] or labels.dtype != np.uint8:
        raise ValueError(
            f"segmentation {label_path} is {labels.dtype} {labels.shape}; expected uint8 "
            f"{picture.shape[:2]} like {path}"
        )
    return np.asarray(labels, dtype=np.uint8)


def _at_scene_size(picture: NDArray[np.uint8], interpolation: int) -> NDArray[np.uint8]:
    scale = SCENE_SIDE / max(picture.shape[:2])
    if 0.9 < scale < 1.1:
        return picture
    size = (round(picture.shape[1] * scale), round(picture.shape[0] * scale))
    return np.asarray(cv2.resize(picture, size, interpolation=interpolation), dtype=np.uint8)


def _append(sprites: list[Sprite], sprite: Sprite | None) -> None:
    if sprite is not None:
        sprites.append(sprite)


def _append_shapes(
    sprites: list[Sprite],
    picture: NDArray[np.uint8],
    scene: int,
    rng: np.random.Generator,
    *,
    shapes: int,
    kind: SpriteKind,
) -> None:
    """Random shapes and one slab (an opaque box or pole, for occlusion) filled with parts of a picture."""
    height, width = picture.shape[:2]
    for k in range(shapes + 1):
        slab = k == shapes
        side = np.exp(rng.uniform(np.log(36), np.log(150)))
        stretch = np.exp(rng.normal(0, 0.7 if slab else 0.4))
        h, w = int(np.clip(side * stretch, 16, height - 8)), int(np.clip(side / stretch, 16, width - 8))
        y, x = int(rng.integers(0, height - h)), int(rng.integers(0, width - w))
        mask = np.zeros((height, width), dtype=np.uint8)
        mask[y : y + h, x : x + w] = 255 if slab else blob_mask(rng, h, w)
        _append(sprites, cut_out(picture, mask, kind="slab" if slab else kind, scene=scene))


def _joined(parts: list[NDArray], dtype: type) -> NDArray:
    return np.concatenate(parts).astype(dtype, copy=False) if parts else np.zeros(0, dtype=dtype)


def _parted(points: NDArray, lengths: NDArray) -> list[NDArray]:
    return np.split(points, np.cumsum(lengths)[:-1]) if len(lengths) else []


def _pictures(pixels: NDArray[np.uint8], shapes: NDArray) -> Iterator[NDArray[np.uint8]]:
    start = 0
    for height, width, channels in shapes:
        end = start + int(height) * int(width) * int(channels)
        yield pixels[start:end].reshape(height, width, channels)
        start = end
