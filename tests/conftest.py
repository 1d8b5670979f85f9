"""What every test needs: one torch thread, and shape checks on the modules that state their shapes."""

import os
import sys
from types import ModuleType

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest
from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

# Kernels (numba) and torch operators are left out: the hook breaks @njit functions and custom_op schemas.
SHAPE_CHECKED = ["wayscan.nn"]

if os.environ.get("WAYSCAN_SHAPE_CHECKS", "1") == "1":
    checker = ModuleType("wayscan_shape_checker")  # the hook wants its checker by name
    checker.check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # an int is a float
    sys.modules[checker.__name__] = checker
    install_import_hook(SHAPE_CHECKED, f"{checker.__name__}.check")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> None:
    import torch

    torch.set_num_threads(1)
