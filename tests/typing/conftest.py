"""Fixtures of the tests of types."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.typing.plugin import Daemon


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    """A daemon that is stopped in the end."""
    daemon = Daemon(tmp_path)
    yield daemon
    daemon.stop()
