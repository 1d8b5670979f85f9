"""The Mamba mixer: a gated, convolved, selective scan along a sequence."""

import math
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from wayscan.nn.initialise import initial_log_rates, initial_skips, initialise_dt, precise
from wayscan.ops import depthwise_conv1d, selective_scan, selective_step


class MambaState(NamedTuple):
    """What a Mamba mixer remembers between two pieces of a sequence.

    Attributes:
        window: (B, d_conv − 1, E), the latest inputs of the convolution, oldest first.
        scan: (B, E, N) float32, the state of the scan.
    """

    window: Tensor
    scan: Tensor


class Direction(NamedTuple):
    """The weights for travelling one way along a sequence."""

    conv1d: nn.Conv1d
    x_proj: nn.Linear
    dt_proj: nn.Linear
    A_log: Tensor
    D: Tensor

    def convolve(self, x: Float[Tensor, "B R E"], before: int = 0) -> Float[Tensor, "B L E"]:
        """Each step of x with its past, after `before` steps of zeros."""
        return depthwise_conv1d(x, self.conv1d.weight, self.conv1d.bias, before, silu=True)

    def convolve_one(self, window: Float[Tensor, "B W E"]) -> Float[Tensor, "B E"]:
        """`convolve` for one step, where a plain sum costs less than calling a convolution."""
        x = (window * self.conv1d.weight.squeeze(1).t()).sum(1)
        return F.silu(x if self.conv1d.bias is None else x + self.conv1d.bias)

    def scan_inputs(self, x: Float[Tensor, "*B E"]) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """What the scan selects by: Δ before its bias (…, E), A (E, N), B and C (…, N)."""
        states = self.A_log.shape[1]
        dt, B, C = self.x_proj(x).split([self.dt_proj.in_features, states, states], dim=-1)
        A = -torch.exp(self.A_log.to(precise(self.A_log.dtype)))
        return F.linear(dt, self.dt_proj.weight), A, B, C


class SelectiveMixer(nn.Module):
    """The weights of a Mamba mixer, under the names and shapes of `mamba_ssm`, and its way along a sequence.

    One direction of travel has `conv1d`, `x_proj`, `dt_proj`, `A_log` and `D`; a second one, if a subclass
    adds it, has the same with `_b` (for backwards) in the names.

    Args:
        d_model: D. d_state: N. d_conv: W, steps that the convolution sees. expand: E / D.
        dt_rank: R, rank of the projection of Δ; "auto" is ⌈D / 16⌉.
        dt_min, dt_max, dt_init, dt_scale, dt_init_floor: see `wayscan.nn.initialise.initialise_dt`.
        conv_bias, bias: whether the convolution, and the two outer projections, have one.
    """

    def __init__(
        self,
        d_model: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int | float = 2,
        dt_rank: int | Literal["auto"] = "auto",
        dt_min: float = 0.001,
        dt_max: float = 0.1,
        dt_init: Literal["random", "constant"] = "random",
        dt_scale: float = 1.0,
        dt_init_floor: float = 1e-4,
        conv_bias: bool = True,
        bias: bool = False,
    ) -> None:
        super().__init__()
        self.d_model = d_model
        self.d_state = d_state
        self.d_conv = d_conv
        self.d_inner = int(expand * d_model)
        self.dt_rank = math.ceil(d_model / 16) if dt_rank == "auto" else dt_rank
        self._has_conv_bias = conv_bias
        self._dt_options = (dt_min, dt_max, dt_init, dt_scale, dt_init_floor)

        self.in_proj = nn.Linear(d_model, 2 * self.d_inner, bias=bias)
        self.add_direction("")
        self.out_proj = nn.Linear(self.d_inner, d_model, bias=bias)

    def add_direction(self, suffix: Literal["", "_b"]) -> None:
        """Give the mixer the weights of one direction of travel."""
        E, N, R, W = self.d_inner, self.d_state, self.dt_rank, self.d_conv
        conv1d = nn.Conv1d(E, E, W, groups=E, padding=W - 1, bias=self._has_conv_bias)
        dt_proj = nn.Linear(R, E)
        initialise_dt(dt_proj.weight, dt_proj.bias, *self._dt_options)
        self.add_module(f"conv1d{suffix}", conv1d)
        self.add_module(f"x_proj{suffix}", nn.Linear(E, R + 2 * N, bias=False))
        self.add_module(f"dt_proj{suffix}", dt_proj)
        self.register_parameter(f"A{suffix}_log", initial_log_rates(E, N))
        self.register_parameter(f"D{suffix}", initial_skips(E))

    def travel(
        self,
        x: Float[Tensor, "B L E"],
        z: Float[Tensor, "B L E"] | None = None,
        state: MambaState | None = None,
        suffix: Literal["", "_b"] = "",
    ) -> tuple[Float[Tensor, "B L E"], MambaState | None]:
        """Convolve, then scan along L.

        Args:
            x: one half of what `in_proj` gave.
            z: the other half, the gate; without it the result is not gated.
            state: where an earlier piece of the sequence ended; None is the beginning.

        Returns:
            The result, and the state at its end if a state was given.
        """
        way = self.direction(suffix)
        if state is None:
            x = way.convolve(x, before=self.d_conv - 1)
        else:
            steps = torch.cat([state.window.to(x.dtype), x], dim=1)
            x = way.convolve(steps)
        delta, A, B, C = way.scan_inputs(x)
        y, last = selective_scan(
            x.transpose(1, 2),
            delta.transpose(1, 2),
            A,
            B.transpose(1, 2),
            C.transpose(1, 2),
            way.D,
            z=None if z is None else z.transpose(1, 2),
            delta_bias=way.dt_proj.bias,
            delta_softplus=True,
            return_last_state=True,
            initial_state=None if state is None else state.scan,
        )
        if state is not None:
            state = MambaState(steps[:, x.shape[1] :].clone(), last)
        return y.transpose(1, 2), state

    def direction(self, suffix: Literal["", "_b"]) -> Direction:
        return Direction(
            getattr(self, f"conv1d{suffix}"),
            getattr(self, f"x_proj{suffix}"),
            getattr(self, f"dt_proj{suffix}"),
            getattr(self, f"A{suffix}_log"),
            getattr(self, f"D{suffix}"),
        )


