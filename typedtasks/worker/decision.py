"""What follows from how a delivery went: pure functions from facts to a settlement."""

from __future__ import annotations

import random
import traceback
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from typedtasks.backend import Bury, Delivery, Finish, Reschedule
from typedtasks.clock import milliseconds, seconds
from typedtasks.codecs import Undecodable
from typedtasks.contract import Misfit, as_declared
from typedtasks.envelope import Header, write_header
from typedtasks.errors import PayloadRejected, ResultInvalid, TaskError, TaskFailed, TaskTimedOut, describe
from typedtasks.logs import Log
from typedtasks.options import TaskDefinition
from typedtasks.outcome import read_line, success_prefix, write_outcome
from typedtasks.retry import Retry
from typedtasks.task import AnyTask
from typedtasks.worker.parking import ARGUMENTS, contract_token
from typedtasks.worker.soft import Overdue

__all__ = [
    "Received",
    "cancelled",
    "expired",
    "failed",
    "fatal",
    "misreturned",
    "parked",
    "put_off",
    "refused",
    "rejected",
    "retry_notice",
    "returned",
    "undecodable",
    "unsealed",
]

_LONGEST_PARKING: Final = 300.0
_PATIENCE: Final = 240.0
"""Seconds that what another contract wrote waits for a worker that may be able to read it. They are counted from when it was put
aside, or from the last moment at which such a worker was there, busy as it may have been."""
_MOST_MISFITS: Final = 16
"""Contracts of one task that are tried: far more than a fleet has at a time."""
_PUT_OFF: Final = 5.0
_LONGEST_MESSAGE: Final = 4 * 1024
_LONGEST_TRACEBACK: Final = 16 * 1024
_OWN_CODE: Final = str(Path(__file__).parent.parent)

_log = Log("typedtasks.worker")


@dataclass(frozen=True, slots=True)
class Received:
    """A delivery whose envelope was read and whose task is known here."""

    delivery: Delivery
    header: Header
    payload: bytes
    task: AnyTask


def returned(received: Received, result: bytes) -> Finish:
    """The task returned; `result` is its validated result as JSON."""
    outcome = success_prefix(received.header.attempt) + result
    return Finish(received.delivery, outcome, received.task.definition.result_ttl_ms, received.header.reply_to)


def failed(received: Received, error: BaseException, *, timed_out: bool, chance: random.Random, now: float) -> Finish | Reschedule:
    """The task raised, or (`timed_out`) its time was over: run it again later, or let the failure be its outcome.

    A retry that would come after the task's `expires` is none.
    """
    definition, attempt = received.task.definition, received.header.attempt
    retry = definition.retry
    if (
        retry is not None
        and isinstance(error, Exception)
        and attempt < retry.max_attempts
        and retry.covers(error, definition.raises)
    ):
        delay_ms, eta_ms = _retry_time(retry, error, attempt, chance)
        expires_ms = received.header.expires_ms
        if not expires_ms or (eta_ms or now * 1000 + delay_ms) <= expires_ms:
            body = write_header(received.header.next_attempt()) + received.payload
            return Reschedule(received.delivery, body, delay_ms, eta_ms)
    outcome = _failure_outcome(definition, error, timed_out, attempt)
    return Finish(received.delivery, outcome, definition.result_ttl_ms, received.header.reply_to)


def retry_notice(received: Received, error: BaseException, retry: Reschedule) -> str:
    """Return a sentence for the log about an attempt that failed and will be repeated."""
    when = datetime.fromtimestamp(retry.eta_ms / 1000, UTC).isoformat() if retry.eta_ms else f"in {retry.delay_ms / 1000:g} s"
    policy = received.task.definition.retry
    most = policy.max_attempts if policy is not None else 1
    return (
        f"{received.task.name} ({received.delivery.id}): attempt {received.header.attempt} of {most} failed with "
        f"{type(error).__name__}: {_said(error)}; it runs again {'at ' if retry.eta_ms else ''}{when}."
    )


def crashed(received: Received) -> Finish:
    """The last resort, for an exception of which nothing can be told: it is in the worker's log."""
    attempts = received.header.attempt
    outcome = write_outcome(
        "crashed", attempts=attempts, error=TaskFailed("It failed; the worker's log says how.", attempts=attempts)
    )
    return Finish(received.delivery, outcome, received.task.definition.result_ttl_ms, received.header.reply_to)


