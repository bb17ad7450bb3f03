"""Random operations in random order: each backend keeps the same books as the model. `make chaos` runs many more."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.model.mutants import MUTANTS
from tests.model.running import check
from tests.model.stores import MemoryStore, RedisStore, SQLiteStore
from typedtasks.backends.memory import MemoryBackend


def test_memory() -> None:
    """On a clock that the machine moves."""
    done = check(MemoryStore, runs=120)
    assert min(done[kind] for kind in ("settled", "refused", "recovered", "lost session", "replayed")) > 10


def test_sqlite(tmp_path: Path) -> None:
    """On a file, and a clock that the machine moves."""
    check(lambda: SQLiteStore(tmp_path / "tasks.db"), runs=60)


def test_redis(redis_url: str) -> None:
    """On a server whose stored times are moved."""
    store = RedisStore(redis_url)
    try:
        check(lambda: store, runs=60)
    finally:
        store.close()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_a_backend_without_one_of_its_fences_is_found_out(mutant: type[MemoryBackend]) -> None:
    """Otherwise the machine would prove nothing."""
    with pytest.raises(BaseException, match=r".*"):  # whichever of its checks it is that fails
        check(lambda: MemoryStore(mutant), runs=300, shrink=False)
