"""An envelope: a call on the wire. One line of JSON about the task, then one JSON object with its arguments.

```
{"v":1,"task":"github.parse_user","reply_to":"3kJ9…"}
{"login":"torvalds","depth":1}
```

docs/wire-format.md says the same to other languages. The two parts are never parsed together: whoever moves an envelope reads
the first line only, and the arguments are read once, by the task's own validator.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Annotated, Final, Literal, NotRequired

from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from typedtasks.errors import describe, error_details

__all__ = ["MAX_HEADER", "MAX_NAME", "VERSION", "EnvelopeInvalid", "EnvelopeReader", "Header", "write_header"]

VERSION: Final = 1
MAX_HEADER: Final = 16 * 1024
MAX_NAME: Final = 256
"""The longest first line, in bytes."""

_CACHED_HEADERS: Final = 1024


class EnvelopeInvalid(ValueError):
    """The bytes are not an envelope that this version can read. The text says why."""


@dataclass(frozen=True, slots=True)
class Header:
    """What an envelope says about its task."""

    task: str
    attempt: int = 1
    """Which execution this would be, counting only those that ended with a retry."""
    parked: int = 0
    """How often it was parked because no worker knew the task."""
    reply_to: str = ""
    """The client that is told of the outcome."""
    expires_ms: int = 0
    """Not to be started after this time, in milliseconds since 1970; 0: no limit."""
    timeout: float = 0.0
    """Seconds that one execution may take; 0: what the task's definition says."""
    labels: tuple[tuple[str, str], ...] = ()
    """The user's own metadata."""
    soft_timeout: float = 0.0
    """Seconds until an execution is asked to end by itself; 0: what the task's definition says."""
    contract: str = ""
    """The sender's `Task.contract`; empty: not known."""
    codecs: tuple[str, ...] = ()
    """By what the arguments were encoded, in this order."""
    misfits: tuple[str, ...] = ()
    """The contracts of workers that could not read the arguments, as far as they are about arguments."""

    def next_attempt(self) -> Header:
        """Return the header for the execution after this one."""
        return replace(self, attempt=self.attempt + 1)

    def parked_again(self, misfits: tuple[str, ...] = ()) -> Header:
        """Return the header for the same envelope, put aside once more."""
        return replace(self, parked=self.parked + 1, misfits=misfits or self.misfits)


class _Line(TypedDict):
    v: Literal[1]
    task: Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
    attempt: NotRequired[Annotated[int, Field(ge=1, le=2**31)]]
    parked: NotRequired[Annotated[int, Field(ge=0, le=2**31)]]
    misfits: NotRequired[Annotated[list[Annotated[str, Field(pattern="^[A-Za-z0-9_-]{1,6}$")]], Field(max_length=16)]]
    reply_to: NotRequired[Annotated[str, Field(max_length=64)]]
    expires_ms: NotRequired[Annotated[int, Field(ge=0, le=2**53)]]
    timeout: NotRequired[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    soft_timeout: NotRequired[Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    labels: NotRequired[dict[str, str]]
    contract: NotRequired[Annotated[str, Field(max_length=64)]]
    codecs: NotRequired[Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(max_length=8)]]


_LINE: Final = TypeAdapter(_Line)


def write_header(header: Header) -> bytes:
    """Return the first line of an envelope, its line end included. Fields at their defaults are left out."""
    line: _Line = {"v": VERSION, "task": header.task}
    if header.attempt != 1:
        line["attempt"] = header.attempt
    if header.parked:
        line["parked"] = header.parked
    if header.misfits:
        line["misfits"] = list(header.misfits)
    if header.reply_to:
        line["reply_to"] = header.reply_to
    if header.expires_ms:
        line["expires_ms"] = header.expires_ms
    if header.timeout:
        line["timeout"] = header.timeout
    if header.soft_timeout:
        line["soft_timeout"] = header.soft_timeout
    if header.labels:
        line["labels"] = dict(header.labels)
    if header.contract:
        line["contract"] = header.contract
    if header.codecs:
        line["codecs"] = list(header.codecs)
    return _LINE.dump_json(line) + b"\n"


class EnvelopeReader:
    """Reads envelopes. Equal first lines are parsed once, because most tasks of one kind share theirs."""

    def __init__(self, max_payload: int) -> None:
        self._max_size = max_payload + MAX_HEADER
        self._headers: dict[bytes, Header] = {}

    def read(self, body: bytes) -> tuple[Header, bytes]:
        """Return the header and the bytes of the arguments. Raises `EnvelopeInvalid`, before decoding where it is too long."""
        if len(body) > self._max_size:
            raise EnvelopeInvalid(f"the envelope has {len(body)} bytes; this worker reads at most {self._max_size}")
        line, end, arguments = body.partition(b"\n")
        header = self._headers.get(line)
        if header is None:
            if not end:
                raise EnvelopeInvalid("the envelope has no line end between its first line and the arguments")
            header = _parse(line)
            if len(self._headers) >= _CACHED_HEADERS:
                self._headers.clear()
            self._headers[line] = header
        return header, arguments


def _parse(line: bytes) -> Header:
    if len(line) > MAX_HEADER:
        raise EnvelopeInvalid(f"the first line has {len(line)} bytes; at most {MAX_HEADER} are allowed")
    try:
        fields = _LINE.validate_json(line, strict=True)
    except ValidationError as error:
        found = describe(error_details(error))
        raise EnvelopeInvalid(f"the first line is not the header of an envelope:{found}") from None
    return Header(
        task=fields["task"],
        attempt=fields.get("attempt", 1),
        parked=fields.get("parked", 0),
        misfits=tuple(fields.get("misfits", ())),
        reply_to=fields.get("reply_to", ""),
        expires_ms=fields.get("expires_ms", 0),
        timeout=fields.get("timeout", 0.0),
        soft_timeout=fields.get("soft_timeout", 0.0),
        labels=tuple(fields.get("labels", {}).items()),
        contract=fields.get("contract", ""),
        codecs=tuple(fields.get("codecs", ())),
    )
