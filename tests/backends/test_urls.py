"""A broker's URL may be logged, so its password is never in what is shown."""

from __future__ import annotations

import pytest

from typedtasks.backends import redacted


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pass@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:pass@host/0", "redis://:***@host/0"),
        ("redis://host/0?password=pass&db=1", "redis://host/0?password=***&db=1"),
        ("redis://:pa[ss@host/0", "redis://***@host/0"),
        ("redis://:pa/ss@host/0", "redis://***@host/0"),
        ("redis://:pa?ss@host/0", "redis://***@host/0"),
        ("redis://:pa#ss@host/0", "redis://***@host/0"),
        ("redis://:pa@ss@host/0", "redis://:***@host/0"),
        ("redis+sentinel://user:pass@one:1,two:2/orders/0", "redis+sentinel://user:***@one:1,two:2/orders/0"),
        (
            "rediss+sentinel://one/orders?sentinel_username=u&sentinel_password=pass&ssl_password=pass",
            "rediss+sentinel://one/orders?sentinel_username=u&sentinel_password=***&ssl_password=***",
        ),
        ("redis://host?pass%77ord=pass", "redis://host?pass%77ord=***"),
        ("redis+cluster://:pass@one,two:7001", "redis+cluster://:***@one,two:7001"),
        ("sqlite:///a@b/tasks.db", "sqlite:///a@b/tasks.db"),
        ("sqlite:///tasks.db", "sqlite:///tasks.db"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown
