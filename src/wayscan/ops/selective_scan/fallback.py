"""The selective scan in plain PyTorch: any device, float32 and float64, with a backward pass of its own.

Time is cut into chunks and the batch into slabs, so that the states of one chunk of one slab stay near the
cache. Within a chunk everything but the recurrence is one large operation, and the recurrence is one
multiply-add per step. Only the state before each chunk is kept for the backward pass, which recomputes the
others: memory grows with L, never with L·N.

A chunk puts time first and channels last, so that every broadcast runs along contiguous memory:

    rows: u, Δ, z, y           (T, b, G, 1, R)    T steps, b batch elements, G groups of R channels
    columns: B, C              (T, b, G, N, 1)
    states, decays exp(Δ A)    (T, b, G, N, R)    one state: without the T
    A; D, the bias of Δ        (G, N, R); (G, 1, R)
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import silu, softplus

CHUNK = 32
# States in one chunk of a slab: a CPU's cache full; elsewhere few large operations beat many small ones.
CPU_STATES = 1 << 20
DEVICE_STATES = 1 << 24


def checkpoint_shape(batch: int, channels: int, length: int, state: int, groups: int) -> tuple[int, ...]:
    """Shape of the states before each chunk: (chunks, B, G, N, R)."""
    return ((length + CHUNK - 1) // CHUNK, batch, groups, state, channels // groups)


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
    keep_last: bool = True,
) -> tuple[Tensor, Tensor, Tensor]:
    """Scan a whole sequence.

    Args:
        u, delta, z: (B, D, L). A: (D, N). B, C: (B, G, N, L). D, delta_bias: (D,).
        initial_state: (B, D, N), zeros if absent.
        save: keep the checkpoints that `backward` needs.
        keep_last: return the last state, not an empty tensor in its place.

    Returns:
        out (B, D, L), laid out as u; the last state (B, D, N); the checkpoints, empty unless `save`.
    """
    batch, channels, length = u.shape
    groups, state = B.shape[1:3]
    out = torch.empty_like(u)
    last_state = u.new_empty(batch, channels, state)
    checkpoints = u.new_empty(checkpoint_shape(batch, channels, length, state, groups) if save else 0)
    if initial_state is None:
        initial_state = u.new_zeros(()).expand_as(last_state)

    scan = _Scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    for slab in scan.slabs():
        carried = scan.lay_out(initial_state[slab])
        for number, steps in enumerate(scan.chunks()):
            if save:
                checkpoints[number, slab] = carried
            chunk = _Chunk(scan, slab, steps)
            _, states = chunk.recur(carried)
            carried = states[-1]
            chunk.write_row(out, chunk.out(states))
        last_state[slab] = carried.mT.flatten(1, 2)
    return out, last_state if keep_last else u.new_empty(0), checkpoints


def backward(
    grad_out: Tensor,
    grad_last: Tensor | None,
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
        grad_out: (B, D, L). grad_last: (B, D, N), or None for zeros.
        The others: as `forward` took and returned them.

    Returns:
        The gradients of u, delta, A, B, C, D, z, delta_bias and initial_state, in the shapes of these; an
        empty tensor for an absent argument.
    """
    if grad_last is None:
        grad_last = u.new_zeros(u.shape[0], *A.shape)
    scan = _Scan(u, delta, A, B, C, D, z, delta_bias, delta_softplus)
    gradients = _Gradients(scan)
    dinitial_state = torch.empty_like(grad_last)
    for slab in scan.slabs():
        carried = scan.lay_out(grad_last[slab])
        for number, steps in reversed(list(enumerate(scan.chunks()))):
            chunk = _Chunk(scan, slab, steps)
            decays, states = chunk.recur(checkpoints[number, slab])
            grad_y = gradients.through_gate(chunk, states, chunk.read_row(grad_out))
            carried = gradients.through_states(chunk, decays, states, grad_y, carried)
        dinitial_state[slab] = carried.mT.flatten(1, 2)

    return (
        gradients.u,
        gradients.delta,
        gradients.A.mT.reshape_as(A),
        gradients.B,
        gradients.C,
        u.new_empty(0) if D is None else gradients.D.flatten(),
        gradients.z,
        u.new_empty(0) if delta_bias is None else gradients.delta_bias.flatten(),
        u.new_empty(0) if initial_state is None else dinitial_state,
    )


