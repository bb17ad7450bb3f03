"""Every test of the main job runs on memory, on SQLite and on Redis."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis import Redis

from tests.main_job.dependencies import events
from tests.main_job.stage import Stage, stage_for


@pytest.fixture(params=["memory", "sqlite", "redis"])
def stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """One of the three stores, empty."""
    kind = str(request.param)
    redis_url = ""
    if kind == "redis":
        redis_url = str(request.getfixturevalue("redis_url"))
        with Redis.from_url(redis_url) as redis:
            redis.flushall()
    return stage_for(kind, tmp_path, redis_url)


@pytest.fixture(params=["sqlite", "redis"])
def shared_stage(request: pytest.FixtureRequest, tmp_path: Path) -> Stage:
    """One of the two stores that processes can share, empty."""
    kind = str(request.param)
    redis_url = ""
    if kind == "redis":
        redis_url = str(request.getfixturevalue("redis_url"))
        with Redis.from_url(redis_url) as redis:
            redis.flushall()
    return stage_for(kind, tmp_path, redis_url)


@pytest.fixture
def no_events() -> None:
    """The dependencies that tests share have not written down anything yet."""
    events.clear()
