"""Grow a trained tracker into a wider or deeper one that answers alike, and goes on learning from there.

- The residual stream is padded with channels that are zero: whatever writes them begins with zero weights,
  and some of what reads them with random ones, so that they get gradient at once. An RMSNorm over more
  channels would scale the old ones by √(D′ / D); its weights take that back.
- Hidden units, states and ranks that are added begin as in a new network; what reads them begins at zero.
- Channels of a convolutional stem are doubled (or trebled …), which leaves its LayerNorms as they were. Each
  reader splits its weight among the copies unevenly, so that they do not stay copies.
- Added blocks come last, with an output projection of zero: they begin as the identity.

The answers then differ by rounding and by the norms' ε alone: for trained networks by less than 1e-3 of
their size.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import asdict
from typing import Literal, NamedTuple

import torch
from torch import Tensor

from wayscan.track.config import TrackConfig
from wayscan.track.model import TrackModel

Role = Literal["stream", "silent", "free", "loud", "copies"]
"""What is done with an axis of a weight: where it writes ("silent": additions are zero; "free": they begin as
in a new network) or reads ("stream": additions are zero and may be read at random; "loud": they are not to be
heard yet), or both ("copies": channels of the stem)."""

_MAY_DIFFER = {"width", "depth", "states", "stem_width", "dense_width", "drop_path"}
_DIRECTION = re.compile(r"_b(?=\.|$|_log)")


class _Rule(NamedTuple):
    """Which names a rule is for, and the roles of the axes: what is written, what is read."""

    names: str
    writes: Role
    reads: Role | None = None


# The first that fits; `cells` stands for the stem's channels, which are copies or, of patches, the stream.
_RULES = (
    _Rule(r"(position|search_pos_bias|_embedding|words\.weight)$", "silent"),
    _Rule(r"blocks\.\d+\.(local_conv\.conv|layer_scale)\.", "free"),
    _Rule(r"mixer\.in_proj\.weight$", "free", "stream"),
    _Rule(r"mixer\.(x_proj|dt_proj)\.weight$", "free", "loud"),
    _Rule(r"mixer\.out_proj\.weight$", "silent", "loud"),
    _Rule(r"mixer\.", "free"),
    _Rule(r"stem\.patches\.", "silent"),
    _Rule(r"stem\.merge\.weight$", "silent", "copies"),
    _Rule(r"stem\.merge\.bias$", "silent"),
    _Rule(r"stem\.down\.0\.|stem\..*(bias|norms\.\d\.weight|norm\.weight)$", "copies"),
    _Rule(r"stem\.|correlation\.value\.weight$", "copies", "copies"),
    _Rule(r"correlation\.sharpness$|word_bias$|mask_decoder\.(?!enter\.weight)", "free"),
    _Rule(r"correlation\.", "copies"),
    _Rule(r"mask_decoder\.enter\.weight$|dense_head\.spread\.0\.weight$", "free", "stream"),
    _Rule(r"dense_head\.fine\.weight$", "free", "copies"),
    _Rule(r"(dense_head|score_head)\..*weight$", "free", "loud"),
    _Rule(r"(dense_head|score_head)\..*bias$", "free"),
)  # fmt: skip


@torch.no_grad()
def grow(weights: Mapping[str, Tensor], before: TrackConfig, model: TrackModel) -> dict[str, Tensor]:
    """The weights of a trained tracker as those of a larger one.

    Args:
        weights: of the tracker whose network is `before`.
        model: the larger network as it begins; its weights say how what is added begins.
    """
    after = model.config
    _check(before, after)
    grown = {}
    for name, fresh in model.state_dict().items():
        small = weights.get(name)
        if small is None:  # a block that is added
            grown[name] = fresh.clone()
        elif re.search(r"(blocks\.\d+\.)norm\.weight$|^norm\.weight$", name):
            share = math.sqrt(before.width / after.width)
            grown[name] = torch.cat([small, fresh[len(small) :]]) * share
        else:
            grown[name] = _grown(name, small.to(fresh), fresh.clone(), before, after)
    return grown


def _grown(name: str, small: Tensor, new: Tensor, before: TrackConfig, after: TrackConfig) -> Tensor:
    rule = next(rule for rule in _RULES if re.search(rule.names, _DIRECTION.sub("", name)))
    copies = after.stem == "conv"
    writes, reads = rule.writes, rule.reads
    if writes == "copies" and not copies:
        writes = "silent"
    if reads == "copies" and not copies:
        reads = "stream"
    # What is written lies in the last axis of embeddings and of the correlation's places.
    axis = (
        small.dim() - 1 if reads is None and re.search(r"position|bias$|embedding|words|place", name) else 0
    )
    if writes == "copies":
        small = _repeated(small, axis, new.shape[axis])
    if reads == "copies":
        small = _split(small, 1, new.shape[1])
    kept_out = (
        _places(name, axis, small.shape[axis] if small.dim() else 1, before, after) if new.dim() else None
    )
    if kept_out is None:
        return small.clone()
    added_out = _others(kept_out, new.shape[axis])
    if writes == "silent":
        new.index_fill_(axis, added_out, 0)
    if "mixer.x_proj" in name:  # added states are written, and not read yet
        new[len(new) - (after.states - before.states) :] = 0
    if reads is None:
        rest = [torch.arange(size) for size in small.shape]
        rest[axis] = kept_out
        new[torch.meshgrid(*rest, indexing="ij")] = small
        return new
    kept_in = _places(name, 1, small.shape[1], before, after)
    if reads == "loud":
        new[kept_out[:, None], _others(kept_in, new.shape[1])[None]] = 0
    new[kept_out[:, None], kept_in[None]] = small
    return new


def _places(name: str, axis: int, count: int, before: TrackConfig, after: TrackConfig) -> Tensor:
    """Where the old entries of an axis lie in the new one."""
    plain = _DIRECTION.sub("", name)
    groups: list[tuple[int, int]] = [(count, count)]  # sizes of consecutive groups, before and after
    ranks = (math.ceil(before.width / 16), math.ceil(after.width / 16))
    if plain.endswith("mixer.in_proj.weight") and axis == 0:
        groups = [(2 * before.width, 2 * after.width)] * 2
    elif plain.endswith("mixer.x_proj.weight") and axis == 0:
        groups = [ranks, (before.states, after.states), (before.states, after.states)]
    elif plain.endswith("dense_head.mix.0.weight") and axis == 1:
        groups = [(before.dense_width, after.dense_width)] * 2
    elif plain.endswith("score_head.hidden_layers.0.weight") and axis == 1 and after.dense_head:
        groups = [(before.width, after.width), (before.dense_width, after.dense_width), (1, 1)]
    starts, places = 0, []
    for small, large in groups:
        places.append(torch.arange(starts, starts + small))
        starts += large
    return torch.cat(places)


def _others(kept: Tensor, count: int) -> Tensor:
    there = torch.ones(count, dtype=torch.bool)
    there[kept] = False
    return there.nonzero().flatten()


def _repeated(small: Tensor, axis: int, count: int) -> Tensor:
    return torch.cat([small] * (count // small.shape[axis]), dim=axis)


def _split(small: Tensor, axis: int, count: int) -> Tensor:
    """Shares of each weight for the copies of its input, uneven at random; they sum to it."""
    copies = count // small.shape[axis]
    shares = torch.rand(copies, *small.shape) + 0.5
    shares = shares / shares.sum(0)
    return torch.cat([small * share for share in shares], dim=axis)


def _check(before: TrackConfig, after: TrackConfig) -> None:
    small, large = asdict(before), asdict(after)
    differing = {name for name in large if small[name] != large[name]} - _MAY_DIFFER
    if differing:
        said = ", ".join(f"{name} {small[name]!r} and {large[name]!r}" for name in sorted(differing))
        raise ValueError(
            f"these networks differ in {said}; expected the same but for {', '.join(sorted(_MAY_DIFFER))}; "
            "choose another preset to grow into"
        )
    shrunk = [name for name in _MAY_DIFFER - {"drop_path"} if large[name] < small[name]]
    if shrunk:
        raise ValueError(
            f"{', '.join(sorted(shrunk))} would shrink; expected a larger network; choose another"
        )
    if before.encoder == "vit" or before.fusion == "gated":
        raise ValueError(
            f"the encoder is {before.encoder!r} with fusion {before.fusion!r}; expected scans joined by "
            "their mean: attention and gates cannot be grown"
        )
    if after.stem == "conv" and after.stem_width % before.stem_width:
        raise ValueError(
            f"stem_width is {after.stem_width}; expected a multiple of {before.stem_width}, whose channels "
            "are copied"
        )
