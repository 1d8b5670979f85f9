"""How weights begin.

The order matters, and a wrong order fails silently:

1. build the model: each block gives its scan the initial values that make it a good memory;
2. `truncated_normal(model)`, if wanted: it leaves alone what a block has marked with `_keep_initial_value`;
3. `zero_out_projections(model)`, if wanted, AFTER every generic initialiser, which would undo it;
4. load pretrained weights LAST: zeroing after loading would erase every block's output projection.

While an output projection is zero its block is the identity, and at the first step the weights inside the
block get no gradient at all: only the projection itself moves. That is expected, not a fault; from the second
step on everything learns.

Parameters that weight decay would harm (A_log, D and the bias of Δ) carry `_no_weight_decay = True`; an
optimiser is expected to look for it. `copy.deepcopy` drops attributes of parameters: sort them into groups
before a model is copied.
"""

import math
from typing import Literal

import torch
from torch import Tensor, nn

NO_WEIGHT_DECAY = "_no_weight_decay"
KEEP_INITIAL_VALUE = "_keep_initial_value"


def initial_log_rates(channels: int, states: int) -> nn.Parameter:
    """A_log (D, N) with A = −exp(A_log) = −1, −2, … −N in every channel."""
    log_rates = nn.Parameter(torch.arange(1, states + 1, dtype=precise()).log().repeat(channels, 1))
    forbid_weight_decay(log_rates)
    return log_rates


def initial_skips(channels: int) -> nn.Parameter:
    """The skip weights of the scan, D (D,) = 1."""
    skips = nn.Parameter(torch.ones(channels, dtype=precise()))
    forbid_weight_decay(skips)
    return skips


def precise(dtype: torch.dtype | None = None) -> torch.dtype:
    """`dtype`, or the default one, but never below float32: what a recurrence needs to keep its memory."""
    return torch.promote_types(dtype or torch.get_default_dtype(), torch.float32)


@torch.no_grad()
def initialise_dt(
    weight: Tensor,
    bias: Tensor,
    dt_min: float,
    dt_max: float,
    dt_init: Literal["random", "constant"],
    dt_scale: float,
    dt_init_floor: float,
) -> None:
    """Start the step sizes Δ = softplus(weight · x + bias) log-uniform between `dt_min` and `dt_max`.

    Args:
        weight: (…, D, R), drawn from U(±R^-0.5 · dt_scale), or that constant.
        bias: (…, D), the inverse softplus of the step sizes; none of these below `dt_init_floor`.
    """
    spread = weight.shape[-1] ** -0.5 * dt_scale
    if dt_init == "random":
        weight.uniform_(-spread, spread)
    elif dt_init == "constant":
        weight.fill_(spread)
    else:
        raise ValueError(f"dt_init is {dt_init!r}, expected 'random' or 'constant'")
    steps = torch.empty_like(bias).uniform_(math.log(dt_min), math.log(dt_max)).exp().clamp(min=dt_init_floor)
    bias.copy_(steps + torch.log(-torch.expm1(-steps)))
    forbid_weight_decay(bias)
    keep_initial_value(weight)
    keep_initial_value(bias)


def forbid_weight_decay(parameter: Tensor) -> None:
    """Ask optimisers to leave the size of a parameter alone."""
    setattr(parameter, NO_WEIGHT_DECAY, True)


def keep_initial_value(parameter: Tensor) -> None:
    """Ask `truncated_normal` to leave a parameter as its block made it."""
    setattr(parameter, KEEP_INITIAL_VALUE, True)


@torch.no_grad()
def truncated_normal(module: nn.Module, std: float = 0.02) -> None:
    """Draw the weights of linear and embedding layers from a normal cut at ±2 σ, and zero their biases."""
    for layer in module.modules():
        if isinstance(layer, nn.Linear | nn.Embedding):
            if _may_change(layer.weight):
                nn.init.trunc_normal_(layer.weight, std=std, a=-2 * std, b=2 * std)
            if isinstance(layer, nn.Linear) and _may_change(layer.bias):
                nn.init.zeros_(layer.bias)


def _may_change(parameter: Tensor | None) -> bool:
    return parameter is not None and not getattr(parameter, KEEP_INITIAL_VALUE, False)


@torch.no_grad()
def zero_out_projections(module: nn.Module) -> int:
    """Zero the output projection of every mixer that holds a scan: residual blocks start as the identity.

    Returns:
        How many projections were zeroed.
    """
    mixers = [m for m in module.modules() if hasattr(m, "A_log") or hasattr(m, "A_logs")]
    projections = [p for m in mixers for name, p in m.named_children() if name in ("out_proj", "out_proj_b")]
    for projection in projections:
        for parameter in projection.parameters():
            parameter.zero_()
    return len(projections)
