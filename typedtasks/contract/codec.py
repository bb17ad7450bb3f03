"""One type's values to JSON and back, validated in both directions: what does not fit is a `Misfit`."""

from __future__ import annotations

from typing import Final

from pydantic import ConfigDict, ValidationError
from pydantic_core import ErrorDetails, PydanticSerializationError

from typedtasks.contract.classes import Built
from typedtasks.contract.doubts import has_long_number
from typedtasks.contract.sameness import Change, change_between
from typedtasks.contract.schemas import Node, Schemas
from typedtasks.errors import describe, error_details, printable, representation

__all__ = ["Codec", "Misfit", "validator_raised", "why_no_schema"]

_REPLACED: Final = "\ufffd".encode()
_CURE: Final = (
    "Make the validator (or __post_init__) give the same for its own result, and write the serializer and the validator as a pair"
)


class Misfit(ValueError):
    """A value does not fit its type. `errors` is pydantic's error list."""

    def __init__(self, errors: list[ErrorDetails]) -> None:
        super().__init__(describe(errors))
        self.errors = errors

    @property
    def is_size(self) -> bool:
        """Whether the value fits its type, and is only too large."""
        return [error["type"] for error in self.errors] == ["too_long_as_json"]

    def without_values(self) -> Misfit:
        """Return the same without what was given."""
        return Misfit(_without_values(self.errors))


class Codec:
    """Writes and reads the values of one type. Raises pydantic's errors when it is made for what has no JSON form."""

    def __init__(self, type: object, *, own_config: ConfigDict | None = None) -> None:
        self._schemas = Schemas(type, own_config=own_config)
        facts = self._schemas.facts
        self._strict = None if facts.is_lax else True
        self.holds_secret = facts.holds_secret
        """Whether a secret is in there: then no error shows what was given."""
        self._is_certain = not facts.is_doubtful
        self._rounds = facts.may_round

    @property
    def core(self) -> Node:
        """The type as pydantic's core schema."""
        return self._schemas.core

    @property
    def built(self) -> Built:
        """What is built of the type."""
        return self._schemas.built

    @property
    def obstacle(self) -> str | None:
        """Why values of this type do not survive the round trip, and what to use instead; None where they do."""
        facts = self._schemas.facts
        return facts.obstacle_if_lax if facts.is_lax else facts.obstacle

    @property
    def is_decided_by_type(self) -> bool:
        """Whether no validator has a say: such may look at the machine (a file that exists) and so not hold everywhere."""
        return not self._schemas.facts.has_validators

    def encode(self, value: object) -> bytes:
        """Return a Python value as JSON. Raises `Misfit` where it is not of the type, or would not arrive as it is."""
        schemas = self._schemas
        try:
            valid = schemas.validate_python(value, strict=True, by_alias=True, by_name=True)
            written = schemas.to_json(valid)
            # Hot: types that are certain pay three comparisons. A number that an int was rounded to is not equal to it; a slice
            # tells that there are many bytes without a call; lone surrogates in keys are replaced without a word.
            if (
                not self._is_certain
                or (self._rounds and valid != value)
                or (written[4300:4301] and has_long_number(written))
                or _REPLACED in written
            ):
                self._prove(value, valid, written)
            return written
        except Misfit:
            raise
        except ValidationError as error:
            raise Misfit(self.shown(error_details(error))) from None
        except (PydanticSerializationError, ValueError, RecursionError) as error:
            raise Misfit([_unserializable(error)]) from None
        except Exception as error:
            raise Misfit([validator_raised(error)]) from error

    def _prove(self, given: object, valid: object, written: bytes) -> None:
        """Raise `Misfit` unless what was written is read as what was given, by that which reads it where it arrives."""
        try:
            arrived = self.decode(written)
        except Misfit as misfit:
            raise Misfit([_unreadable(error) for error in misfit.errors]) from misfit.__cause__
        change = change_between(given, valid, arrived)
        if change is not None:
            raise Misfit(self.shown([_changed(change, hidden=self.holds_secret)]))

    def decode(self, written: bytes) -> object:
        """Return the value that the JSON says. Raises `Misfit` where it is not of the type."""
        try:
            return self._schemas.validate_json(written, strict=self._strict, by_alias=True)
        except ValidationError as error:
            raise Misfit(self.shown(error_details(error))) from None
        except Exception as error:
            raise Misfit([validator_raised(error)]) from error

    def shown(self, errors: list[ErrorDetails]) -> list[ErrorDetails]:
        """Return errors without what was given, where that may be a secret."""
        return _without_values(errors) if self.holds_secret else errors


def _without_values(errors: list[ErrorDetails]) -> list[ErrorDetails]:
    return [ErrorDetails(type=error["type"], loc=error["loc"], msg=error["msg"], input="") for error in errors]


def _unreadable(error: ErrorDetails) -> ErrorDetails:
    text = f"Value would be written and could not be read again where it arrives ({error['msg']}). {_CURE}"
    return ErrorDetails(type="unreadable", loc=error["loc"], msg=text, input=error["input"])


def _changed(change: Change, *, hidden: bool) -> ErrorDetails:
    before, after = representation(change.before), representation(change.after)
    if before == after:
        before, after = (
            f"{shown} of the type {type(value).__name__}" for shown, value in ((before, change.before), (after, change.after))
        )
    values = "" if hidden else f": {before} went in, and {after} would come out"
    return ErrorDetails(type="changed", loc=change.place, msg=f"Value would arrive as another one{values}. {_CURE}", input="")


def validator_raised(error: BaseException) -> ErrorDetails:
    """Return what a validator of the user raised as an entry of an error list."""
    text = printable(f"A validator raised {type(error).__name__}: {error}")
    return ErrorDetails(type="validator_raised", loc=(), msg=text, input="")


def why_no_schema(error: Exception) -> str:
    """Return what pydantic says about a type that it knows nothing of, without its advice, which does not help here."""
    text = str(error).partition("\n")[0].partition(" Set `arbitrary_types_allowed")[0]
    _, unknown, type = text.partition("Unable to generate pydantic-core schema for ")
    return f"pydantic does not know how to write {type}" if unknown else text


def _unserializable(error: Exception) -> ErrorDetails:
    text = str(error) or type(error).__name__
    return ErrorDetails(type="unserializable", loc=(), msg=printable(f"Value cannot be written as JSON: {text}"), input="")
