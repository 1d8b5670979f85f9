"""The safetensors layout, written here and read by its own library."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import load, save_file

from wayscan.data.tensor_file import RawTensor, read_header, write_tensors

KINDS = {
    "F32": np.float32,
    "F16": np.float16,
    "I64": np.int64,
    "U8": np.uint8,
    "BOOL": np.bool_,
    "F64": np.float64,
}


@given(
    st.lists(st.tuples(st.sampled_from(sorted(KINDS)), st.lists(st.integers(0, 3), max_size=3)), max_size=5)
)
def test_the_library_reads_what_is_written(tmp_path_factory: pytest.TempPathFactory, described):
    path = tmp_path_factory.mktemp("tensors") / "a.safetensors"
    rng = np.random.default_rng(0)
    arrays = {
        f"{n}": rng.integers(0, 2, shape).astype(KINDS[kind]) for n, (kind, shape) in enumerate(described)
    }
    raw = {
        name: RawTensor(
            described[int(name)][0],
            array.shape,
            memoryview(array.reshape(-1)).cast("B") if array.size else b"",
        )
        for name, array in arrays.items()
    }
    size = write_tensors(path, raw, {"step": "3"})
    assert size == path.stat().st_size
    header = read_header(path)
    assert header.metadata == {"step": "3"}
    assert header.tensors == {name: (described[int(name)][0], array.shape) for name, array in arrays.items()}
    for name, array in load(path.read_bytes()).items():
        np.testing.assert_array_equal(array, arrays[name])


def test_foreign_safetensors_files_have_headers_too(tmp_path: Path):
    save_file({"w": np.zeros((2, 3), np.float32)}, tmp_path / "b.safetensors")
    assert read_header(tmp_path / "b.safetensors").tensors == {"w": ("F32", (2, 3))}


def test_every_truncation_is_noticed(tmp_path: Path):
    whole = tmp_path / "whole"
    write_tensors(whole, {"w": RawTensor("F32", (4,), np.ones(4, np.float32).tobytes())}, {})
    content = whole.read_bytes()
    for length in range(len(content)):
        (tmp_path / "cut").write_bytes(content[:length])
        with pytest.raises(ValueError, match="cut"):
            read_header(tmp_path / "cut")


@pytest.mark.parametrize(
    "content", [b"\x08" + bytes(7) + b"not json", b"\x04" + bytes(7) + b"[1] ", bytes(100)]
)
def test_other_files_are_refused(tmp_path: Path, content: bytes):
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ValueError, match="safetensors"):
        read_header(tmp_path / "x")
