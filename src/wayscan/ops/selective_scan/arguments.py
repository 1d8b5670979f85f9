"""Arguments of the scan: what is accepted, and one form for all of it.

Every refusal is a ValueError that names the argument, what came and what was expected.
"""

import torch
from torch import Tensor


def canonical(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
) -> dict[str, Tensor | None]:
    """The arguments of a scan by name, with B and C as (B, G, N, L) of one G."""
    if u.ndim != 3 or not u.numel():
        _expect_rank("u", u, "(B, D, L)", 3)
    sequence, (batch, channels, _) = u.shape, u.shape
    if delta.shape != sequence:
        _expect("delta", delta, "(B, D, L)", sequence)
    if z is not None and z.shape != sequence:
        _expect("z", z, "(B, D, L)", sequence)
    states = _check_parameters(A, D, delta_bias, channels)
    if initial_state is not None and initial_state.shape != (batch, channels, states):
        _expect("initial_state", initial_state, "(B, D, N)", (batch, channels, states))
    B = _grouped("B", B, sequence, states, A.is_complex())
    C = _grouped("C", C, sequence, states, A.is_complex())
    if B.shape[1] != C.shape[1]:
        B, C = (x.repeat_interleave(channels // x.shape[1], dim=1) for x in (B, C))
    named = {"delta": delta, "A": A, "B": B, "C": C, "D": D, "z": z}
    named |= {"delta_bias": delta_bias, "initial_state": initial_state}
    _check_kinds(u, **named)
    return {"u": u, **named}


def canonical_step(
    state: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
) -> tuple[tuple[Tensor | None, ...], bool]:
    """The arguments of a step, B and C of one G, and whether all are float32 on the CPU.

    Quick: this runs once a frame, and microseconds count.
    """
    if u.ndim != 2 or not u.numel():
        _expect_rank("u", u, "(B, D)", 2)
    sequence, (batch, channels) = u.shape, u.shape
    states = _check_parameters(A, D, delta_bias, channels)
    if delta.shape != sequence:
        _expect("delta", delta, "(B, D)", (batch, channels))
    if z is not None and z.shape != sequence:
        _expect("z", z, "(B, D)", (batch, channels))
    if state.shape != (batch, channels, states):
        _expect("state", state, "(B, D, N)", (batch, channels, states))
    groups = _step_groups("B", B, batch, channels, states)
    if _step_groups("C", C, batch, channels, states) != groups:
        B, C = (_spread(x, channels) for x in (B, C))
    tensors = (state, u, delta, A, B, C, D, z, delta_bias)
    plain = _are_plain(tensors)
    if not plain:
        _check_kinds(u, state=state, delta=delta, A=A, B=B, C=C, D=D, z=z, delta_bias=delta_bias)
    return tensors, plain


def _step_groups(name: str, x: Tensor, batch: int, channels: int, states: int) -> int:
    if x.shape == (batch, states):
        return 1
    groups = x.shape[1] if x.shape[:1] + x.shape[2:] == (batch, states) else 0
    if groups < 1 or channels % groups:
        raise ValueError(
            f"{name}: expected (B, N) = {(batch, states)} or (B, G, N) with G a divisor of D = {channels}, "
            f"got {tuple(x.shape)}"
        )
    return groups


def _spread(x: Tensor, channels: int) -> Tensor:
    """(B, N) or (B, G, N) → (B, D, N)."""
    x = x.unsqueeze(1) if x.ndim == 2 else x
    return x.repeat_interleave(channels // x.shape[1], dim=1)


def check_finite(named: dict[str, Tensor | None]) -> None:
    """Refuse NaN and infinity, and say where the first one is."""
    for name, x in named.items():
        if x is None:
            continue
        wrong = (~torch.isfinite(x)).nonzero()
        if len(wrong):
            place = tuple(wrong[0].tolist())
            raise ValueError(
                f"{name}: expected finite numbers, got {x[place].item()} at index {list(place)} "
                f"({len(wrong)} of {x.numel()} are not finite)"
            )


def _check_parameters(A: Tensor, D: Tensor | None, delta_bias: Tensor | None, channels: int) -> int:
    """The number of states."""
    if A.ndim != 2 or not A.numel():
        _expect_rank("A", A, "(D, N)", 2)
    states = A.shape[1]
    if A.shape[0] != channels:
        _expect("A", A, "(D, N)", (channels, states))
    if D is not None and D.shape != (channels,):
        _expect("D", D, "(D,)", (channels,))
    if delta_bias is not None and delta_bias.shape != (channels,):
        _expect("delta_bias", delta_bias, "(D,)", (channels,))
    return states


def _expect_rank(name: str, x: Tensor, letters: str, rank: int) -> None:
    if x.ndim != rank:
        raise ValueError(f"{name}: expected {letters}, got {tuple(x.shape)}")
    for letter, size in zip(letters.strip("(),").split(", "), x.shape, strict=True):
        if size < 1:
            raise ValueError(f"{name}: expected {letters} with {letter} of at least 1, got {tuple(x.shape)}")


def _expect(name: str, x: Tensor | None, letters: str, shape: tuple[int, ...]) -> None:
    if x is not None and tuple(x.shape) != shape:
        raise ValueError(f"{name}: expected {letters} = {tuple(shape)}, got {tuple(x.shape)}")


def _grouped(name: str, x: Tensor, sequence: tuple[int, ...], states: int, is_complex: bool) -> Tensor:
    """B or C in any of its three forms → (B, G, N, L)."""
    batch, channels, length = sequence
    if x.shape == (batch, states, length):
        return x.unsqueeze(1)
    if x.shape == (channels, states):  # the same at every step: each channel its own group
        return x[None, :, :, None].expand(batch, channels, states, length)
    if is_complex and x.ndim in (3, 4) and not x.is_complex() and x.shape[-1] == 2 * length:
        x = torch.view_as_complex(x.float().unflatten(-1, (length, 2)))
        x = x.unsqueeze(1) if x.ndim == 3 else x
    groups = x.shape[1] if x.ndim == 4 and x.shape == (batch, x.shape[1], states, length) else 0
    if groups < 1 or channels % groups:
        raise ValueError(
            f"{name}: expected (B, N, L) = {(batch, states, length)}, (B, G, N, L) with G a divisor of "
            f"D = {channels}, or (D, N) = {(channels, states)}, got {tuple(x.shape)}"
        )
    return x


def _are_plain(tensors: tuple[Tensor | None, ...]) -> bool:
    """All float32 on the CPU."""
    for x in tensors:  # noqa: SIM110 (a generator would cost a microsecond)
        if x is not None and (x.dtype is not torch.float32 or not x.is_cpu):
            return False
    return True


def _check_kinds(u: Tensor, **others: Tensor | None) -> None:
    """One device; numbers with a fraction."""
    device, on_cpu = u.device, u.is_cpu
    for name, x in {"u": u, **others}.items():
        if x is None:
            continue
        if not (on_cpu and x.is_cpu) and x.device != device:  # the first costs a third of the second
            raise ValueError(f"{name}: expected to be on {device} as u is, got {x.device}; move it there")
        if x.dtype is not torch.float32 and not (x.is_floating_point() or x.is_complex()):
            raise ValueError(f"{name}: expected a floating-point tensor, got {x.dtype}")
