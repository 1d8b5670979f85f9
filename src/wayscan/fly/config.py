"""What a pilot is made of. Needs no torch."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

Encoder = Literal["vmamba", "cnn", "lstm", "gru", "mingru", "mlp"]
Temporal = Literal["mamba", "lean", "none", "stack"]

STAGES = 4


@dataclass(frozen=True, kw_only=True)
class PilotConfig:
    """The networks, and what they fly. Names are the seed's; the defaults are, too."""

    image: tuple[int, int, int] | None = (1, 128, 128)
    """(C, H, W) of a frame; None where there are states only."""
    state_dim: int = 10
    """D_s."""
    action_low: tuple[float, ...] = (-1.0, -1.0, -1.0)
    action_high: tuple[float, ...] = (1.0, 1.0, 1.0)
    """The environment's; networks and replay know actions in [-1, 1] only."""
    seq_len: int = 4
    """K, frames that a decision sees."""

    encoder: Encoder = "vmamba"
    """`vmamba` and `cnn` look at each frame, then `temporal` and attention gather them (but see `stack`);
    `lstm`, `gru`, `mingru` are a CNN and a recurrence; `mlp` sees all frames side by side."""
    vmamba_patch_size: int = 16
    vmamba_hidden_dim: int = 64
    """Channels of the first stage; each next one has twice as many."""
    vmamba_num_vss_blocks: tuple[int, ...] = (2, 2, 4, 2)
    vmamba_drop_path_rate: float = 0.1
    """That of the last block; the first has 0."""
    vmamba_layer_scale_init: float = 1e-6
    """0 leaves the scale out."""
    vmamba_ssm_d_state: int = 16
    vmamba_ssm_ratio: float = 2.0
    vmamba_mlp_ratio: float = 4.0
    temporal: Temporal = "mamba"
    """Over the frames: the seed's SS2D on an image of width one, a causal Mamba (lean), nothing (none);
    for a `cnn`, too, the frames as channels of one image, as Mnih 2015 has it (stack)."""
    vmamba_temporal_layers: int = 1
    vmamba_num_heads: int = 4
    """Of the attention with which the last frame asks the others."""
    feature_dim: int = 128
    """D_v."""
    state_feature_dim: int = 128
    """D_sf."""
    hidden_dim: int = 256
    """D_h, and the hidden widths of actor and critics."""

    def __post_init__(self) -> None:
        if len(self.action_low) != len(self.action_high) or not self.action_low:
            raise ValueError(
                f"action_low, action_high have {len(self.action_low)}, {len(self.action_high)} numbers; "
                f"expected as many, at least one"
            )
        if len(self.vmamba_num_vss_blocks) != STAGES or min(self.vmamba_num_vss_blocks) < 1:
            raise ValueError(
                f"vmamba_num_vss_blocks is {self.vmamba_num_vss_blocks}; expected {STAGES} numbers of at "
                f"least 1, one a stage"
            )
        if self.stacked and self.encoder != "cnn":
            raise ValueError(
                f"temporal is 'stack' with encoder {self.encoder!r}; expected it with a cnn alone: choose "
                f"mamba, lean or none"
            )
        if self.hidden_dim % self.vmamba_num_heads:
            raise ValueError(
                f"vmamba_num_heads is {self.vmamba_num_heads}; expected a divisor of hidden_dim, which is "
                f"{self.hidden_dim}"
            )
        for name in ("state_dim", "seq_len", "vmamba_patch_size", "vmamba_hidden_dim", "vmamba_ssm_d_state",
                     "vmamba_num_heads", "feature_dim", "state_feature_dim", "hidden_dim"):  # fmt: skip
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; expected at least 1")
        patch = self.vmamba_patch_size
        if self.encoder == "vmamba" and self.image and (self.image[1] % patch or self.image[2] % patch):
            raise ValueError(
                f"vmamba_patch_size is {patch}; expected a divisor of the image's {self.image[1]} × "
                f"{self.image[2]}: set it to 4 or 8, or choose another image size"
            )

    @property
    def action_dim(self) -> int:
        return len(self.action_low)

    @property
    def stacked(self) -> bool:
        """Whether frames are not looked at one by one."""
        return self.temporal == "stack"

    @property
    def moment_dim(self) -> int:
        """Numbers that a moment is remembered by, to decide on the next ones."""
        if not self.stacked:
            return self.hidden_dim
        return self.pixels + self.state_feature_dim

    @property
    def pixels(self) -> int:
        """Numbers in a frame; 0 where there are none."""
        return math.prod(self.image or (0,))

    @property
    def grids(self) -> tuple[tuple[int, int], ...]:
        """Rows and columns of tokens in each stage.

        >>> PilotConfig().grids
        ((8, 8), (4, 4), (2, 2), (1, 1))
        """
        if self.image is None:
            return ()
        rows, columns = (side // self.vmamba_patch_size for side in self.image[1:])
        grids = [(rows, columns)]
        for _ in range(STAGES - 1):
            rows, columns = -(-rows // 2), -(-columns // 2)
            grids.append((rows, columns))
        return tuple(grids)

    def complaint(self) -> str | None:
        """What is wrong with the grid, if several stages see a single token; None if it is fine."""
        if self.encoder != "vmamba" or self.image is None:
            return None
        alone = sum(grid == (1, 1) for grid in self.grids)
        if alone < 2:
            return None
        shown = " → ".join(f"{rows} × {columns}" for rows, columns in self.grids)
        side = min(self.image[1:])
        better = next((patch for patch in (16, 8, 4, 2) if side % patch == 0 and side // patch >= 8), 1)
        return (
            f"with patches of {self.vmamba_patch_size} an image of {self.image[1]} × {self.image[2]} has the "
            f"grids {shown}: {alone} of {STAGES} stages see one token and mix nothing; "
            f"--vmamba_patch_size {better} does not collapse"
        )

    def as_dict(self) -> dict[str, Any]:
        return {"system": "fly", "model": asdict(self)}

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> "PilotConfig":
        """The inverse of `as_dict`; a setting that is not known is refused."""
        if stored.get("system") != "fly":
            raise ValueError(
                f"this model's system is {stored.get('system')!r}; expected 'fly'; choose a pilot"
            )
        known = {each.name for each in fields(cls)}
        model = stored.get("model", {})
        if unknown := sorted(set(model) - known):
            raise ValueError(
                f"PilotConfig has no {', '.join(unknown)}; expected {', '.join(sorted(known))}; the file may "
                f"come from a newer wayscan"
            )
        return cls(**{name: _tuple(value) for name, value in model.items()})


def _tuple(value: Any) -> Any:
    return tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else value
