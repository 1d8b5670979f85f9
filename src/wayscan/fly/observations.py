"""What an environment shows, as one image and one vector. Needs no torch."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Frame = NDArray[np.uint8]

CHANNELS = (1, 3, 4)
FOUND = "expected a Box of one dimension (a state), or a Dict of one image and at least one state"


class NotFiniteError(ValueError):
    """An environment showed or paid NaN or infinity."""


class Seen(NamedTuple):
    """One moment: image (C, H, W) or None, and state (D_s,)."""

    frame: Frame | None
    state: Floats


class Reader:
    """From observations of a space to `Seen`; of stacked frames (K, …) the newest is taken.

    Images are uint8, or floats between finite bounds, which become uint8; channels may come first or last.
    States are joined in the order of their names.

    >>> from gymnasium import spaces
    >>> reader = Reader(spaces.Box(-1, 1, (3,)))
    >>> reader.image, reader.state_dim
    (None, 3)
    """

    def __init__(self, space: Any) -> None:
        self._boxes: dict[str, Any] = (
            dict(sorted(space.spaces.items())) if hasattr(space, "spaces") else {"": space}
        )
        if not all(hasattr(box, "low") for box in self._boxes.values()):
            raise ValueError(f"the observation space is {space}; {FOUND}")
        images = [name for name, box in self._boxes.items() if len(box.shape) >= 3]
        self._states = [name for name in self._boxes if name not in images]
        if len(images) > 1 or not self._states:
            raise ValueError(f"the observation space has images {images} and states {self._states}; {FOUND}")
        self._picture = images[0] if images else None
        self._stacked = bool(images) and len(self._boxes[images[0]].shape) == 4
        deep = {name: len(self._boxes[name].shape) for name in self._states}
        if any(depth != (2 if self._stacked else 1) for depth in deep.values()):
            raise ValueError(f"the observation space is {space}; {FOUND}, all stacked or none")
        self.state_dim = sum(self._boxes[name].shape[-1] for name in self._states)
        self.image: tuple[int, int, int] | None = None
        if self._picture is not None:
            self._prepare(self._boxes[self._picture])

    def _prepare(self, box: Any) -> None:
        first, height, width = box.shape[-3:]
        self._last = first not in CHANNELS and width in CHANNELS
        self.image = (width, first, height) if self._last else (first, height, width)
        if box.dtype != np.uint8 and not (np.isfinite(box.low).all() and np.isfinite(box.high).all()):
            raise ValueError(
                f"the image {self._picture!r} is {box.dtype} without finite bounds; expected uint8, or "
                f"floats with bounds: clip depth at its largest distance"
            )
        self._low, self._range = box.low, box.high - box.low

    def __call__(self, observation: Any) -> Seen:
        """One moment; what does not fit the space, or is not finite, is refused."""
        given = observation if isinstance(observation, Mapping) else {"": observation}
        arrays = {name: self._checked(name, given) for name in self._boxes}
        states = [arrays[name][-1] if self._stacked else arrays[name] for name in self._states]
        state = np.concatenate(states).astype(np.float32)
        return Seen(self._frame(arrays[self._picture]) if self._picture is not None else None, state)

    def _checked(self, name: str, given: Mapping[str, Any]) -> NDArray[Any]:
        box = self._boxes[name]
        if name not in given:
            raise ValueError(f"the observation lacks {name!r}; it has {', '.join(given)}")
        array = np.asarray(given[name])
        kinds = (array.dtype.kind, np.dtype(box.dtype).kind)
        if array.shape != box.shape or (array.dtype != box.dtype and kinds != ("f", "f")):
            raise ValueError(
                f"observation {name!r} is {array.dtype} {array.shape}; expected {box.dtype} {box.shape}, as "
                f"its space says: mend the environment"
            )
        if array.dtype.kind == "f" and not np.isfinite(array).all():
            raise NotFiniteError(f"observation {name!r} holds {int((~np.isfinite(array)).sum())} NaN or inf")
        return array

    def _frame(self, array: NDArray[Any]) -> Frame:
        if array.dtype != np.uint8:
            share = np.clip((array - self._low) / self._range, 0, 1)
            array = (share * np.float32(255) + np.float32(0.5)).astype(np.uint8)
        array = array[-1] if self._stacked else array
        return np.ascontiguousarray(np.moveaxis(array, -1, 0)) if self._last else array


def newest_of(observation: Any, image: tuple[int, int, int] | None, state_dim: int) -> Seen:
    """One moment of an observation whose space is not at hand, for networks of this image and state.

    Args:
        observation: a mapping of one image (with frames before it, perhaps; channels first or last) and
            states, or a state.
    """
    parts = dict(sorted(observation.items())) if isinstance(observation, Mapping) else {"": observation}
    arrays = {name: np.asarray(value) for name, value in parts.items()}
    pictures = [name for name, array in arrays.items() if array.ndim >= 3]
    if len(pictures) != (image is not None):
        raise ValueError(
            f"the observation has images {pictures}; expected "
            f"{f'one of {image}' if image else 'none'}, as the networks were built for"
        )
    states = [
        array[-1] if array.ndim == 2 else array for name, array in arrays.items() if name not in pictures
    ]
    state = np.concatenate(states).astype(np.float32) if states else np.zeros(0, np.float32)
    if state.shape != (state_dim,) or not np.isfinite(state).all():
        raise ValueError(f"the state is {state}; expected {state_dim} finite numbers")
    if image is None:
        return Seen(None, state)
    picture = arrays[pictures[0]]
    first = picture.shape[-3:] == image or picture.shape[-3:] != (*image[1:], image[0])
    return Seen(newest_frame(picture if first else np.moveaxis(picture, -1, -3), image), state)


def all_frames(depth: Any, image: tuple[int, int, int], count: int) -> Frame:
    """The newest `count` frames of a window (K, C, H, W) as uint8; floats are shares in [0, 1]."""
    depth = np.asarray(depth)
    if depth.ndim != 4 or depth.shape[1:] != image or len(depth) < count:
        raise ValueError(
            f"the images are {depth.shape}; expected at least {count} frames of {image}, as the networks "
            f"were built for"
        )
    return as_bytes(depth[-count:])


def newest_frame(depth: Any, image: tuple[int, int, int]) -> Frame:
    """The last frame of a window, or a frame, as uint8 (C, H, W)."""
    depth = np.asarray(depth)
    frame = depth[-1] if depth.ndim == 4 else depth
    if frame.shape != image:
        raise ValueError(f"the image is {frame.shape}; expected {image}, as the networks were built for")
    return as_bytes(frame)


def as_bytes(image: NDArray[Any]) -> Frame:
    """Pixels as they are kept: uint8, or floats in [0, 1] times 255."""
    if image.dtype == np.uint8:
        return image
    if image.dtype.kind != "f":
        raise ValueError(f"the image is {image.dtype}; expected uint8, or floats in [0, 1]")
    if not np.isfinite(image).all() or image.min() < 0 or image.max() > 1:
        raise NotFiniteError(
            f"the image holds {image.min():g} to {image.max():g}; expected floats in [0, 1]: scale depth by "
            f"its largest distance, and put a number in place of NaN"
        )
    return (image * np.float32(255) + np.float32(0.5)).astype(np.uint8)
