"""One process here; two are in tests/end_to_end/test_train_kill_resume.py."""

import pytest
import torch
from torch import nn

from wayscan.train.distributed import Processes, check_precision


def test_alone_everything_is_ones_own():
    processes = Processes(cpu=True)
    assert (processes.rank, processes.count, processes.is_main) == (0, 1, True)
    assert processes.device == torch.device("cpu")
    assert processes.gather({"a": 1}) == [{"a": 1}]
    assert processes.from_main(3) == 3
    assert processes.sum(torch.ones(2)).tolist() == [1.0, 1.0]
    module = nn.Linear(1, 1)
    assert processes.share_gradients(module, unused_parameters=False) is module
    with processes.last_piece(module, False):
        pass
    processes.wait()


def test_a_failure_of_the_main_process_is_raised():
    def fail() -> None:
        raise ValueError("folder")

    with pytest.raises(ValueError, match="folder"):
        Processes(cpu=True).on_main(fail)


def test_the_launcher_and_the_settings_must_agree(monkeypatch: pytest.MonkeyPatch):
    check_precision("bf16")
    monkeypatch.setenv("ACCELERATE_MIXED_PRECISION", "bf16")
    check_precision("bf16")
    with pytest.raises(ValueError, match="told to compute in bf16, but precision is 'fp32'"):
        check_precision("fp32")
