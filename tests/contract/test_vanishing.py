"""What would vanish on the way, or could not be read at the other end, is refused where it is sent."""

from datetime import datetime

import pytest
from pydantic import JsonValue

from tests.contract.test_boundary import Chain, Holder, Pair, echo, many
from typedtasks.contract import Boundary, Misfit
from typedtasks.errors import PayloadInvalid, PayloadTooLarge


def test_keys_of_a_dictionary_that_would_vanish_are_refused() -> None:
    """A dictionary in place of a model, or one that is annotated as a TypedDict: what it holds arrives, or it is refused."""
    assert echo(Holder).encode_arguments(({"pair": {"id": 1}},), {}) == b'{"value":{"pair":{"id":1}}}'
    with pytest.raises(PayloadInvalid, match="has the key 'more', which is not part of Holder and would be lost"):
        echo(Holder).encode_arguments(({"pair": {"id": 1}, "more": 2},), {})
    with pytest.raises(Misfit, match="would be lost"):
        echo(Holder).encode_result({"pair": {"id": 1}, "more": 2})
    extra = {"id": 1, "more": 2}
    with pytest.raises(PayloadInvalid, match="Extra inputs are not permitted"):
        echo(Holder).encode_arguments((Holder.model_construct(pair=extra),), {})
    with pytest.raises(Misfit, match="Extra inputs are not permitted"):
        echo(Pair).encode_result(extra)


@pytest.mark.parametrize("levels", [150, 197, 198, 199, 200, 201, 230, 260, 1000])
@pytest.mark.parametrize("hint", [JsonValue, Chain], ids=["JsonValue", "Chain"])
def test_what_is_nested_too_deeply_is_refused_where_it_is_sent(hint: object, levels: int) -> None:
    """And never accepted by one end and refused by the other."""
    value: object = Chain() if hint is Chain else []
    for _ in range(levels):
        value = Chain.model_construct(next=value) if hint is Chain else [value]
    boundary = echo(hint)
    try:
        payload = boundary.encode_arguments((value,), {})
    except PayloadInvalid:
        assert levels > 190
    else:
        assert boundary.decode_arguments(payload)
    try:
        result = boundary.encode_result(value)
    except Misfit:
        assert levels > 190
    else:
        boundary.decode_result(result)


def test_the_error_about_depth_says_the_limit() -> None:
    value: JsonValue = []
    for _ in range(210):
        value = [value]
    with pytest.raises(PayloadInvalid, match="nested deeper than 200 levels"):
        echo(JsonValue).encode_arguments((value,), {})


def test_what_json_cannot_hold_is_refused_and_nothing_crashes() -> None:
    """Lone surrogates, values inside themselves, and payloads that are too large."""
    loop: list[object] = []
    loop.append(loop)
    with pytest.raises(PayloadInvalid):
        echo(str).encode_arguments(("\ud800",), {})
    with pytest.raises(PayloadInvalid):
        echo(JsonValue).encode_arguments((loop,), {})
    with pytest.raises(PayloadTooLarge) as raised:
        Boundary(many, task="t", max_payload=10).encode_arguments((1, "", b"", set(), {}, datetime(2026, 1, 1), None), {})
    assert raised.value.size > raised.value.limit == 10
