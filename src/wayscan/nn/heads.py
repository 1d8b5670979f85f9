"""From features to motion: plain, bounded and cumulative regression heads."""

import math
from collections.abc import Sequence
from typing import Literal, get_args

import torch
from jaxtyping import Float
from torch import Tensor, nn

from wayscan.names import expect_one_of

Activation = Literal["relu", "gelu", "silu"]
Norm = Literal["none", "input", "all"]

ACTIVATIONS: dict[str, type[nn.Module]] = {"relu": nn.ReLU, "gelu": nn.GELU, "silu": nn.SiLU}


class MLPHead(nn.Module):
    """A multilayer perceptron, (…, D) → (…, *out_shape).

    Parameters: for widths D = d₀, d₁, … dₙ = Π out_shape, the sum of dᵢ₋₁ dᵢ + dᵢ; + 2D with a norm of the
    input; + 2dᵢ for each hidden width with norm "all".

    Args:
        in_features: D.
        out_shape: one number, or the shape of what is predicted, such as (T, 2).
        hidden: the hidden widths.
        activation: after each hidden layer.
        norm: a LayerNorm on the "input"; there and after "all" hidden linear layers; or "none".
    """

    def __init__(
        self,
        in_features: int,
        out_shape: int | Sequence[int],
        hidden: Sequence[int] = (256, 256),
        *,
        activation: Activation = "relu",
        norm: Norm = "all",
    ) -> None:
        super().__init__()
        expect_one_of(f"{_name(self)}: activation", activation, ACTIVATIONS)
        expect_one_of(f"{_name(self)}: norm", norm, get_args(Norm))
        self.out_shape = (out_shape,) if isinstance(out_shape, int) else tuple(out_shape)
        layers: list[nn.Module] = [] if norm == "none" else [nn.LayerNorm(in_features)]
        width = in_features
        for next_width in hidden:
            layers.append(nn.Linear(width, next_width))
            if norm == "all":
                layers.append(nn.LayerNorm(next_width))
            layers.append(ACTIVATIONS[activation]())
            width = next_width
        self.hidden_layers = nn.Sequential(*layers)
        self.last = nn.Linear(width, math.prod(self.out_shape))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*out"]:
        return self.last(self.hidden_layers(x)).unflatten(-1, self.out_shape)


class TanhHead(MLPHead):
    """An `MLPHead` that cannot leave its limits: limits · tanh(mlp(x)).

    A target outside the limits can never be met, and one near them only with a vanishing gradient: choose
    limits that hold all targets with room to spare.

    Parameters: those of `MLPHead`. The limits are a buffer and travel with the checkpoint.

    Args:
        limits: largest magnitude of each entry of the last dimension of `out_shape`, or one number for all.
        options: the other arguments of `MLPHead`.
    """

    limits: Tensor

    def __init__(
        self,
        in_features: int,
        out_shape: int | Sequence[int],
        limits: int | float | Sequence[int | float] = 1.0,
        **options,
    ) -> None:
        super().__init__(in_features, out_shape, **options)
        values = list(limits) if isinstance(limits, Sequence) else [limits] * self.out_shape[-1]
        if len(values) != self.out_shape[-1] or min(values) <= 0:
            raise ValueError(
                f"TanhHead: limits are {values}, expected {self.out_shape[-1]} positive numbers, one "
                f"for each entry of the last dimension of out_shape {self.out_shape}"
            )
        self.register_buffer("limits", torch.tensor(values, dtype=torch.get_default_dtype()))

    def forward(self, x: Float[Tensor, "*B D"]) -> Float[Tensor, "*out"]:
        return self.limits * torch.tanh(super().forward(x))


class DisplacementHead(nn.Module):
    """A trajectory as the sum of its steps, (B, D) → positions (B, T, C) in the units of the data.

        steps = mlp(x) · std + mean        mean and std of each step and coordinate over the training set
        positions = cumulative sum of the steps, from the origin

    The last layer starts at zero, so that training begins at the mean trajectory. Train on normalised steps,
    where every time and coordinate weighs the same: loss(head.normalised_steps(x), head.normalise(target)).

    Parameters: those of `MLPHead`. Mean and std are buffers and travel with the checkpoint; `fit` sets them.

    Args:
        in_features: D. horizon: T. coordinates: C.
        options: the other arguments of `MLPHead`.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, in_features: int, horizon: int, coordinates: int = 2, **options) -> None:
        super().__init__()
        self.mlp = MLPHead(in_features, (horizon, coordinates), **options)
        nn.init.zeros_(self.mlp.last.weight)
        nn.init.zeros_(self.mlp.last.bias)
        self.register_buffer("mean", torch.zeros(horizon, coordinates))
        self.register_buffer("std", torch.ones(horizon, coordinates))

    def forward(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B T C"]:
        return self.positions(self.normalised_steps(x))

    def normalised_steps(self, x: Float[Tensor, "B D"]) -> Float[Tensor, "B T C"]:
        return self.mlp(x)

    def positions(self, normalised: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """What normalised steps mean in the units of the data."""
        return (normalised * self.std + self.mean).cumsum(dim=1)

    def normalise(self, positions: Float[Tensor, "B T C"]) -> Float[Tensor, "B T C"]:
        """The inverse of `positions`."""
        return (_steps(positions) - self.mean) / self.std

    @torch.no_grad()
    def fit(self, positions: Float[Tensor, "M T C"]) -> None:
        """Measure mean and std on all M trajectories of a training set."""
        std, mean = torch.std_mean(_steps(positions), dim=0, correction=0)
        if not torch.isfinite(std).all() or std.max() == 0:
            raise ValueError(
                f"DisplacementHead.fit: the steps of {len(positions)} trajectories have standard deviations "
                f"from {std.min():g} to {std.max():g}, expected finite and not all zero; look for NaN, or "
                "for one trajectory repeated"
            )
        self.mean.copy_(mean)
        # A coordinate that hardly moves must not turn its noise into the main part of the loss.
        self.std.copy_(std.clamp(min=1e-3 * std.max().item()))


def _steps(positions: Tensor) -> Tensor:
    return torch.diff(positions, dim=1, prepend=torch.zeros_like(positions[:, :1]))


def _name(module: nn.Module) -> str:
    return type(module).__name__