class _Scan:
    """The arguments of one scan, and the room in which its chunks work."""

    def __init__(
        self,
        u: Tensor,
        delta: Tensor,
        A: Tensor,
        B: Tensor,
        C: Tensor,
        D: Tensor | None,
        z: Tensor | None,
        delta_bias: Tensor | None,
        delta_softplus: bool,
    ) -> None:
        self.u, self.delta, self.B, self.C, self.z = u, delta, B, C, z
        self.delta_softplus = delta_softplus
        self.batch, self.length, self.groups = u.shape[0], u.shape[-1], B.shape[1]
        self.A = self.lay_out(A)
        self.A_log2 = self.A * math.log2(math.e)  # exp2 is 2.5 times as fast as exp on a CPU
        self.D, self.delta_bias = (None if x is None else x.view(self.groups, 1, -1) for x in (D, delta_bias))
        steps = min(CHUNK, self.length)
        affordable = CPU_STATES if u.device.type == "cpu" else DEVICE_STATES
        self.slab = max(1, min(self.batch, affordable // (steps * A.numel())))
        self._rooms = u.new_empty(3, (steps + 1) * self.slab * A.numel())

    def slabs(self) -> list[slice]:
        return _cut(self.batch, self.slab)

    def chunks(self) -> list[slice]:
        return _cut(self.length, CHUNK)

    def lay_out(self, per_channel: Tensor) -> Tensor:
        """(..., D, N) → (..., G, N, R)."""
        return per_channel.unflatten(-2, (self.groups, -1)).mT.contiguous()

    def room(self, number: int, steps: int, elements: int) -> Tensor:
        """Memory for states (T, b, G, N, R), the same for every chunk: fresh pages cost more than sums."""
        shape = (steps, elements, *self.A.shape)
        return self._rooms[number, : math.prod(shape)].view(shape)


class _Chunk:
    """Some steps of a slab, laid out."""

    def __init__(self, scan: _Scan, slab: slice, steps: slice) -> None:
        self.scan, self._window = scan, (slab, ..., steps)
        self.u = self.read_row(scan.u)
        self.raw_delta = self.read_row(scan.delta)
        if scan.delta_bias is not None:
            self.raw_delta = self.raw_delta + scan.delta_bias
        self.delta = softplus(self.raw_delta) if scan.delta_softplus else self.raw_delta
        self.B, self.C = self._read_column(scan.B), self._read_column(scan.C)
        self.z = None if scan.z is None else self.read_row(scan.z)

    def read_row(self, x: Tensor) -> Tensor:
        """(B, D, L) → (T, b, G, 1, R)."""
        return x[self._window].permute(2, 0, 1).contiguous().unflatten(-1, (self.scan.groups, 1, -1))

    def write_row(self, x: Tensor, row: Tensor) -> None:
        x[self._window] = row.flatten(2).permute(1, 2, 0)

    def _read_column(self, x: Tensor) -> Tensor:
        """(B, G, N, L) → (T, b, G, N, 1)."""
        return x[self._window].permute(3, 0, 1, 2).contiguous().unsqueeze(-1)

    def write_column(self, x: Tensor, column: Tensor) -> None:
        x[self._window] = column.squeeze(-1).permute(1, 2, 3, 0)

    def recur(self, before: Tensor) -> tuple[Tensor, Tensor]:
        """Return the decays, and the states with the one before the chunk first: (T + 1, b, G, N, R)."""
        length, elements = self.u.shape[:2]
        decays = torch.mul(self.delta, self.scan.A_log2, out=self.scan.room(0, length, elements)).exp2_()
        states = self.scan.room(1, length + 1, elements)
        states[0] = before
        torch.mul(self.delta * self.u, self.B, out=states[1:])
        state, *later = states.unbind()
        for decay, following in zip(decays.unbind(), later, strict=True):
            state = following.addcmul_(decay, state)
        return decays, states

    def recur_back(self, grad_y: Tensor, decays: Tensor, carried: Tensor) -> Tensor:
        """Return the gradients of the states, given the one that comes from after the chunk."""
        grads = torch.mul(grad_y, self.C, out=self.scan.room(2, *self.u.shape[:2]))
        grads[-1] += carried
        grad, *earlier = reversed(grads.unbind())
        for decay, previous in zip(reversed(decays[1:].unbind()), earlier, strict=True):
            grad = previous.addcmul_(decay, grad)
        return grads

    def y(self, states: Tensor) -> Tensor:
        """The output before the gate, from the states of `recur`."""
        y = self.C.mT @ states[1:]
        return y if self.scan.D is None else y.addcmul_(self.scan.D, self.u)

    def out(self, states: Tensor) -> Tensor:
        return self.y(states) if self.z is None else self.y(states) * silu(self.z)


class _Gradients:
    """The gradients of a scan's arguments, which the chunks fill in or add to."""

    def __init__(self, scan: _Scan) -> None:
        self.u, self.delta, self.B, self.C = (
            torch.empty_like(x) for x in (scan.u, scan.delta, scan.B, scan.C)
        )
        self.z = scan.u.new_empty(0) if scan.z is None else torch.empty_like(scan.z)
        self.A = torch.zeros_like(scan.A)
        self.D, self.delta_bias = (torch.zeros_like(scan.A[:, :1]) for _ in range(2))

    def through_gate(self, chunk: _Chunk, states: Tensor, grad_out: Tensor) -> Tensor:
        """Return the gradient of y."""
        z = chunk.z
        if z is None:
            return grad_out
        gate = torch.sigmoid(z)
        chunk.write_row(self.z, grad_out * chunk.y(states) * gate * (1 + z * (1 - gate)))
        return grad_out * z * gate

    def through_states(
        self, chunk: _Chunk, decays: Tensor, states: Tensor, grad_y: Tensor, carried: Tensor
    ) -> Tensor:
        """Take and return the gradient that runs back along the state: after the chunk, before it."""
        scan = chunk.scan
        chunk.write_column(self.C, states[1:] @ grad_y.mT)
        grad_states = chunk.recur_back(grad_y, decays, carried)
        chunk.write_column(self.B, grad_states @ (chunk.delta * chunk.u).mT)
        grad_input = chunk.B.mT @ grad_states  # of Δ u

        grad_exponent = grad_states.mul_(decays)
        carried = grad_exponent[0].clone()
        grad_exponent.mul_(states[:-1])
        room = decays  # not read again
        grad_delta = torch.mul(grad_exponent, scan.A, out=room).sum(-2, keepdim=True)
        grad_delta.addcmul_(grad_input, chunk.u)
        self.A += torch.mul(grad_exponent, chunk.delta, out=room).sum((0, 1))
        if scan.delta_softplus:
            grad_delta *= torch.sigmoid(chunk.raw_delta)
        chunk.write_row(self.delta, grad_delta)
        self.delta_bias += grad_delta.sum((0, 1))

        grad_u = grad_input * chunk.delta
        if scan.D is not None:
            grad_u.addcmul_(grad_y, scan.D)
            self.D += (grad_y * chunk.u).sum((0, 1))
        chunk.write_row(self.u, grad_u)
        return carried


def _cut(length: int, piece: int) -> list[slice]:
    return [slice(start, min(start + piece, length)) for start in range(0, length, piece)]
