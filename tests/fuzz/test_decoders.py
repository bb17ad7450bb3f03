"""Each decoder on some hundred hostile cases. `python -m tests.fuzz --cases 1000000` runs as many as you like."""

from __future__ import annotations

import pytest

from tests.fuzz.running import Target, fuzz
from tests.fuzz.targets import TARGETS


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name)
async def test_a_decoder_refuses_what_it_cannot_read_and_raises_nothing_else(target: Target) -> None:
    """And none of it takes more than a tenth of a second."""
    report = await fuzz(target, 0, 500)
    assert not report.failures, "\n".join(report.failures[:5])
