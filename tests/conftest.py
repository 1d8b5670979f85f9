"""What every test needs: one torch thread, and shape checks on the modules that state their shapes."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from jaxtyping import install_import_hook

# Kernels (numba) and torch operators are left out: the hook breaks @njit functions and custom_op schemas.
SHAPE_CHECKED = ["wayscan.nn"]

if os.environ.get("WAYSCAN_SHAPE_CHECKS", "1") == "1":
    install_import_hook(SHAPE_CHECKED, "beartype.beartype")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)
