"""The selective scan on NVIDIA GPUs, in Triton; float32.

One program walks one block of channels of one batch element through time with its states in registers, and
exchanges nothing with the others. A block is laid out so that Triton's default layout of an (H, N, W) tensor
serves both sums that the scan needs: over the state for y, and over the channels for the gradients of B and C.

    a tile: STEPS steps of u, Δ, z, y       (H, W, STEPS)    H·W channels of one group
    one step of them                        (H, W)
    states, decays exp(Δ A)                 (H, N, W)        N a power of two, padded with zeros
    one step of B, C                        (N,)

Tiles are read and written whole, so that memory traffic is coalesced whether time or channels are innermost.
The backward pass keeps the states before every CHUNK steps; it recomputes the ones before each tile of a chunk
into scratch memory, and those within a tile into registers. Sums over programs go through partial sums and never
through atomics: equal inputs give equal bits.
"""

from typing import NamedTuple

import torch
import triton
import triton.language as tl
from torch import Tensor

CHUNK = 32
STEPS = tl.constexpr(4)
LOG2E = tl.constexpr(1.4426950408889634)
LN2 = tl.constexpr(0.6931471805599453)

# Fewer programs than this leave a GPU's processors idle: blocks shrink until there are as many.
ENOUGH_PROGRAMS = 1024
WARP = 32
STATES_PER_WARP = 512


class Sequence(NamedTuple):
    """A (B, D, L) tensor and its strides."""

    address: Tensor
    batch: int
    channel: int
    time: int


class Grouped(NamedTuple):
    """A (B, G, N, L) tensor and its strides."""

    address: Tensor
    batch: int
    group: int
    state: int
    time: int


class States(NamedTuple):
    """A (B, moments, D, N) tensor and its strides."""

    address: Tensor
    batch: int
    moment: int
    channel: int
    state: int


class Sizes(NamedTuple):
    groups: int
    per_group: int
    length: int
    state: int