def unsettled(refused: Finish, error: Exception) -> Finish:
    """The backend takes everything but this outcome."""
    text = f"The backend refused its outcome of {len(refused.outcome)} bytes: {type(error).__name__}: {error}"[:_LONGEST_MESSAGE]
    attempts = read_line(refused.outcome).get("attempts", 1)
    outcome = write_outcome("crashed", attempts=attempts, error=TaskFailed(text, type=type(error).__name__, attempts=attempts))
    return refused._replace(outcome=outcome)


def misreturned(received: Received, misfit: Misfit) -> Finish:
    """The task returned what its annotation forbids, or more than may be stored."""
    attempts = received.header.attempt
    what = "more than may be stored" if misfit.is_size else "what its annotation forbids"
    error = ResultInvalid(f"{received.task.name} returned {what}:{describe(misfit.errors)}", attempts=attempts)
    outcome = write_outcome("result_invalid", attempts=attempts, error=error, errors=misfit.errors)
    return Finish(received.delivery, outcome, received.task.definition.result_ttl_ms, received.header.reply_to)


def rejected(received: Received, misfit: Misfit, now: float) -> Bury | Reschedule:
    """The payload does not fit the task: it is never run, and kept with the reason.

    Where the sender had another contract, workers that can read it may be on their way: those are waited for, for four minutes.
    """
    header, task = received.header, received.task
    sent, here = (contract[:ARGUMENTS] for contract in (header.contract, task.contract()))
    misfits = tuple(dict.fromkeys((*header.misfits, here)))
    if sent and here and sent != here and not received.delivery.unmet and len(misfits) <= _MOST_MISFITS:
        patience = min(_PATIENCE, max(0.0, header.expires_ms / 1000 - now) + 1.0) if header.expires_ms else _PATIENCE
        body = write_header(header.parked_again(misfits)) + received.payload
        awaits = contract_token(task.name, header.contract, misfits)
        return Reschedule(received.delivery, body, milliseconds(patience), awaits=awaits)
    other = (
        f" It was sent by the contract {header.contract}, and this worker has {task.contract()}." if sent != here and sent else ""
    )
    reason = f"The payload does not fit {task.name}{task.boundary.signature_text}:{describe(misfit.errors)}{other}"
    error = PayloadRejected(f"{reason}\nIt was not run, and is kept as a dead letter.")
    outcome = write_outcome("rejected", error=error, errors=misfit.errors)
    return Bury(received.delivery, reason, outcome, received.task.definition.result_ttl_ms, received.header.reply_to)


def refused(delivery: Delivery, reason: str, ttl_ms: int) -> Bury:
    """The envelope cannot be read at all."""
    error = PayloadRejected(f"The envelope cannot be read: {reason}. It is kept as a dead letter.")
    return Bury(delivery, reason, write_outcome("rejected", error=error), ttl_ms)


def undecodable(received: Received, error: Undecodable) -> Bury | Reschedule:
    """The payload cannot be decoded: wait for a worker that can, or keep it as a dead letter where nobody can."""
    if error.awaits:
        return parked(received.delivery, received.header, received.payload, error.awaits)
    reason = f"The payload of {received.task.name} cannot be decoded: {error}."
    outcome = write_outcome("rejected", error=PayloadRejected(f"{reason} It was not run, and is kept as a dead letter."))
    return Bury(received.delivery, reason, outcome, received.task.definition.result_ttl_ms, received.header.reply_to)


def unsealed() -> bytes:
    """The outcome cannot be encoded: this one holds nothing of it."""
    return write_outcome("crashed", error=TaskFailed("Its outcome could not be encoded; the worker's log says how."))


def fatal(received: Received, how: str, stderr: str, *, was_lost: bool, is_hidden: bool) -> Bury:
    """It ran in a fresh child process twice, and each time the child died: it is never run again.

    `is_hidden`: outcomes are encrypted, and reasons are not, so the end of its standard error stands in the outcome alone.
    """
    story = "it was lost twice, and ran alone twice in a process" if was_lost else "it ran twice in a fresh process"
    reason = f"{received.task.name} ends its process: {story} that {how}."
    error = TaskFailed(
        f"{reason} It is kept as a dead letter.", type="ProcessDied", traceback=stderr, attempts=received.header.attempt
    )
    outcome = write_outcome("crashed", attempts=received.header.attempt, error=error)
    if not stderr.strip():
        proof = "Its standard error was empty."
    elif is_hidden:
        proof = "The end of its standard error is in its outcome, which is encrypted, and in the worker's own."
    else:
        proof = f"The end of its standard error:\n{stderr.rstrip()}"
    return Bury(received.delivery, f"{reason} {proof}", outcome, received.task.definition.result_ttl_ms, received.header.reply_to)


