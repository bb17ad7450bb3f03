"""A `Secret` travels as it is, and shows nowhere."""

from __future__ import annotations

import logging
from datetime import date
from typing import Annotated

import pytest
from pydantic import AfterValidator, BaseModel, Field

from typedtasks import Broker, PayloadInvalid, PayloadRejected, Secret, TaskError, Worker
from typedtasks.contract import Boundary, Misfit

CANARY = "hunter2-canary"


class Login(BaseModel):
    """A model with a secret in it."""

    user: str
    password: Secret[str] = Field(description="of the user")
    keys: list[Secret[bytes]] = []


class Refused(TaskError):
    """A failure with a secret."""

    token: Secret[str]


def test_a_secret_shows_as_stars() -> None:
    """Whoever wants it says so."""
    secret = Secret(CANARY)
    assert CANARY not in f"{secret} {secret!r} {[secret]} {Login(user='a', password=secret)!r}"
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY) != Secret("other")
    assert len({secret, Secret(CANARY)}) == 1


@pytest.mark.parametrize("store", ["memory://", "sqlite"])
async def test_secrets_arrive_as_they_were_sent_and_come_back(store: str, tmp_path: object) -> None:
    """As arguments, inside models and lists, as results and in failures."""
    broker = Broker(f"sqlite:///{tmp_path}/tasks.db" if store == "sqlite" else store)

    @broker.task(name="login", raises=Refused)
    async def login(login: Login, born: Secret[date]) -> Secret[str]:
        if login.user == "nobody":
            raise Refused(token=Secret(CANARY))
        keys = b"".join(key.reveal() for key in login.keys)
        return Secret(f"{login.password.reveal()} {keys.hex()} {born.reveal().year}")

    async with broker, Worker(broker):
        sent = Login(user="a", password=Secret(CANARY), keys=[Secret(b"\x00\xff")])
        result = await (await login.enqueue(sent, Secret(date(2000, 1, 1)))).result(timeout=5)
        assert result.reveal() == f"{CANARY} 00ff 2000"
        assert CANARY not in repr(login.call(sent, Secret(date(2000, 1, 1))))
        with pytest.raises(Refused) as refused:
            await (await login.enqueue(Login(user="nobody", password=Secret("")), Secret(date(2000, 1, 1)))).result(timeout=5)
        assert refused.value.token.reveal() == CANARY
        assert CANARY not in f"{refused.value!r} {refused.value}"


def test_what_does_not_fit_is_not_shown() -> None:
    """Neither the secret nor what stands beside it; the place and what was expected are."""
    boundary: Boundary[None] = Boundary(_login, task="login")
    for arguments in ((CANARY,), (Secret(CANARY), CANARY), (Secret(7), 1), ({"password": CANARY},)):
        with pytest.raises(PayloadInvalid) as caught:
            boundary.encode_arguments(arguments, {})
        assert CANARY not in f"{caught.value} {caught.value.errors}"
        assert caught.value.errors
    for payload in (
        b'{"login": {"user": 1, "password": "hunter2-canary"}}',
        b'"hunter2-canary"',
        b'{"password": ["hunter2-canary"]}',
    ):
        with pytest.raises(Misfit) as misfit:
            boundary.decode_arguments(payload)
        assert CANARY not in f"{misfit.value} {misfit.value.errors}"


def refuse(secret: object) -> object:
    raise ValueError("too short")


async def test_neither_logs_nor_dead_letters_say_a_secret(caplog: pytest.LogCaptureFixture, tmp_path: object) -> None:
    """A worker refuses what was sent: its reason names the place."""
    url = f"sqlite:///{tmp_path}/tasks.db"
    broker, sender = Broker(url), Broker(url)

    @broker.task(name="login")
    async def login(password: Annotated[Secret[str], AfterValidator(refuse)]) -> None: ...

    @sender.task(name="login")
    async def other(password: Secret[str]) -> None: ...

    with caplog.at_level(logging.DEBUG):
        async with sender, broker, Worker(broker):
            handle = await other.enqueue(Secret(CANARY))
            with pytest.raises(PayloadRejected) as caught:
                await handle.result(timeout=5)
            (letter,) = await broker.dead_letters()
    assert "password" in letter.reason
    assert CANARY not in f"{caught.value} {letter.reason} {caplog.text}"


async def _login(login: Secret[str], times: int = 1) -> None: ...
