"""A broker's URL may be logged, so its password is never in what is shown."""

from __future__ import annotations

import logging
import traceback
from pathlib import Path
from urllib.parse import quote

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.redis_server import redis_server
from typedtasks import BackendUnavailable, BackendUnsupported, Broker, DefinitionError, TypedTasksError
from typedtasks.backends import redacted
from typedtasks.backends.redis.address import Address
from typedtasks.backends.redis.deployment import deployment_of
from typedtasks.backends.redis.protocol import ReplyError
from typedtasks.cli import main

SECRET = "sEcr3tZ"
URLS = (
    f"redis://user:{SECRET}@localhost:6379/0",
    f"redis://:{SECRET}@localhost",
    f"rediss://user:{SECRET}@localhost:6379/0?ssl_cert_reqs=none",
    f"redis://localhost:6379/0?password={SECRET}",
    f"redis://localhost/0?db=1&PassWord={SECRET}",
    f"redis+sentinel://user:{SECRET}@one:26379,two:26379/orders/0",
    f"redis+sentinel://one,two:26379/orders?sentinel_username=s&sentinel_password={SECRET}",
    f"redis+cluster://user:{SECRET}@one:6379,two:6380?shards=4",
    f"unix://user:{SECRET}@/run/redis.sock?db=0",
    f"unix:///run/redis.sock?password={SECRET}",
    f"sqlite://user:{SECRET}@host/tasks.db",
    f"sqlite:///tasks.db?password={SECRET}",
    f"memory://user:{SECRET}@host",
    f"postgres://user:{SECRET}@host/db",
)


@st.composite
def mistyped(draw: st.DrawFn) -> str:
    """Return a URL with a password, and a mistake that is not within it."""
    before, _, after = draw(st.sampled_from(URLS)).partition(SECRET)
    in_front = draw(st.booleans())
    part = before if in_front else after
    if part:
        place = draw(st.integers(0, len(part) - 1))
        character = draw(
            st.sampled_from(["", "/", ":", "@", "?", "#", "&", "=", ";", "%", "[", " ", "\n", "x", part[place].swapcase()])
        )
        changed = part[:place] + character + part[place + draw(st.integers(0, 1)) :]
        before, after = (changed, after) if in_front else (before, changed)
    return (
        before + draw(st.sampled_from([SECRET, f"%73{SECRET[1:]}", f"/{SECRET}", f"{SECRET}@", f"[{SECRET}", f"{SECRET}?"])) + after
    )


def everything_said(error: BaseException) -> str:
    """Return what an error and all that it drags along say."""
    said = "".join(traceback.format_exception(error))
    seen: BaseException | None = error
    while seen is not None:
        said += f"{seen} {seen!r} {seen.args!r}"
        seen = seen.__cause__ or seen.__context__
    return said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://user:pass@host:6379/0", "redis://user:***@host:6379/0"),
        ("redis://:pass@host/0", "redis://:***@host/0"),
        ("redis://host/0?password=pass&db=1", "redis://host/0?password=***&db=1"),
        ("redis://:pa[ss@host/0", "redis://:***@host/0"),
        ("redis://:pa/ss@host/0", "redis:***"),
        ("redis://:pa?ss@host/0", "redis:***"),
        ("redis://:pa#ss@host/0", "redis:***"),
        ("redis://:pa@ss@host/0", "redis://:***@host/0"),
        ("redis+sentinel://user:pass@one:1,two:2/orders/0", "redis+sentinel://user:***@one:1,two:2/orders/0"),
        (
            "rediss+sentinel://one/orders?sentinel_username=u&sentinel_password=pass&ssl_password=pass",
            "rediss+sentinel://one/orders?sentinel_username=u&sentinel_password=***&ssl_password=***",
        ),
        ("redis://host?pass%77ord=pass", "redis://host?***=***"),
        ("redis+cluster://:pass@one,two:7001", "redis+cluster://:***@one,two:7001"),
        ("sqlite:///a@b/tasks.db", "sqlite:///a@b/tasks.db"),
        ("sqlite:///user:pass@host/tasks.db", "sqlite:***"),
        ("unix:///run/redis@1/redis.sock", "unix:///run/redis@1/redis.sock"),
        ("redis:/user:pass@host/0", "redis:***"),
        ("redis://user:pass/0", "redis:***"),
        ("redis://pass@host/0", "redis://***@host/0"),
        ("redis://host/0&password=pass", "redis:***"),
        ("sqlite:///tasks.db", "sqlite:///tasks.db"),
    ],
)
def test_a_password_is_not_shown(url: str, shown: str) -> None:
    assert redacted(url) == shown


@settings(max_examples=300, deadline=None)
@given(url=mistyped())
def test_a_mistyped_url_shows_its_password_nowhere(url: str) -> None:
    """Not in what is shown of it, nor in an error with all its causes, nor in what represents the broker and its parts."""
    said = redacted(url)
    try:
        broker = Broker(url)
        said += f"{broker!r} {broker.url} {broker.backend!r}"
        if url.startswith(("redis", "unix")):
            said += f"{deployment_of(url)!r} {deployment_of(url).shown}"
    except TypedTasksError as error:
        said += everything_said(error)
    assert SECRET[1:] not in said


def test_what_is_no_text_is_not_shown() -> None:
    """A URL as bytes, or as an object of another library."""
    with pytest.raises(DefinitionError, match="bytes is neither") as caught:
        Broker(f"redis://:{SECRET}@host".encode())  # type: ignore[arg-type]  # the mistake that is meant
    assert SECRET not in everything_said(caught.value)


def test_an_address_does_not_show_the_commands_that_log_in() -> None:
    """It stands in errors of others, and in debuggers."""
    address = Address.of(f"redis://user:{SECRET}@host")
    assert address.greeting == (("AUTH", "user", SECRET),)
    assert SECRET not in repr(address)


def test_a_server_that_repeats_a_command_does_not_show_it() -> None:
    """One without AUTH quotes its arguments."""
    error = ReplyError(f"ERR unknown command 'AUTH', with args beginning with: 'user' '{SECRET}' ")
    assert (str(error), error.code) == ("ERR unknown command 'AUTH'", "ERR")


@pytest.mark.parametrize("options", [("--requirepass", "another"), ("--rename-command", "AUTH", "")])
async def test_no_log_shows_the_password_of_a_server_that_refuses_it(
    options: tuple[str, ...], caplog: pytest.LogCaptureFixture
) -> None:
    """At any level, whatever is wrong with it."""
    caplog.set_level(logging.DEBUG)
    password = quote(f"{SECRET}/@:#", safe="")
    with redis_server(*options, "--save", "") as server:
        url = f"redis://user:{password}@127.0.0.1:{server.port}/0"
        with pytest.raises((BackendUnavailable, BackendUnsupported)) as caught:
            await Broker(url).open()
        assert SECRET not in everything_said(caught.value) + caplog.text


def test_no_command_shows_the_password(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor with `--json`."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "has_secret.py").write_text("from typedtasks import Broker\nbroker = Broker()\n")
    monkeypatch.setenv("TYPEDTASKS_URL", f"redis://user:{SECRET}@127.0.0.1:1/0")
    for command in (["queues"], ["workers"], ["dead", "list"], ["worker"]):
        options = [] if command == ["worker"] else ["--json"]
        code = main([*command, "has_secret:broker", *options])
        said = capsys.readouterr()
        assert code == 2
        assert SECRET not in said.out + said.err
