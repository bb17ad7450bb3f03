"""Options that the library refuses."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

from typedtasks import Broker, Retry, TaskError
from typedtasks.options import EnqueueOptions

broker = Broker("memory://", result_ttl=timedelta(days=-1))  # E: typedtasks-duration
WEEK: Final = 7 * 24 * 3600
LARGE: Final = 10**400
TEXT: Final = "ab"
SHARED: EnqueueOptions = {"delay": 3}


class A(TaskError): ...


@broker.task(name="queue", queue="no such queue")  # E: typedtasks-option
async def no_queue() -> None: ...


@broker.task(name="point", queue="mails.low")  # E: typedtasks-option
async def point() -> None: ...


@broker.task(name="no number", timeout=5, soft_timeout=True)  # E: typedtasks-duration
async def no_number() -> None: ...


@broker.task(name="no count", retry=Retry(max_attempts=True, backoff=True))  # E: typedtasks-option typedtasks-duration
async def no_count() -> None: ...


@broker.task(name="for ever", timeout=10**400, retry=Retry(max_attempts=9**9**9, backoff=1 << 10**12))
async def for_ever() -> None: ...


@broker.task(name="large", timeout=LARGE, soft_timeout=+True, retry=Retry(factor=LARGE))  # E: typedtasks-duration typedtasks-option
async def large() -> None: ...


@broker.task(name="soft", timeout=10, soft_timeout=20)  # E: typedtasks-option
async def soft() -> None: ...


@broker.task(
    timeout=-1.5,  # E: typedtasks-duration
    result_ttl=WEEK * 10000,  # E: typedtasks-duration
    raises=(A, A),  # E: typedtasks-option
    retry=Retry(
        max_attempts=0,  # E: typedtasks-option
        backoff=-2,  # E: typedtasks-duration
        max_delay=timedelta(hours=-1),  # E: typedtasks-duration
        jitter=1.5,  # E: typedtasks-option
        on=(ValueError, ValueError),  # E: typedtasks-option
    ),
)
async def wrong() -> None: ...


@broker.task(
    name="right",
    timeout=timedelta(minutes=1) if WEEK else 2,
    result_ttl=WEEK,
    queue="mail-2",
    retry=Retry(max_attempts=5, backoff=0, jitter=0, factor=1, on=(ValueError, OSError)),
)
async def right() -> None: ...


async def use(now: datetime, key: str, seconds: float) -> None:
    right.options(delay=0, expires=60, timeout=WEEK, priority="high", queue="mails-low")
    right.options(delay=1, queue="mails.low")  # E: typedtasks-option
    right.options(delay=seconds, dedup_key=key, dedup_window=60)
    right.options(eta=now, labels={"a": "b"})
    right.options(**SHARED)
    right.options(delay=-1)  # E: typedtasks-duration
    right.options(soft_timeout=0)  # E: typedtasks-duration
    right.options(soft_timeout=20, timeout=10)  # E: typedtasks-option
    right.options(expires=0)  # E: typedtasks-duration
    right.options(timeout=math.inf)  # E: typedtasks-duration
    right.options(timeout=float("nan"))  # E: typedtasks-duration
    right.options(dedup_key=key, dedup_window=timedelta(0))  # E: typedtasks-duration
    right.options(dedup_window=60)  # E: typedtasks-option
    right.options(queue=TEXT * 99999999999999, delay=-timedelta(days=999999999, hours=23))
    right.options(eta=datetime.now())  # E: typedtasks-option
    right.options(eta=datetime(2030, 1, 1))  # E: typedtasks-option
    right.options(eta=datetime(2030, 1, 1, tzinfo=UTC)), right.options(eta=datetime.now(tz=UTC))
    right.options(timeout=-(5 * 2))  # E: typedtasks-duration
    right.options(timeout=7 // 8)  # E: typedtasks-duration
    right.options(timeout=1_000_000_000 * 1_000_000_000)  # E: typedtasks-duration
    right.options(queue="a" + " b")  # E: typedtasks-option
    right.options(dedup_key="")  # E: typedtasks-option
    right.options(delay=60, expires=60)  # E: typedtasks-option
    right.options(delay=0.0001, expires=0.0005)  # E: typedtasks-option
    right.options(timeout=True, priority="high")  # E: typedtasks-duration
    right.options(delay=60, eta=now)  # E: typedtasks-option
    right.options(delay=1, **SHARED)  # E: typedtasks-option misc
    handle = await right.options(eta=datetime.now(UTC), queue="a b").enqueue()  # E: typedtasks-option
    await handle.result(timeout=-3)  # E: typedtasks-duration
    await handle.result(-3)  # E: typedtasks-duration
    await handle.outcome(timeout=0)
