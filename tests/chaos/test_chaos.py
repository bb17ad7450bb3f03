"""A small storm in every test run; `make chaos` runs the large ones."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.chaos.plan import ROLLING, Plan
from tests.chaos.storm import Storm

PLAN = Plan(tasks=6000, seconds=10, kills=3, hosts=1, pauses=1, redis_kills=1, poison=2, lease=2.0)

DEPLOY = replace(ROLLING, tasks=600, seconds=3, kills=0, hosts=0, pauses=0, redis_kills=0, poison=0, fleet=ROLLING.fleet[:4])


@pytest.mark.parametrize("store", ["redis", "sqlite"])
async def test_a_storm_loses_nothing_and_commits_nothing_twice(store: str, tmp_path: Path) -> None:
    """Workers killed, stopped beyond their lease, a machine and Redis gone, poison, two versions, batches sent twice."""
    storm = Storm(PLAN, 7, tmp_path, store=store)
    report = await storm.run()
    # At a tenth of the size the few deaths weigh ten times as much: that figure is for the large storms.
    failures = [failure for failure in report.failures() if "executions" not in failure]
    assert not failures, f"{report}\n{storm.output[-20_000:]}"


async def test_a_rolling_deploy_buries_no_innocent(tmp_path: Path) -> None:
    """One worker of the new version beside three of the old one, and every third call is one that only it can run."""
    storm = Storm(DEPLOY, 7, tmp_path, store="sqlite")
    report = await storm.run()
    failures = [failure for failure in report.failures() if "executions" not in failure]
    assert not failures, f"{report}\n{storm.output[-20_000:]}"
