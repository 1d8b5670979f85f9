"""Modules by name pattern: frozen, recomputed, hashed."""

import functools
import hashlib
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from wayscan.names import nearest


def matching(model: nn.Module, patterns: Sequence[str], argument: str) -> dict[str, nn.Module]:
    """The modules whose full names fit one of `patterns` ("encoder", "blocks.*", "*.norm")."""
    named = {name: module for name, module in model.named_modules() if name}
    found: dict[str, nn.Module] = {}
    for pattern in patterns:
        fitting = {name: module for name, module in named.items() if fnmatchcase(name, pattern)}
        if not fitting:
            raise ValueError(f"{argument}: no module is named {pattern!r}; {nearest(pattern, named)}")
        found |= fitting
    return found


def outermost(names: Iterable[str]) -> list[str]:
    """
    >>> outermost(["encoder", "encoder.norm", "head"])
    ['encoder', 'head']
    """
    kept: list[str] = []
    for name in sorted(names):
        if not any(name.startswith(f"{outer}.") for outer in kept):
            kept.append(name)
    return kept


class Frozen:
    """Modules that do not learn: no gradient, eval mode, and no place in checkpoints."""

    def __init__(self, model: nn.Module, patterns: Sequence[str]) -> None:
        found = matching(model, patterns, "frozen")
        self.names = outermost(found)
        self._modules = [found[name] for name in self.names]
        for module in self._modules:
            module.requires_grad_(False)

    def train(self, model: nn.Module) -> None:
        """Put `model` into training mode, but for what is frozen: no dropout, no running statistics there."""
        model.train()
        for module in self._modules:
            module.eval()

    def holds(self, name: str) -> bool:
        """Whether a parameter or buffer of this full name is frozen."""
        return any(name.startswith(f"{frozen}.") for frozen in self.names)

    def hashes(self) -> dict[str, str]:
        return {name: weights_hash(module) for name, module in zip(self.names, self._modules, strict=True)}


def recompute_activations(model: nn.Module, patterns: Sequence[str]) -> None:
    """Let the modules that fit compute their activations again in the backward pass, not keep them."""
    found = matching(model, patterns, "gradient_checkpointing")
    for name in outermost(found):
        module = found[name]
        module.forward = functools.partial(_recomputed, module, module.forward)  # type: ignore[method-assign]


def _recomputed(module: nn.Module, forward: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    if module.training and torch.is_grad_enabled():
        # Not reentrant: the reentrant kind trains nothing when no input needs a gradient.
        return checkpoint(forward, *args, use_reentrant=False, **kwargs)
    return forward(*args, **kwargs)


def running_statistics(model: nn.Module) -> list[Tensor]:
    """The buffers that a forward pass in training mode changes (those of batch and instance norms)."""
    kinds = (nn.modules.batchnorm._NormBase,)
    norms = [module for module in model.modules() if isinstance(module, kinds) and module.training]
    return [buffer for module in norms for buffer in module.buffers(recurse=False)]


def weights_hash(module: nn.Module) -> str:
    """A hash of all parameters and buffers with their names; the `model` part of a feature cache's keys."""
    digest = hashlib.blake2b(digest_size=16)
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name}\0{value.dtype}\0{tuple(value.shape)}\0".encode())
        digest.update(as_bytes(value))
    return digest.hexdigest()


def as_bytes(tensor: Tensor) -> memoryview:
    """The raw bytes of a tensor, without a copy when it is contiguous and on the CPU."""
    flat = tensor.detach().cpu().contiguous().reshape(-1)
    return memoryview(flat.view(torch.uint8).numpy()) if flat.numel() else memoryview(b"")  # type: ignore[arg-type]
