"""Fixtures for all tests."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from tests.redis_server import RedisServer, SentinelSite, make_user, redis_cluster, redis_server, sentinel_site

pytest.register_assert_rewrite("typedtasks.testing")  # where the conformance suite fails, both sides are shown


@pytest.fixture(autouse=True)
def _log_as_before() -> Iterator[None]:
    """A command that a test runs in this process sets up its log, on a stream that is closed afterwards."""
    loggers = [logging.getLogger(), logging.getLogger("typedtasks")]
    before = [(logger.level, logger.handlers[:], logger.propagate) for logger in loggers]
    yield
    for logger, (level, handlers, propagates) in zip(loggers, before, strict=True):
        logger.setLevel(level)
        logger.handlers[:] = [one for one in logger.handlers if one in handlers or not hasattr(one, "stream")]
        logger.propagate = propagates
    logging.captureWarnings(False)


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """The URL of a Redis that this test run started; a test that wants it empty flushes it.

    It has the user, too, that `typedtasks redis acl` makes.
    """
    with redis_server() as server:
        make_user(server)
        yield server.url


@pytest.fixture(scope="session")
def sentinels() -> Iterator[SentinelSite]:
    """A primary, a replica and one Sentinel that this test run started, with the user that `typedtasks redis acl` makes."""
    with sentinel_site() as site:
        for server in (site.primary, site.replica):
            make_user(server)
        yield site


@pytest.fixture(scope="session")
def cluster() -> Iterator[list[RedisServer]]:
    """The three nodes of a cluster that this test run started, with the user that `typedtasks redis acl` makes."""
    with redis_cluster() as nodes:
        for node in nodes:
            make_user(node)
        yield nodes
