"""A store and an application that this process and its children share."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from tests.worker.test_processes import Site


@pytest.fixture(params=["sqlite", "redis"])
def site(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A store that this process and its children share, empty."""
    url = f"sqlite:///{tmp_path / 'tasks.db'}" if request.param == "sqlite" else str(request.getfixturevalue("redis_url"))
    if request.param == "redis":
        with Redis.from_url(url) as redis:
            redis.flushall()
    site = Site(url, tmp_path)
    monkeypatch.setenv("TYPEDTASKS_URL", url)
    monkeypatch.setenv("TEST_LOG", str(site.log))
    return site
