"""One task's typed boundary: arguments and results, from Python to JSON and back, validated at both ends."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Final, Generic, NotRequired, TypeVar, cast, get_args, get_origin

from pydantic.errors import PydanticUserError
from pydantic_core import ErrorDetails, SchemaError
from typing_extensions import TypedDict

from typedtasks.contract.binding import Bind, explain_misfit, make_bind, make_spread, positional_names
from typedtasks.contract.classes import Built as BuiltType
from typedtasks.contract.codec import Codec, Misfit, validator_raised, why_no_schema
from typedtasks.contract.cures import cure
from typedtasks.contract.schemas import CONFIG, Node
from typedtasks.contract.signature import check_function, injected_parameters, resolve_types, signature_text
from typedtasks.coroutine import is_coroutine_function
from typedtasks.errors import DefinitionError, PayloadInvalid, PayloadTooLarge, describe
from typedtasks.injection import Need

__all__ = ["Boundary"]

R = TypeVar("R")

_PLAIN: Final = (int, str, float, bool, None, type(None))
"""Types that certainly make the round trip: a task of these builds nothing before its first use."""


class _Built:
    """What is made of a signature's types: once, on first use or at the definition."""

    def __init__(self, task: str, signature: inspect.Signature, hints: Mapping[str, object]) -> None:
        fields: dict[str, object] = {}
        for name, parameter in signature.parameters.items():
            hint = _collected(parameter, hints[name])
            optional = parameter.default is not parameter.empty or hint is not hints[name]
            fields[name] = NotRequired[hint] if optional else hint
            _check(task, f"the parameter {name!r}", hints[name], parameter.default)
        _check(task, "the result", hints["return"])
        # Any: the functional form wants literal fields; these are made at run time.
        arguments = cast("Any", TypedDict)("Arguments", fields)
        arguments.__pydantic_config__ = CONFIG
        self.arguments = _codec(task, arguments)
        self.result = _codec(task, hints["return"])


class Boundary(Generic[R]):
    """Validates and encodes one task's arguments where they enter the queue, and decodes and validates them where they leave it.

    Raises `DefinitionError` when it is made for what cannot be a task. Types that cannot be resolved yet (a name that is defined
    further down) are checked on first use.
    """

    def __init__(
        self,
        function: Callable[..., object],
        *,
        task: str,
        max_payload: int = 262_144,
        max_result: int = 16_777_216,
        deps: type | None = None,
    ) -> None:
        check_function(function, task)
        self._function = function
        self._task = task
        self._max_payload = max_payload
        self._max_result = max_result
        self._deps = deps
        self._signature = inspect.signature(function)
        """What is sent: the function's signature without the injected parameters."""
        self.signature_text = signature_text(self._signature)
        """The same as it is written, for messages."""
        self._bind: Bind
        self._spread = make_spread(self._signature)
        self._positional = positional_names(self._signature)
        self._built: _Built | None = None
        self.injected: Mapping[str, Need] = {}
        """The parameters that the worker fills in: they are no part of the payload."""
        self.is_async = is_coroutine_function(function)
        """Whether the function is a coroutine function."""
        self.has_returned_awaitable = False
        """Whether a function that is none has returned an awaitable all the same: a decorator around one does."""
        try:
            hints = self._read_signature()
            defaults = {name: parameter.default for name, parameter in self._signature.parameters.items()}
            if not all(_is_certain(hint, defaults.get(name, inspect.Parameter.empty)) for name, hint in hints.items()):
                self._built = _Built(task, self._signature, hints)
        except NameError:
            return  # a name that is defined further down in the module

    def encode_arguments(self, args: tuple[object, ...], kwargs: Mapping[str, object]) -> bytes:
        """Return the arguments as one JSON object. Raises `PayloadInvalid` or `PayloadTooLarge`."""
        codec = (self._built or self._build()).arguments
        try:
            if self.injected and not self.injected.keys().isdisjoint(kwargs):
                raise TypeError
            payload = codec.encode(self._bind(*args, **kwargs))
        except TypeError:
            raise self._invalid(codec.shown(explain_misfit(self._signature, args, kwargs, self.injected))) from None
        except Misfit as misfit:
            raise self._invalid(misfit.errors) from misfit.__cause__
        if len(payload) > self._max_payload:
            raise PayloadTooLarge(
                f"{self._task}: the arguments have {len(payload)} bytes as JSON, and at most {self._max_payload} may be sent. "
                "Nothing was sent. Store the data elsewhere and send a reference to it, or raise Broker(max_payload=...).",
                size=len(payload),
                limit=self._max_payload,
            )
        return payload

    def decode_arguments(self, payload: bytes) -> tuple[tuple[object, ...], dict[str, object]]:
        """Return positional and keyword arguments for the function. Raises `Misfit` for bytes that do not fit."""
        built = self._built or self._build()
        if len(payload) > self._max_payload:
            raise Misfit([_too_large("Payload", len(payload), self._max_payload, "max_payload")])
        try:
            # A codec returns what it was made for: here a TypedDict of the parameters.
            return self._spread(cast("dict[str, object]", built.arguments.decode(payload)))
        except Misfit:
            raise
        except BaseException as error:
            raise Misfit([validator_raised(error)]) from error

    def with_injected(
        self, args: tuple[object, ...], kwargs: Mapping[str, object], values: Mapping[str, object]
    ) -> tuple[tuple[object, ...], dict[str, object]]:
        """Return decoded arguments with the values of the injected parameters in their places."""
        by_name = {**kwargs, **{name: value for name, value in values.items() if name not in self._positional}}
        places = [values.get(name, argument) for name, argument in zip(self._positional, args, strict=False)]
        return (*places, *args[len(places) :]), by_name

    def encode_result(self, value: object) -> bytes:
        """Return a result as JSON, validated against the declared type. Raises `Misfit`."""
        result = (self._built or self._build()).result.encode(value)
        if len(result) > self._max_result:
            raise Misfit([_too_large("Result", len(result), self._max_result, "max_result")])
        return result

    def decode_result(self, value: bytes) -> R:
        """Return the result that the bytes say. Raises `Misfit` where it is not of the declared type."""
        # The codec is made of the function's return annotation, which is what R stands for.
        return cast("R", (self._built or self._build()).result.decode(value))

    @property
    def holds_secret(self) -> bool:
        """Whether the arguments hold a `Secret`: they are not to be shown."""
        return (self._built or self._build()).arguments.holds_secret

    def check(self) -> None:
        """Build the validators now. Raises `DefinitionError` where a type cannot be found or cannot make the round trip."""
        if self._built is None:
            self._build()

    @property
    def signature(self) -> inspect.Signature:
        """What is sent: the function's signature without the injected parameters. Known for sure after `check`."""
        return self._signature

    def built_types(self) -> tuple[BuiltType, BuiltType]:
        """Return what is built of the arguments (an object by parameter name) and of the result."""
        built = self._built or self._build()
        return built.arguments.built, built.result.built

    def core_schemas(self) -> tuple[Node, Node]:
        """Return the arguments (an object by parameter name) and the result as pydantic's core schemas."""
        built = self._built or self._build()
        return built.arguments.core, built.result.core

    def _read_signature(self) -> dict[str, object]:
        """Tell what is injected from what is sent, and return the types of the latter."""
        hints = resolve_types(self._function, self._task)
        signature = inspect.signature(self._function)
        self.injected = injected_parameters(signature, hints, self._task, self._deps)
        sent = [parameter for name, parameter in signature.parameters.items() if name not in self.injected]
        self._signature = signature.replace(parameters=sent)
        self.signature_text = signature_text(self._signature)
        self._bind = make_bind(self._signature)
        return {name: hint for name, hint in hints.items() if name not in self.injected}

    def _build(self) -> _Built:
        try:
            hints = self._read_signature()
            self._built = _Built(self._task, self._signature, hints)
        except NameError as error:
            text = str(error).partition("\n")[0]
            raise DefinitionError(
                f"{self._task}: a type cannot be found ({text}). Define or import it at the top of the module, "
                "not only under TYPE_CHECKING or inside a function."
            ) from None
        return self._built

    def _invalid(self, errors: list[ErrorDetails]) -> PayloadInvalid:
        return PayloadInvalid(
            f"{self._task}: the arguments do not fit {self.signature_text}; nothing was sent.{describe(errors)}", errors
        )


