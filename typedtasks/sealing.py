"""What a broker's codecs do to payloads and outcomes: sealed on their way to the store, opened where they are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, cast

from pydantic import TypeAdapter, ValidationError

from typedtasks.codecs import Compress, PayloadCodec, Undecodable
from typedtasks.errors import DefinitionError, PayloadTooLarge, ResultInvalid
from typedtasks.ids import TaskId
from typedtasks.outcome import read_line, sealed_prefix, write_outcome

__all__ = ["SEAL_ROOM", "Sealing"]

SEAL_ROOM: Final = 1024
"""Bytes that codecs may add to a payload."""
_OUTCOME_ROOM: Final = 1024 * 1024
"""Bytes that an outcome may have beside its result: a message, a traceback, a list of errors."""
_MOST_CODECS: Final = 8
_LONGEST_NAME: Final = 64
_NAMES: Final = TypeAdapter(tuple[str, ...])
_MEMBERS: Final[tuple[tuple[str, type | None, str], ...]] = (
    ("hides", bool, "hides = True where values are not to be shown, else hides = False"),
    ("is_required", bool, "is_required = True where everything has to be encoded by it, else is_required = False"),
    ("encode", None, "def encode(self, data: bytes, bound_to: bytes) -> bytes"),
    ("decode", None, "def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes"),
)
"""What a codec has besides its name and `awaited`, which is empty by default: their kind (None: a method), and what to write."""
_HOLD_NOTHING: Final = ("cancelled", "expired")


class Sealing:
    """The codecs of one broker, in the order in which they encode. Without codecs nothing is changed.

    What is sealed is bound to its task: a call to the task's id and name, an outcome to the id.
    """

    def __init__(self, codecs: Sequence[PayloadCodec], *, max_payload: int, max_result: int) -> None:
        if not isinstance(cast("object", codecs), Sequence) or isinstance(codecs, str):
            raise DefinitionError(f"codecs={codecs!r} is no list; pass one such as [Compress(), Encrypt(keys)].")
        given = tuple(codecs)
        for codec in given:
            _check_codec(codec)
        self.names = tuple(codec.name for codec in given)
        """What is sent along, so that others know how to open it."""
        if len(set(self.names)) < len(given) or len(given) > _MOST_CODECS:
            raise DefinitionError(f"codecs={list(self.names)}: pass at most {_MOST_CODECS}, each of a name of its own.")
        hiding = [place for place, codec in enumerate(given) if codec.hides]
        if hiding and any(isinstance(codec, Compress) for codec in given[hiding[0] :]):
            raise DefinitionError("codecs: put Compress before Encrypt; encrypted bytes cannot be compressed.")
        self.hides = bool(hiding)
        """Whether what is sealed is not to be shown."""
        self.awaited = (
            *(_codec_token(name) for name in self.names),
            *(token for codec in given for token in getattr(codec, "awaited", ())),
        )
        """What parked messages may wait for that is here."""
        self._codecs = dict(zip(self.names, given, strict=True))
        self._max_payload = max_payload
        self._max_result = max_result

    def seal_call(self, payload: bytes, id: TaskId, task: str) -> bytes:
        """Return what is stored for the arguments of a call. `PayloadTooLarge` where codecs add more than there is room for."""
        sealed = self._seal(payload, _bound_to("call", id, task))
        limit = self._max_payload + SEAL_ROOM
        if len(sealed) > limit:
            raise PayloadTooLarge(
                f"{task}: the arguments have {len(payload)} bytes as JSON, and {len(sealed)} when they are encoded with "
                f"{', '.join(self.names)}; at most {limit} may be sent. Nothing was sent. Raise Broker(max_payload=...).",
                size=len(sealed),
                limit=limit,
            )
        return sealed

    def open_call(self, payload: bytes, names: Sequence[str], id: TaskId, task: str) -> bytes:
        """Return the arguments of a call as JSON; `names` are the codecs that its envelope names. Raises `Undecodable`."""
        return self._open(payload, names, _bound_to("call", id, task), self._max_payload)

    def seal_outcome(self, outcome: bytes, id: TaskId) -> bytes:
        """Return what is stored for an outcome: how the task ended stays readable, all else is sealed."""
        return sealed_prefix(read_line(outcome), self.names) + self._seal(outcome, _bound_to("outcome", id))

    def open_outcome(self, outcome: bytes, id: TaskId) -> bytes:
        """Return the outcome that was sealed, or one that says why that cannot be read."""
        try:
            line = read_line(outcome)
        except ResultInvalid:
            return outcome  # whoever reads it is told
        names = line.get("codecs", ())
        if not names and line["outcome"] in _HOLD_NOTHING:
            return outcome  # it may come from one who has no codecs
        try:
            limit = self._max_result + _OUTCOME_ROOM
            return self._open(outcome.partition(b"\n")[2] if names else outcome, names, _bound_to("outcome", id), limit)
        except Undecodable as error:
            text = f"The outcome of {id} cannot be read: {error}."
            return write_outcome("result_invalid", attempts=line.get("attempts", 1), error=ResultInvalid(text))

    def seal_progress(self, progress: bytes, id: TaskId) -> bytes:
        """Return what is stored for the progress of a task."""
        return _NAMES.dump_json(self.names) + b"\n" + self._seal(progress, _bound_to("progress", id))

    def open_progress(self, body: bytes, id: TaskId) -> bytes:
        """Return the progress that was sealed. Raises `ResultInvalid` where that cannot be read."""
        line, end, sealed = body.partition(b"\n")
        try:
            names = _NAMES.validate_json(line) if end else ()
            return self._open(sealed if end else body, names, _bound_to("progress", id), _OUTCOME_ROOM)
        except (Undecodable, ValidationError) as error:
            reason = error if isinstance(error, Undecodable) else "its first line does not say how it was encoded"
            raise ResultInvalid(f"The progress of {id} cannot be read: {reason}.") from None

    def _seal(self, data: bytes, bound_to: bytes) -> bytes:
        for codec in self._codecs.values():
            data = codec.encode(data, bound_to)
        return data

    def _open(self, data: bytes, names: Sequence[str], bound_to: bytes, limit: int) -> bytes:
        for name, codec in self._codecs.items():
            if codec.is_required and name not in names:
                raise Undecodable(f"it was not encoded with {name}, which is required here")
        for name in reversed(names):
            if name not in self._codecs:
                raise Undecodable(
                    f"it was encoded with {name}, and no such codec is among Broker(codecs=...) here", awaits=_codec_token(name)
                )
            try:
                data = self._codecs[name].decode(data, bound_to, limit + SEAL_ROOM)
            except Undecodable:
                raise
            except Exception as error:
                raise Undecodable(f"{name} raised {type(error).__name__} when it decoded it") from error
        if len(data) > limit:
            raise Undecodable(f"it has {len(data)} bytes when it is decoded; at most {limit} are allowed")
        return data


def _check_codec(codec: object) -> None:
    """Raise `DefinitionError` for what is no codec, or lacks something of `PayloadCodec` that has no safe default."""
    name = getattr(codec, "name", None)
    if isinstance(codec, type) or not isinstance(name, str) or not 1 <= len(name) <= _LONGEST_NAME or not name.isprintable():
        raise DefinitionError(
            f"codecs: {codec!r} is no codec, which has a name of 1 to {_LONGEST_NAME} printable characters; "
            "pass such as Compress() and Encrypt(keys)."
        )
    for member, kind, example in _MEMBERS:
        found = getattr(codec, member, None)
        if not (callable(found) if kind is None else isinstance(found, kind)):
            raise DefinitionError(
                f"codecs: {codec!r} lacks {member!r}; write {example} in its class. typedtasks.codecs.PayloadCodec has all members."
            )


def _bound_to(kind: Literal["call", "outcome", "progress"], *parts: str) -> bytes:
    return "\n".join((f"typedtasks 1 {kind}", *parts)).encode("utf-8", "surrogatepass")


def _codec_token(name: str) -> str:
    return f"the codec {name}"