def checkpoint_shape(batch: int, channels: int, length: int, state: int, groups: int) -> tuple[int, ...]:
    """Shape of the states before each chunk, channels innermost."""
    return (batch, (length + CHUNK - 1) // CHUNK, state, channels)


def forward(
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
    delta_softplus: bool,
    save: bool,
) -> tuple[Tensor, Tensor, Tensor]:
    """Scan a whole sequence.

    Args:
        u, delta, z: (B, D, L). A: (D, N). B, C: (B, G, N, L). D, delta_bias: (D,).
        initial_state: (B, D, N), zeros if absent.
        save: keep the checkpoints that `backward` needs.

    Returns:
        out (B, D, L), laid out as u; the last state (B, D, N); the checkpoints, empty unless `save`.
    """
    batch, channels, length = u.shape
    groups, state = B.shape[1:3]
    out = torch.empty_like(u)
    last_state = u.new_empty(batch, channels, state)
    checkpoints = u.new_empty(checkpoint_shape(batch, channels, length, state, groups) if save else 0)
    block = _block(batch, groups, channels // groups, state)
    with torch.cuda.device_of(u):
        _forward_kernel[(batch * groups * block.number,)](
            _sequence(u),
            _sequence(delta),
            _sequence(z),
            _sequence(out),
            _grouped(B),
            _grouped(C),
            _states(A.expand(batch, -1, -1)),
            _states(initial_state),
            _states(last_state),
            _moments(checkpoints) if save else None,
            _dense(D),
            _dense(delta_bias),
            Sizes(groups, channels // groups, length, state),
            SOFTPLUS=delta_softplus,
            CHUNK=CHUNK,
            **block.options,
        )
    return out, last_state, checkpoints


def backward(
    grad_out: Tensor,
    grad_last: Tensor,
    u: Tensor,
    delta: Tensor,
    A: Tensor,
    B: Tensor,
    C: Tensor,
    D: Tensor | None,
    z: Tensor | None,
    delta_bias: Tensor | None,
    initial_state: Tensor | None,
    checkpoints: Tensor,
    delta_softplus: bool,
) -> tuple[Tensor, ...]:
    """Differentiate `forward`.

    Args:
        grad_out: (B, D, L). grad_last: (B, D, N). The others: as `forward` took and returned them.

    Returns:
        The gradients of u, delta, A, B, C, D, z, delta_bias and initial_state, in the shapes of these; an
        empty tensor for an absent argument.
    """
    batch, channels, length = u.shape
    groups, state = B.shape[1:3]
    block = _block(batch, groups, channels // groups, state)
    du, ddelta = torch.empty_like(u), torch.empty_like(delta)
    dz = u.new_empty(0) if z is None else torch.empty_like(z)
    dinitial_state = torch.empty_like(grad_last)
    # Partial sums, for the host to finish in a fixed order.
    dA = u.new_empty(batch, channels, state)
    dD, ddelta_bias = u.new_empty(2, batch, channels)
    dB, dC = u.new_empty(
        2, block.number, batch, groups, triton.cdiv(length, STEPS.value) * STEPS.value, state
    )
    scratch = u.new_empty(batch, CHUNK // STEPS.value, state, channels)
    with torch.cuda.device_of(u):
        _backward_kernel[(batch * groups * block.number,)](
            _sequence(grad_out),
            _states(grad_last),
            _sequence(u),
            _sequence(delta),
            _sequence(z),
            _grouped(B),
            _grouped(C),
            _states(A.expand(batch, -1, -1)),
            _moments(checkpoints),
            _dense(D),
            _dense(delta_bias),
            _sequence(du),
            _sequence(ddelta),
            _sequence(dz if z is not None else None),
            dB,
            dC,
            _states(dA),
            _states(dinitial_state),
            dD,
            ddelta_bias,
            _moments(scratch),
            Sizes(groups, channels // groups, length, state),
            SOFTPLUS=delta_softplus,
            CHUNK=CHUNK,
            **block.options,
        )
    return (
        du,
        ddelta,
        dA.sum(0),
        dB.sum(0)[:, :, :length].mT.contiguous(),
        dC.sum(0)[:, :, :length].mT.contiguous(),
        u.new_empty(0) if D is None else dD.sum(0),
        dz,
        u.new_empty(0) if delta_bias is None else ddelta_bias.sum(0),
        u.new_empty(0) if initial_state is None else dinitial_state,
    )


class _Block(NamedTuple):
    """How the channels of a group are cut, and what the kernels are compiled with."""

    number: int
    options: dict[str, int]


def _block(batch: int, groups: int, per_group: int, state: int) -> _Block:
    N = triton.next_power_of_2(state)
    W = max(WARP // N, 8)
    H = max(1, min(STATES_PER_WARP // (N * W), 4))
    while H > 1 and (
        H * W >= 2 * per_group or batch * groups * triton.cdiv(per_group, H * W) < ENOUGH_PROGRAMS
    ):
        H //= 2
    warps = max(1, H * N * W // STATES_PER_WARP)
    return _Block(triton.cdiv(per_group, H * W), {"H": H, "N": N, "W": W, "num_warps": warps})


def _sequence(x: Tensor | None) -> Sequence | None:
    return None if x is None else Sequence(x, *x.stride())


def _grouped(x: Tensor) -> Grouped:
    return Grouped(x, *x.stride())


def _states(x: Tensor | None) -> States | None:
    """From (B, D, N)."""
    return None if x is None else States(x, x.stride(0), 0, x.stride(1), x.stride(2))


def _moments(x: Tensor) -> States:
    """From (B, moments, N, D)."""
    return States(x, x.stride(0), x.stride(1), x.stride(3), x.stride(2))


def _dense(x: Tensor | None) -> Tensor | None:
    return None if x is None else x.contiguous()


# ---- what both kernels do -------------------------------------------------------------------------------


@triton.jit
def _place(sizes, H: tl.constexpr, W: tl.constexpr):
    """The number of this program's block, its batch element, its group, and its channels (H, W)."""
    block_channels: tl.constexpr = H * W
    blocks = tl.cdiv(sizes.per_group, block_channels)
    program = tl.program_id(0)
    block = program % blocks
    group = program // blocks % sizes.groups
    batch = (program // blocks // sizes.groups).to(tl.int64)
    inside = block * block_channels + tl.arange(0, H)[:, None] * W + tl.arange(0, W)[None, :]
    return block, batch, group, group * sizes.per_group + inside, inside < sizes.per_group


@triton.jit
def _tile(x, batch, channel, time):
    """Pointers (H, W, STEPS)."""
    return x.address + batch * x.batch + (channel[:, :, None] * x.channel + time[None, None, :] * x.time)


@triton.jit
def _state_block(x, batch, moment, group, block, sizes, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    """Pointers to the states of a block and whether they exist: flat, (H·N·W,).

    A flat access without contiguity has but one layout, neighbours on neighbouring lanes, and this is the
    default layout of an (H, N, W) tensor too: states never move between threads.
    """
    i = tl.arange(0, H * N * W)
    n = i // W % N
    inside = block * (H * W) + i // (N * W) * W + i % W
    channel = group * sizes.per_group + inside
    pointers = x.address + batch * x.batch + moment * x.moment + (channel * x.channel + n * x.state)
    return tl.max_contiguous(pointers, [1]), (inside < sizes.per_group) & (n < sizes.state)


@triton.jit
def _load_states(x, batch, moment, group, block, sizes, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr):
    pointers, exists = _state_block(x, batch, moment, group, block, sizes, H, N, W)
    return tl.reshape(tl.load(pointers, exists, 0.0), (H, N, W))


@triton.jit
def _store_states(
    x, batch, moment, group, block, sizes, h, H: tl.constexpr, N: tl.constexpr, W: tl.constexpr
):
    pointers, exists = _state_block(x, batch, moment, group, block, sizes, H, N, W)
    tl.store(pointers, tl.reshape(h, (H * N * W,)), exists)


@triton.jit
def _group_steps(x, batch, group, n, time, sizes, N: tl.constexpr):
    """The STEPS steps of a tile of B or C, each (N, 1)."""
    start = x.address + batch * x.batch + group * x.group
    pointers = start + (n[:, None, None] * x.state + time[None, None, :] * x.time)
    valid = (n < sizes.state)[:, None, None] & (time < sizes.length)[None, None, :]
    return _unstack(tl.load(pointers, valid, 0.0), N, 1)


@triton.jit
def _unstack(tile, H: tl.constexpr, W: tl.constexpr):
    """The STEPS steps of a tile, each (H, W)."""
    even, odd = tl.split(tl.reshape(tile, (H, W, 2, 2)))
    x0, x2 = tl.split(even)
    x1, x3 = tl.split(odd)
    return x0, x1, x2, x3


@triton.jit
def _stack(steps, H: tl.constexpr, W: tl.constexpr):
    """The inverse of `_unstack`."""
    even = tl.join(steps[0], steps[2])
    odd = tl.join(steps[1], steps[3])
    return tl.reshape(tl.join(even, odd), (H, W, STEPS))


@triton.jit
def _softplus(x):
    """log(1 + exp(x)) that keeps its digits where it vanishes: log1p(e) = 2 artanh(e / (2 + e))."""
    e = tl.exp(-tl.abs(x))
    s = e / (2 + e)
    q = s * s
    series = 1 + q * (1 / 3 + q * (1 / 5 + q * (1 / 7 + q * (1 / 9 + q * (1 / 11 + q * (1 / 13 + q / 15))))))
    return tl.maximum(x, 0.0) + 2 * s * series


@triton.jit
def _step_sizes(raw, valid, SOFTPLUS: tl.constexpr):
    """Δ (H, W, STEPS), zero past the end, where it leaves the state alone."""
    if SOFTPLUS:
        raw = _softplus(raw)
    return tl.where(valid, raw, 0.0)


@triton.jit
def _raw_delta(delta, bias, batch, channel, real, time, valid):
    raw = tl.load(_tile(delta, batch, channel, time), valid, 0.0)
    if bias is not None:
        raw += tl.load(bias + channel, real, 0.0)[:, :, None]
    return raw


@triton.jit
def _per_channel(x, channel, real):
    return tl.load(x + channel, real, 0.0)[:, :, None]


# ---- forward --------------------------------------------------------------------------------------------


@triton.jit
def _forward_kernel(
    u,
    delta,
    z,
    out,
    B,
    C,
    A,
    initial,
    last,
    checkpoints,
    D,
    bias,
    sizes,
    SOFTPLUS: tl.constexpr,
    CHUNK: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    block, batch, group, channel, real = _place(sizes, H, W)
    n = tl.arange(0, N)
    rates = _load_states(A, batch, 0, group, block, sizes, H, N, W) * LOG2E
    h = tl.zeros((H, N, W), tl.float32)
    if initial is not None:
        h = _load_states(initial, batch, 0, group, block, sizes, H, N, W)

    for chunk in range(tl.cdiv(sizes.length, CHUNK)):
        if checkpoints is not None:
            _store_states(checkpoints, batch, chunk, group, block, sizes, h, H, N, W)
        for start in range(chunk * CHUNK, min((chunk + 1) * CHUNK, sizes.length), STEPS):
            time = start + tl.arange(0, STEPS)
            valid = real[:, :, None] & (time < sizes.length)[None, None, :]
            u_tile = tl.load(_tile(u, batch, channel, time), valid, 0.0)
            raw = _raw_delta(delta, bias, batch, channel, real, time, valid)
            delta_tile = _step_sizes(raw, valid, SOFTPLUS)
            deltas = _unstack(delta_tile, H, W)
            inputs = _unstack(delta_tile * u_tile, H, W)
            Bs = _group_steps(B, batch, group, n, time, sizes, N)
            Cs = _group_steps(C, batch, group, n, time, sizes, N)
            outputs = ()
            for i in tl.static_range(STEPS):
                h = tl.exp2(deltas[i][:, None, :] * rates) * h + inputs[i][:, None, :] * Bs[i][None, :, :]
                outputs = outputs + (tl.sum(h * Cs[i][None, :, :], axis=1),)
            y = _stack(outputs, H, W)
            if D is not None:
                y += _per_channel(D, channel, real) * u_tile
            if z is not None:
                gate = tl.load(_tile(z, batch, channel, time), valid, 0.0)
                y *= gate * tl.sigmoid(gate)
            tl.store(_tile(out, batch, channel, time), y, valid)
    _store_states(last, batch, 0, group, block, sizes, h, H, N, W)


# ---- backward -------------------------------------------------------------------------------------------


@triton.jit
def _backward_kernel(
    grad_out,
    grad_last,
    u,
    delta,
    z,
    B,
    C,
    A,
    checkpoints,
    D,
    bias,
    du,
    ddelta,
    dz,
    dB,
    dC,
    dA,
    dinitial,
    dD,
    dbias,
    scratch,
    sizes,
    SOFTPLUS: tl.constexpr,
    CHUNK: tl.constexpr,
    H: tl.constexpr,
    N: tl.constexpr,
    W: tl.constexpr,
):
    block, batch, group, channel, real = _place(sizes, H, W)
    n = tl.arange(0, N)
    rates = _load_states(A, batch, 0, group, block, sizes, H, N, W) * LOG2E
    carried = _load_states(grad_last, batch, 0, group, block, sizes, H, N, W)
    rate_sum = tl.zeros((H, N, W), tl.float32)
    skip_sum = tl.zeros((H, W), tl.float32)
    bias_sum = tl.zeros((H, W), tl.float32)
    # Where this program's partial sums of dB and dC begin, (blocks, B, G, L, N) with room for whole tiles.
    batches = tl.num_programs(0) // (sizes.groups * tl.cdiv(sizes.per_group, H * W))
    steps = tl.cdiv(sizes.length, STEPS) * STEPS
    partial = ((block * batches + batch) * sizes.groups + group) * steps * sizes.state

    chunks = tl.cdiv(sizes.length, CHUNK)
    for later in range(chunks):
        chunk = chunks - 1 - later
        first = chunk * CHUNK
        tiles = tl.cdiv(min(CHUNK, sizes.length - first), STEPS)
        h = _load_states(checkpoints, batch, chunk, group, block, sizes, H, N, W)
        for tile in range(tiles):
            _store_states(scratch, batch, tile, group, block, sizes, h, H, N, W)
            start = first + tile * STEPS
            time = start + tl.arange(0, STEPS)
            valid = real[:, :, None] & (time < sizes.length)[None, None, :]
            u_tile = tl.load(_tile(u, batch, channel, time), valid, 0.0)
            raw = _raw_delta(delta, bias, batch, channel, real, time, valid)
            delta_tile = _step_sizes(raw, valid, SOFTPLUS)
            deltas = _unstack(delta_tile, H, W)
            inputs = _unstack(delta_tile * u_tile, H, W)
            Bs = _group_steps(B, batch, group, n, time, sizes, N)
            for i in tl.static_range(STEPS):
                h = tl.exp2(deltas[i][:, None, :] * rates) * h + inputs[i][:, None, :] * Bs[i][None, :, :]
        tl.debug_barrier()

        for later_tile in range(tiles):
            tile = tiles - 1 - later_tile
            start = first + tile * STEPS
            time = start + tl.arange(0, STEPS)
            valid = real[:, :, None] & (time < sizes.length)[None, None, :]
            u_tile = tl.load(_tile(u, batch, channel, time), valid, 0.0)
            raw = _raw_delta(delta, bias, batch, channel, real, time, valid)
            delta_tile = _step_sizes(raw, valid, SOFTPLUS)
            deltas = _unstack(delta_tile, H, W)
            inputs = _unstack(delta_tile * u_tile, H, W)
            Bs = _group_steps(B, batch, group, n, time, sizes, N)
            Cs = _group_steps(C, batch, group, n, time, sizes, N)

            h = _load_states(scratch, batch, tile, group, block, sizes, H, N, W)
            states = (h,)
            outputs = ()
            for i in tl.static_range(STEPS):
                h = tl.exp2(deltas[i][:, None, :] * rates) * h + inputs[i][:, None, :] * Bs[i][None, :, :]
                states = states + (h,)

            grad_y = tl.load(_tile(grad_out, batch, channel, time), valid, 0.0)
            if z is not None:
                for i in tl.static_range(STEPS):
                    outputs = outputs + (tl.sum(states[i + 1] * Cs[i][None, :, :], axis=1),)
                y = _stack(outputs, H, W)
                if D is not None:
                    y += _per_channel(D, channel, real) * u_tile
                gate = tl.load(_tile(z, batch, channel, time), valid, 0.0)
                slope = tl.sigmoid(gate)
                tl.store(
                    _tile(dz, batch, channel, time), grad_y * y * slope * (1 + gate * (1 - slope)), valid
                )
                grad_y *= gate * slope
            grads = _unstack(grad_y, H, W)

            grad_inputs = ()
            grad_exponents = ()
            for i in tl.static_range(STEPS - 1, -1, -1):
                here = partial + (start + i) * sizes.state + n
                grad_i = grads[i][:, None, :]
                tl.store(dC + here, tl.sum(tl.sum(states[i + 1] * grad_i, axis=0), axis=1), n < sizes.state)
                carried += grad_i * Cs[i][None, :, :]
                tl.store(
                    dB + here,
                    tl.sum(tl.sum(carried * inputs[i][:, None, :], axis=0), axis=1),
                    n < sizes.state,
                )
                grad_inputs = (tl.sum(carried * Bs[i][None, :, :], axis=1),) + grad_inputs
                carried *= tl.exp2(deltas[i][:, None, :] * rates)
                exponent = carried * states[i]
                rate_sum += exponent * deltas[i][:, None, :]
                grad_exponents = (tl.sum(exponent * rates, axis=1),) + grad_exponents

            grad_input = _stack(grad_inputs, H, W)
            grad_delta = _stack(grad_exponents, H, W) * LN2 + grad_input * u_tile
            if SOFTPLUS:
                grad_delta *= tl.sigmoid(raw)
            tl.store(_tile(ddelta, batch, channel, time), grad_delta, valid)
            bias_sum += tl.sum(tl.where(valid, grad_delta, 0.0), axis=2)
            grad_u = grad_input * delta_tile
            if D is not None:
                grad_u += grad_y * _per_channel(D, channel, real)
                skip_sum += tl.sum(grad_y * u_tile, axis=2)
            tl.store(_tile(du, batch, channel, time), grad_u, valid)
        tl.debug_barrier()

    _store_states(dinitial, batch, 0, group, block, sizes, carried, H, N, W)
    _store_states(dA, batch, 0, group, block, sizes, rate_sum, H, N, W)
    channels = sizes.groups * sizes.per_group
    tl.store(dD + batch * channels + channel, skip_sum, real)
    tl.store(dbias + batch * channels + channel, bias_sum, real)
