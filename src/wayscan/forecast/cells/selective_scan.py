"""The selective scan S6 as a loop over steps, and its backward pass.

u, Δ, y (L, B, E), A (N, E), B and C (L, B, N). The state of one step is (N, B, E): what is the same for all n
then runs over B · E numbers in one piece, and NumPy's cost per piece counts little.
"""

import numpy as np

from wayscan.forecast.cells.layer import Array, Scratch


def scan(u: Array, delta: Array, A: Array, B: Array, C: Array, scratch: Scratch) -> Array:
    """h_t = exp(Δ_t A) h_{t−1} + Δ_t B_t u_t, y_t = C_t h_t; states and decays stay in scratch."""
    L, batch, E = u.shape
    N = A.shape[0]
    decay, h = scratch("decay", L, N, batch, E), scratch("h", L + 1, N, batch, E)
    y, inflow = scratch("y", L, batch, E), scratch("inflow", N, batch, E)
    drive = np.multiply(delta, u, out=scratch("drive", L, batch, E))
    A_tiled = scratch("A_tiled", N, batch, E)
    A_tiled[...] = A[:, None, :]
    B_columns = B.transpose(0, 2, 1)[..., None]  # (L, N, B, 1)
    h[0] = 0
    for t in range(L):
        np.multiply(delta[t], A_tiled, out=decay[t])
        np.exp(decay[t], out=decay[t])
        np.multiply(decay[t], h[t], out=h[t + 1])
        h[t + 1] += np.multiply(B_columns[t], drive[t], out=inflow)
        np.matmul(C[t, :, None, :], h[t + 1].swapaxes(0, 1), out=y[t, :, None, :])
    return y


def scan_backward(
    dy: Array, du: Array, u: Array, delta: Array, A: Array, B: Array, C: Array, scratch: Scratch
) -> tuple[Array, Array, Array, Array]:
    """The gradients of Δ, A, B and C; that of u is added to `du`. Needs the scratch that `scan` has filled.

    Backwards in time, with g_t the gradient of h_t:

        g_t = C_t dy_t + exp(Δ_{t+1} A) g_{t+1}        dC_t = h_t dy_t
        d(Δ_t u_t) = B_t g_t                           dB_t = g_t Δ_t u_t
        q_t = g_t exp(Δ_t A) h_{t−1}                   dΔ_t = A q_t + u_t d(Δ_t u_t),  dA = Σ Δ_t q_t
    """
    L, batch, E = u.shape
    N = A.shape[0]
    decay, h = scratch("decay", L, N, batch, E), scratch("h", L + 1, N, batch, E)
    drive, d_drive = scratch("drive", L, batch, E), scratch("d_drive", L, batch, E)
    d_delta, A_tiled = scratch("d_delta", L, batch, E), scratch("A_tiled", N, batch, E)
    dB, dC = scratch("dB", L, batch, N), scratch("dC", L, batch, N)
    g, q = scratch("g", N, batch, E), scratch("q", N, batch, E)
    dA, dA_t = np.zeros((N, E), u.dtype), scratch("dA_t", N, E)
    C_columns = C.transpose(0, 2, 1)[..., None]
    g_by_sequence = g.swapaxes(0, 1)  # (B, N, E), for products
    g[...] = 0
    for t in reversed(range(L)):
        g += np.multiply(C_columns[t], dy[t], out=q)
        np.matmul(h[t + 1].swapaxes(0, 1), dy[t, :, :, None], out=dC[t, :, :, None])
        np.matmul(g_by_sequence, drive[t, :, :, None], out=dB[t, :, :, None])
        np.matmul(B[t, :, None, :], g_by_sequence, out=d_drive[t, :, None, :])
        g *= decay[t]
        np.multiply(g, h[t], out=q)
        np.einsum("nbe,nbe->be", q, A_tiled, out=d_delta[t])
        dA += np.einsum("nbe,be->ne", q, delta[t], out=dA_t)
    du += np.multiply(d_drive, delta, out=drive)
    d_delta += np.multiply(d_drive, u, out=drive)
    return d_delta, dA, dB, dC
