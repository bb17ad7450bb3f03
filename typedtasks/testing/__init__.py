"""The public conformance suite: whoever writes a backend runs it.

```python
class TestMyBackend(BackendConformance):
    @pytest.fixture
    async def harness(self) -> AsyncIterator[BackendHarness]:
        harness = BackendHarness(lambda: MyBackend(...), asyncio.sleep)
        yield harness
        await harness.close()
```

It needs pytest with pytest-asyncio in its automatic mode (`asyncio_mode = "auto"`).
"""

from typedtasks.testing.batches import BatchCases, FollowingCases
from typedtasks.testing.claiming import ClaimingCases, PublishingCases, TimeCases
from typedtasks.testing.deduplicating import DeduplicatingCases
from typedtasks.testing.fencing import FencingCases, ReleasingCases
from typedtasks.testing.harness import BackendHarness, Client, RecordingListener, WorkerSide
from typedtasks.testing.mending import LetterCases, PurgeCases, UnparkingCases, ViewCases
from typedtasks.testing.operating import OperatorCases
from typedtasks.testing.outcomes import CancellationCases, OutcomeCases, ParkingCases
from typedtasks.testing.parking import HandingOverCases
from typedtasks.testing.reporting import ReportingCases
from typedtasks.testing.sessions import SessionCases, TakeoverCases
from typedtasks.testing.settling import LeaseCases, RecoveryCases, SettlingCases
from typedtasks.testing.waking import WakingCases

__all__ = ["BackendConformance", "BackendHarness", "Client", "RecordingListener", "WorkerSide"]


class BackendConformance(
    PublishingCases,
    BatchCases,
    ClaimingCases,
    WakingCases,
    TimeCases,
    DeduplicatingCases,
    SettlingCases,
    ReportingCases,
    FencingCases,
    ReleasingCases,
    FollowingCases,
    SessionCases,
    LeaseCases,
    RecoveryCases,
    TakeoverCases,
    OutcomeCases,
    CancellationCases,
    ParkingCases,
    UnparkingCases,
    HandingOverCases,
    OperatorCases,
    LetterCases,
    PurgeCases,
    ViewCases,
):
    """All cases. A subclass whose name begins with `Test` gives a fixture `harness` that returns a `BackendHarness`."""
