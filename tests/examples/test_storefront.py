"""The second example: a service and another one that has nothing of it but the generated client."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.processes import ROOT, started

EXPECTED = """\
offers: Bread knife
Bought(order=UUID('1a0d9f9c-fa71-5b1a-9342-396360430a7e'), total=Decimal('98.80'))
there is no XX-999; look among knives and china
only 2 of TP-002 are left
not sent: Input should be less than or equal to 1000
2026-03-01 IC-003 27
"""
PROGRAM = """
import runpy, sys
runpy.run_module("examples.storefront", run_name="__main__")
assert not [name for name in sys.modules if name.startswith("examples.orders")]
"""


def test_a_service_is_used_through_its_generated_client_alone(tmp_path: Path) -> None:
    """Typed results, typed failures, and what the client refuses by itself; asynchronous and blocking."""
    settings = {"TYPEDTASKS_URL": f"sqlite:///{tmp_path}/tasks.db", "PYTHONPATH": f"{ROOT}:{ROOT / 'stubs'}"}
    with started("-m", "typedtasks", "worker", "examples.orders.tasks:broker", folder=tmp_path, **settings) as worker:
        command = [sys.executable, "-c", PROGRAM]
        done = subprocess.run(command, env=settings, capture_output=True, text=True, timeout=60, check=False)
        assert worker.stop() == 0
    assert done.stderr == ""
    assert done.stdout == EXPECTED
