"""The store of frozen features and decoded frames."""

import multiprocessing
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wayscan.data.cache import ArrayCache, cache_key
from wayscan.data.runs.provenance import hash_file


def tokens(seed: int, size: int = 1000) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"fine": rng.standard_normal(size).astype(np.float16), "box": rng.integers(0, 9, (2, 2))}


def test_what_is_stored_comes_back(tmp_path: Path):
    cache = ArrayCache(tmp_path, max_bytes=1_000_000)
    assert cache.get("a1") is None
    cache.put("a1", tokens(1))
    for name, array in tokens(1).items():
        np.testing.assert_array_equal(cache.get("a1")[name], array)
        assert cache.get("a1")[name].dtype == array.dtype
    assert "a1" in cache
    assert len(cache) == 1


def test_made_once(tmp_path: Path):
    cache, made = ArrayCache(tmp_path, max_bytes=1_000_000), []

    def make() -> dict[str, np.ndarray]:
        made.append(1)
        return tokens(2)

    first, second = cache.get_or_make("k", make), cache.get_or_make("k", make)
    np.testing.assert_array_equal(first["fine"], second["fine"])
    assert len(made) == 1


def test_the_key_follows_model_file_and_settings(tmp_path: Path):
    (tmp_path / "a.png").write_bytes(b"picture")
    (tmp_path / "b.png").write_bytes(b"picture")
    same = [
        cache_key("model", hash_file(tmp_path / name), size=384, pool="grid") for name in ("a.png", "b.png")
    ]
    assert same[0] == same[1]
    (tmp_path / "b.png").write_bytes(b"another picture")
    others = {
        cache_key("model", hash_file(tmp_path / "b.png"), size=384, pool="grid"),
        cache_key("other model", hash_file(tmp_path / "a.png"), size=384, pool="grid"),
        cache_key("model", hash_file(tmp_path / "a.png"), size=224, pool="grid"),
        cache_key("model" + hash_file(tmp_path / "a.png"), size=384, pool="grid"),
    }
    assert len(others - {same[0]}) == 4
    with pytest.raises(ValueError, match="expected hashes"):
        cache_key()


def test_damage_counts_as_absent(tmp_path: Path):
    cache = ArrayCache(tmp_path, max_bytes=1_000_000)
    cache.put("a1", tokens(1))
    (path,) = tmp_path.glob("*/*.safetensors")
    for content in (b"", path.read_bytes()[:-5], b"nonsense that is no header"):
        path.write_bytes(content)
        assert cache.get("a1") is None
        assert not path.exists()
        cache.put("a1", tokens(1))


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 3000), min_size=1, max_size=25), bound=st.integers(8000, 20000))
def test_never_larger_than_its_bound(tmp_path_factory: pytest.TempPathFactory, sizes: list[int], bound: int):
    cache = ArrayCache(tmp_path_factory.mktemp("cache"), max_bytes=bound)
    for number, size in enumerate(sizes):
        cache.put(f"k{number % 7}", tokens(number, size))
        assert cache.size() <= bound
        assert cache.get(f"k{number % 7}") is not None


def test_what_is_used_stays_and_what_is_not_goes(tmp_path: Path):
    cache = ArrayCache(tmp_path, max_bytes=12_000)  # five entries of about 2,200 bytes
    for number in range(5):
        cache.put(f"k{number}", tokens(number))
        path = next(tmp_path.glob(f"*/k{number}.safetensors"))
        os.utime(path, (number, number))
    assert cache.get("k0") is not None
    cache.put("new", tokens(9))
    assert "k0" in cache
    assert "k1" not in cache


def test_an_entry_above_the_bound_is_refused(tmp_path: Path):
    with pytest.raises(ValueError, match="raise max_bytes"):
        ArrayCache(tmp_path, max_bytes=1000).put("k", tokens(1))
    with pytest.raises(ValueError, match="above 0"):
        ArrayCache(tmp_path, max_bytes=0)
    with pytest.raises(ValueError, match="letters and digits"):
        ArrayCache(tmp_path, max_bytes=10).get("../k")


def test_clear_empties_it(tmp_path: Path):
    cache = ArrayCache(tmp_path, max_bytes=1_000_000)
    cache.put("a1", tokens(1))
    cache.clear()
    assert cache.size() == len(cache) == 0


def busy(folder: Path, seed: int) -> None:
    cache = ArrayCache(folder, max_bytes=15_000)
    rng = np.random.default_rng(seed)
    for number in rng.integers(0, 12, 60):
        found = cache.get_or_make(f"k{number}", lambda number=number: tokens(int(number)))
        assert (found["fine"] == tokens(int(number))["fine"]).all()
        assert cache.size() <= 15_000


def test_processes_share_it(tmp_path: Path):
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(busy, [(tmp_path, 0), (tmp_path, 1)])
    assert 0 < ArrayCache(tmp_path, max_bytes=15_000).size() <= 15_000
    assert not list(tmp_path.glob("**/*.tmp"))
