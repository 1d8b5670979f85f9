"""When compiled kernels may be called, and when without PyTorch's dispatcher."""

from importlib.util import find_spec

import torch
from torch import Tensor

HAS_NUMBA = find_spec("numba") is not None

_is_compiling, _modes = torch.compiler.is_compiling, torch._C._len_torch_dispatch_stack
_transforms = torch._C._functorch.peek_interpreter_stack  # pyright: ignore[reportAttributeAccessIssue]


def may_pass_the_dispatcher(x: Tensor) -> bool:
    """True where nobody watches operators: no tracing, no transforms, no modes, no tensor subclass.

    On small inputs the dispatcher takes as long as the kernel.
    """
    return (
        (type(x) is Tensor or type(x) is torch.nn.Parameter)
        and not _is_compiling()
        and not _modes()
        and _transforms() is None
    )