def parked(delivery: Delivery, header: Header, payload: bytes, awaits: str = "") -> Reschedule:
    """No task of this name is known here: put it aside for a worker that knows it, and look again in 1, 2, 4 ... 300 s.

    `awaits` names what else is not known here, such as a key.
    """
    delay = min(_LONGEST_PARKING, 2.0 ** min(header.parked, 16))
    body = write_header(header.parked_again()) + payload
    return Reschedule(delivery, body, milliseconds(delay), awaits=awaits or header.task)


def put_off(received: Received) -> Reschedule:
    """It needs a child process, and none can be had: look again in 5 s, here or in another worker."""
    return Reschedule(received.delivery, received.delivery.body, milliseconds(_PUT_OFF))


def cancelled(delivery: Delivery, header: Header, ttl_ms: int) -> Finish:
    """Someone asked for the cancellation before there was a result."""
    return Finish(delivery, write_outcome("cancelled", attempts=header.attempt), ttl_ms, header.reply_to)


def expired(delivery: Delivery, header: Header, ttl_ms: int) -> Finish:
    """It was to be started by a time that has passed."""
    return Finish(delivery, write_outcome("expired"), ttl_ms, header.reply_to)


def _retry_time(retry: Retry, error: Exception, attempt: int, chance: random.Random) -> tuple[int, int]:
    """Return (milliseconds from now, 0) or (0, milliseconds since 1970)."""
    wanted = None
    if retry.when is not None:
        try:
            wanted = retry.when(error)
            if isinstance(wanted, datetime):
                if wanted.tzinfo is None:
                    wanted = wanted.astimezone()
                return 0, max(1, milliseconds(wanted.timestamp()))
            if isinstance(wanted, timedelta):
                wanted = wanted.total_seconds()
            if wanted is not None:
                return (0, 0) if wanted < 0 else (milliseconds(seconds(wanted, "Retry.when")), 0)
        except BaseException as broken:  # noqa: BLE001 - the user's function failed: the backoff holds, and the failure is said
            _note(error, f"Retry.when raised {type(broken).__name__}: {broken}; the backoff was used instead.")
    return milliseconds(retry.delay(attempt, chance)), 0


def _failure_outcome(definition: TaskDefinition, error: BaseException, timed_out: bool, attempts: int) -> bytes:
    if timed_out:
        text = str(error) if isinstance(error, Overdue) else f"{definition.name} ran longer than its timeout and was stopped."
        return write_outcome("timed_out", attempts=attempts, error=TaskTimedOut(text, attempts=attempts))
    if isinstance(error, TaskError) and isinstance(error, definition.raises):
        declared = _as_declared(error, definition)
        if declared is not None:
            declared.type, declared.traceback, declared.attempts = declared.__class__.__name__, _trace(error), attempts
            return write_outcome("failure", attempts=attempts, error=declared)
    crash = TaskFailed(_said(error), type=type(error).__name__, traceback=_trace(error), attempts=attempts)
    return write_outcome("crashed", attempts=attempts, error=crash)


def _as_declared(error: TaskError, definition: TaskDefinition) -> TaskError | None:
    """Return the failure as a class that the task declares, checked again; None where its fields no longer fit."""
    declared = [failure for failure in definition.raises if isinstance(error, failure)]
    kind = error.__class__ if error.__class__ in declared else declared[0]
    try:
        return as_declared(error, kind)
    except Exception as misfit:  # noqa: BLE001 - a constructor and validators of the user run here
        _note(error, f"It is declared, but its fields do not fit any more: {type(misfit).__name__}: {misfit}")
        return None


def _note(error: BaseException, text: str) -> None:
    try:
        error.add_note(text)
    except Exception:  # noqa: BLE001 - a class may refuse notes; its failure is reported all the same
        _log.warning("%s", text)


def _said(error: BaseException) -> str:
    """Return what the exception says, whatever its `__str__` does."""
    try:
        text = error.message if isinstance(error, TaskFailed) else str(error)
    except Exception as broken:  # noqa: BLE001 - an exception that cannot be shown is still reported
        text = f"(its __str__ raised {type(broken).__name__})"
    return text[:_LONGEST_MESSAGE]


def _trace(error: BaseException) -> str:
    """Return the traceback as text, from the first frame of the task's own code, without values of variables."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename.startswith(_OWN_CODE):
        frames = frames.tb_next
    try:
        text = "".join(traceback.format_exception(type(error), error, frames))
    except Exception as broken:  # noqa: BLE001 - an exception that cannot be shown is still reported
        text = f"(the traceback could not be shown: {type(broken).__name__})"
    return text[-_LONGEST_TRACEBACK:]
