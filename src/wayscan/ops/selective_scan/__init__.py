"""The selective scan: one signature, several engines.

`selective_scan` runs a whole sequence, `selective_step` one step of it; both take the arguments of
`mamba_ssm`'s functions. The engine is chosen by device, or named by `backend=` or by the
environment variable WAYSCAN_SCAN:

    reference   plain and exact in float64; the definition
    fallback    pure torch, chunked, with its own backward pass; any device, float32 and float64
    cpu         explicit SIMD compiled by numba; float32
    triton      GPU
"""

from wayscan.lazy import lazy_names

__getattr__, __dir__ = lazy_names(
    __name__,
    {
        "selective_scan": ".choose",
        "selective_step": ".choose",
        "BACKENDS": ".choose",
    },
)
