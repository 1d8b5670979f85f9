"""AdamW with named groups, the course of the learning rate, clipping."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from wayscan.nn.initialise import NO_WEIGHT_DECAY
from wayscan.train.config import OptimConfig
from wayscan.train.modules import matching

# State-space parameters and their likes: decay would pull time constants to 1 and skips to 0.
_UNDECAYED_NAMES = ("A_log", "A_logs", "A_b_log", "D", "Ds", "D_b", "bias")


def parameter_groups(model: nn.Module, config: OptimConfig) -> list[dict[str, Any]]:
    """Split what learns by rate (backbone, head) and by decay; each group has a `name`.

    Undecayed are norms, biases (dt's among them), A_log, D, and parameters with a true `_no_weight_decay`.
    """
    backbone = tuple(f"{name}." for name in matching(model, config.backbone, "optim.backbone"))
    norms = {
        id(parameter)
        for module in model.modules()
        if _is_norm(module)
        for parameter in module.parameters(False)
    }
    groups: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        _check_full_precision(name, parameter)
        part = "backbone" if backbone and name.startswith(backbone) else "head"
        decayed = id(parameter) not in norms and not _is_undecayed(name, parameter)
        groups.setdefault(part if decayed else f"{part}_undecayed", []).append(parameter)
    if not groups:
        raise ValueError("the model has no parameter that learns; expected at least one: freeze less")
    rates = {"backbone": config.backbone_learning_rate, "head": config.learning_rate}
    return [
        {
            "name": name,
            "params": parameters,
            "lr": rates[name.removesuffix("_undecayed")],
            "peak_lr": rates[name.removesuffix("_undecayed")],
            "weight_decay": 0.0 if name.endswith("_undecayed") else config.weight_decay,
        }
        for name, parameters in sorted(groups.items())
    ]


def adamw(model: nn.Module, config: OptimConfig) -> torch.optim.AdamW:
    groups = parameter_groups(model, config)
    fused = all(parameter.device.type in ("cpu", "cuda") for group in groups for parameter in group["params"])
    return torch.optim.AdamW(groups, betas=config.betas, eps=config.epsilon, fused=fused)


def learning_rate_factor(step: int, steps: int, config: OptimConfig) -> float:
    """The share of the peak rate at `step` (1 is the first, `steps` the last).

    >>> config = OptimConfig(warmup_steps=2)
    >>> [round(learning_rate_factor(step, 6, config), 3) for step in range(1, 7)]
    [0.5, 1.0, 0.905, 0.655, 0.345, 0.095]
    """
    if step < config.warmup_steps:
        return step / config.warmup_steps
    if config.schedule == "constant":
        return 1.0
    top = max(1, config.warmup_steps)
    done = min(1.0, (step - top) / max(1, steps - top + 1))  # + 1: the last step, too, shall move the weights
    return config.final_rate_share + (1 - config.final_rate_share) * 0.5 * (1 + math.cos(math.pi * done))


def set_rates(optimiser: torch.optim.Optimizer, factor: float) -> dict[str, float]:
    """Set each group's rate to this share of its peak; return the rates of backbone and head."""
    rates = {}
    for group in optimiser.param_groups:
        group["lr"] = group["peak_lr"] * factor
        rates[group["name"].removesuffix("_undecayed")] = group["lr"]
    return rates


class ClipGroup(NamedTuple):
    """Parameters whose gradients are clipped together."""

    name: str
    parameters: list[nn.Parameter]


def clip_groups(model: nn.Module, patterns: Sequence[str]) -> list[ClipGroup]:
    """One group for each module that fits (in the order of `patterns`), and one for the rest."""
    taken: set[int] = set()
    groups = []
    for name, module in matching(model, patterns, "optim.clip_modules").items():
        own = [
            parameter
            for parameter in module.parameters()
            if parameter.requires_grad and id(parameter) not in taken
        ]
        taken |= {id(parameter) for parameter in own}
        if own:
            groups.append(ClipGroup(name, own))
    rest = [
        parameter
        for parameter in model.parameters()
        if parameter.requires_grad and id(parameter) not in taken
    ]
    return [*groups, ClipGroup("rest" if groups else "model", rest)] if rest else groups


def gradient_norms(groups: Sequence[ClipGroup]) -> Tensor:
    """The norm of each group's gradient: (groups,)."""
    return torch.stack([_norm([p.grad for p in group.parameters if p.grad is not None]) for group in groups])


def clip(groups: Sequence[ClipGroup], norms: Sequence[float], longest: float | None) -> float:
    """Shorten each group's gradient to `longest`; return the share of groups that needed it."""
    if longest is None:
        return 0.0
    clipped = 0
    for group, norm in zip(groups, norms, strict=True):
        if norm > longest:
            clipped += 1
            gradients = [parameter.grad for parameter in group.parameters if parameter.grad is not None]
            torch._foreach_mul_(gradients, longest / (norm + 1e-6))  # type: ignore[attr-defined]
    return clipped / len(groups)


def _norm(gradients: list[Tensor]) -> Tensor:
    if not gradients:
        return torch.zeros(())
    norms = torch._foreach_norm(gradients)  # type: ignore[attr-defined]
    return torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device).float() for norm in norms]))


def _is_norm(module: nn.Module) -> bool:
    return "Norm" in type(module).__name__


def _is_undecayed(name: str, parameter: nn.Parameter) -> bool:
    last = name.rpartition(".")[2]
    # By name, too, for copies of a parameter lose the attribute.
    return last in _UNDECAYED_NAMES or last.endswith("_bias") or getattr(parameter, NO_WEIGHT_DECAY, False)


def _check_full_precision(name: str, parameter: nn.Parameter) -> None:
    if parameter.dtype in (torch.float16, torch.bfloat16):
        raise ValueError(
            f"parameter {name} learns in {parameter.dtype}; expected float32, or small updates are rounded "
            "away: call model.float() (precision='bf16' still computes in bfloat16), or freeze it"
        )