def _check(task: str, what: str, hint: object, default: object = inspect.Parameter.empty) -> None:
    """Raise `DefinitionError` where a type cannot make the round trip, or a default is not of the type."""
    if _is_certain(hint, default):
        return
    codec = _codec(f"{task}: {what}", hint)
    reason = codec.obstacle
    if reason is not None:
        better = cure(hint)
        why = f"{reason.partition('; ')[0]}. {better}" if better else f"{reason}."
        raise DefinitionError(f"{task}: {what} ({_shown(hint)}) cannot make the round trip through JSON: {why}")
    if default is not inspect.Parameter.empty and codec.is_decided_by_type:
        try:
            codec.encode(default)
        except Misfit as misfit:
            raise DefinitionError(
                f"{task}: {what} has the default {default!r:.80}, which does not fit {_shown(hint)}:{describe(misfit.errors)}\n"
                "Change the default or the type."
            ) from None


def _codec(task: str, hint: object) -> Codec:
    bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
    own_config = hasattr(bare, "__pydantic_config__") or hasattr(bare, "model_config") or hasattr(bare, "__dataclass_fields__")
    try:
        return Codec(hint, own_config=None if own_config or _is_typed_dict(bare) else CONFIG)
    except NameError:
        raise
    except (PydanticUserError, SchemaError, TypeError, ValueError) as error:
        raise DefinitionError(
            f"{task} ({_shown(hint)}) has no JSON form: {why_no_schema(error)} "
            + (cure(hint) or "Use a pydantic model, a dataclass or a standard type.")
        ) from None


def _is_certain(hint: object, default: object) -> bool:
    """Return whether a type is known to make the round trip, and the default (if there is one) to be of it."""
    if not any(hint is plain for plain in _PLAIN):
        return False
    return default is inspect.Parameter.empty or type(default) is (type(None) if hint is None else hint)


def _is_typed_dict(hint: object) -> bool:
    return isinstance(hint, type) and issubclass(cast("type[object]", hint), dict) and hasattr(cast("object", hint), "__total__")


def _collected(parameter: inspect.Parameter, hint: object) -> object:
    """Return the type under which `*args` and `**kwargs` travel."""
    if parameter.kind is parameter.VAR_POSITIONAL:
        return list[hint]  # type: ignore[valid-type]  # made at run time
    if parameter.kind is parameter.VAR_KEYWORD:
        return dict[str, hint]  # type: ignore[valid-type]  # made at run time
    return hint


def _shown(hint: object) -> str:
    return hint.__name__ if isinstance(hint, type) else str(hint).replace("typing.", "")


def _too_large(what: str, size: int, limit: int, option: str) -> ErrorDetails:
    text = (
        f"{what} has {size} bytes as JSON, and at most {limit} are allowed; store it elsewhere and send a reference to it, "
        f"or raise Broker({option}=...)"
    )
    return ErrorDetails(type="too_long_as_json", loc=(), msg=text, input="")