class Mamba(SelectiveMixer):
    """The causal Mamba mixer, (B, L, D) → (B, L, D); `mamba_ssm` checkpoints load into it.

        x, z = in_proj(input)
        x = silu(conv1d(x))                      each channel over its last W steps
        Δ, B, C = x_proj(x)                      Δ then through dt_proj and softplus
        output = out_proj(scan(x, Δ, B, C) · silu(z))

    Parameters, with E = expand · D and R = dt_rank, biases of the outer projections left out:
    3DE + E(W + 1) + E(R + 2N) + RE + E + EN + E; 3,770,880 for D = 768.
    """

    def forward(
        self, x: Float[Tensor, "B L D"], state: MambaState | None = None
    ) -> Float[Tensor, "B L D"] | tuple[Float[Tensor, "B L D"], MambaState]:
        """Mix a sequence, or the next piece of one.

        Args:
            x: (B, L, D).
            state: from `initial_state` or from the piece before; with it the new state is returned as well.
                Pieces give the same as the whole.
        """
        x, z = self.in_proj(x).chunk(2, dim=-1)
        y, state = self.travel(x, z, state)
        y = self.out_proj(y)
        return y if state is None else (y, state)

    @torch.no_grad()
    def step(self, x: Float[Tensor, "B D"], state: MambaState) -> tuple[Float[Tensor, "B D"], MambaState]:
        """Mix one step of a stream, without gradient; the same as `forward` to rounding.

        The memory of `state.scan` is reused for the state that is returned: keep a clone to come back to it.
        """
        way = self.direction("")
        x, z = self.in_proj(x).chunk(2, dim=-1)
        window = torch.cat([state.window.to(x.dtype), x.unsqueeze(1)], dim=1)
        x = way.convolve_one(window)
        delta, A, B, C = way.scan_inputs(x)
        bias = way.dt_proj.bias
        y = selective_step(state.scan, x, delta, A, B, C, way.D, z, delta_bias=bias, delta_softplus=True)
        return self.out_proj(y), MambaState(window[:, 1:], state.scan)

    def initial_state(self, batch: int) -> MambaState:
        """The state before the first step of `batch` sequences."""
        weight = self.in_proj.weight
        return MambaState(
            window=weight.new_zeros(batch, self.d_conv - 1, self.d_inner),
            scan=weight.new_zeros(batch, self.d_inner, self.d_state, dtype=precise(weight.dtype)),
        )
