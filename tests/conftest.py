"""Fixtures for all tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.redis_server import redis_server


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis that this test run started; a test that wants it empty flushes it."""
    with redis_server() as server:
        yield server.url
