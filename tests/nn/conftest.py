"""The same random numbers in every test, and a way to see errors that the shape checks would hide."""

import jaxtyping
import pytest
import torch


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.fixture
def without_shape_checks():
    """Wrong arguments must be refused in words by the package itself."""
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
