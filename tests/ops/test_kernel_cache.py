"""Compiled kernels are found again, shared by processes that start together, and never trusted when stale."""

import os
import subprocess
import sys

import pytest

from wayscan.ops import kernel_cache
from wayscan.ops.depthwise_conv import KERNELS as CONVOLUTION_KERNELS
from wayscan.ops.kernel_cache import KernelSet
from wayscan.ops.selective_scan.kernels import KERNELS as SCAN_KERNELS
from wayscan.world.kernels import KERNELS as WORLD_KERNELS

SCAN = """
import torch
from wayscan import selective_scan
u, A, B = torch.ones(1, 2, 3), -torch.ones(2, 1), torch.ones(1, 1, 3)
print(selective_scan(u, u, A, B, B, backend="cpu").sum().item())
"""


def start(cache, code=SCAN, **environment):
    variables = {**os.environ, "WAYSCAN_CACHE": str(cache), "OMP_NUM_THREADS": "1", **environment}
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", code],
        env=variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def finish(process):
    out, error = process.communicate(timeout=300)
    assert process.returncode == 0, error.decode()
    return out.decode().strip()


@pytest.mark.slow
def test_processes_that_start_together_compile_once(tmp_path):
    results = {finish(process) for process in [start(tmp_path) for _ in range(4)]}
    assert len(results) == 1
    (folder,) = tmp_path.glob("kernels-*")
    compiled = {file: file.stat().st_mtime_ns for file in folder.rglob("*.nbc")}
    assert compiled
    finish(start(tmp_path))
    assert compiled == {file: file.stat().st_mtime_ns for file in folder.rglob("*.nbc")}


@pytest.mark.slow
def test_the_narrow_kernels_agree(tmp_path):
    """The same scan with AVX-512 masked off, and with nothing but the base instruction set."""
    check = """
import torch
from wayscan import selective_scan
from wayscan.ops import simd
random = torch.Generator().manual_seed(0)
make = lambda *shape: torch.randn(*shape, generator=random).requires_grad_()
u, delta, z, B, C = make(2, 21, 37), make(2, 21, 37), make(2, 21, 37), make(2, 5, 37), make(2, 5, 37)
A, D = (-torch.rand(21, 5, generator=random)).requires_grad_(), make(21)
inputs = (u, delta, A, B, C, D, z)
for backend in ("cpu", "reference"):
    exact = [x.double() for x in inputs] if backend == "reference" else inputs
    out = selective_scan(*exact, delta_softplus=True, backend=backend)
    found = [out.double(), *(g.double() for g in torch.autograd.grad(out.square().sum(), inputs))]
    if backend == "cpu":
        mine = found
for one, two in zip(mine, found):
    assert (one - two).abs().max() < 2e-6 * two.abs().max(), (one - two).abs().max() / two.abs().max()
print(simd.WIDTH)
"""
    features = {"16": None, "8": "+avx,+avx2,+fma,+bmi,+bmi2,+f16c", "4": "+sse4.2"}
    for width, named in features.items():
        environment = {} if named is None else {"NUMBA_CPU_NAME": "x86-64", "NUMBA_CPU_FEATURES": named}
        got = finish(start(tmp_path, check, **environment))
        assert named is None or got == width


@pytest.mark.parametrize("kernels", [SCAN_KERNELS, WORLD_KERNELS], ids=["scan", "world"])
def test_a_change_of_any_kernel_file_changes_the_folder(kernels, tmp_path, monkeypatch):
    before = kernels.fingerprint()
    for name in kernels.sources:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes((kernels.folder / name).read_bytes())
    monkeypatch.setattr(KernelSet, "folder", tmp_path)
    assert kernels.fingerprint() == before
    (tmp_path / kernels.sources[1]).write_text("# changed")
    assert kernels.fingerprint() != before


@pytest.mark.parametrize(
    ("sets", "room"), [((SCAN_KERNELS, CONVOLUTION_KERNELS), "."), ((WORLD_KERNELS,), "world")]
)
def test_every_kernel_source_is_in_a_fingerprint(sets, room):
    folder = sets[0].folder
    uses = {
        file.relative_to(folder).as_posix()
        for file in (folder / room).rglob("*.py")
        if "\nfrom numba" in file.read_text(encoding="utf-8")
    }
    assert uses
    assert uses <= {name for kernels in sets for name in kernels.sources}


def test_where_kernels_go(tmp_path, monkeypatch):
    monkeypatch.setenv("WAYSCAN_CACHE", str(tmp_path / "named"))
    assert kernel_cache.cache_root() == tmp_path / "named"
    monkeypatch.delenv("WAYSCAN_CACHE")
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    assert kernel_cache.cache_root() == tmp_path / "cache" / "wayscan"
    blocked = tmp_path / "file"
    blocked.write_text("not a folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert kernel_cache.cache_root().name.startswith("wayscan-")  # a temporary folder
