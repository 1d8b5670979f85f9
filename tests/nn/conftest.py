"""Wrong arguments must be refused in words by the package itself, not by the shape checks of the tests."""

import jaxtyping
import pytest


@pytest.fixture
def without_shape_checks():
    jaxtyping.config.update("jaxtyping_disable", True)
    yield
    jaxtyping.config.update("jaxtyping_disable", False)
