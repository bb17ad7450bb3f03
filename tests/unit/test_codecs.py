"""The codecs by themselves, and how they are set up."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from typedtasks import Broker, DefinitionError
from typedtasks.codecs import Compress, Encrypt, PayloadCodec, Undecodable

KEY = Encrypt.new_key()


@pytest.mark.parametrize("data", [b"", b"short", b"x" * 5000, bytes(range(256)) * 8])
@pytest.mark.parametrize("codec", [Compress(), Compress(threshold=0, level=9), Encrypt({"a": KEY}), Encrypt({"ü": b"k" * 32})])
def test_what_is_encoded_is_decoded(codec: PayloadCodec, data: bytes) -> None:
    """Whatever it is."""
    assert codec.decode(codec.encode(data, b"task"), b"task", 10_000) == data


def test_small_and_incompressible_data_is_left_alone() -> None:
    """It costs one byte."""
    assert len(Compress().encode(b"x" * 1023, b"")) == 1024
    assert len(Compress().encode(b"x" * 1024, b"")) < 50
    assert len(Compress(threshold=0).encode(bytes(range(256)), b"")) == 257


def test_the_same_data_is_encrypted_in_another_way_each_time() -> None:
    """Nobody sees that two payloads are equal."""
    codec = Encrypt({"a": KEY})
    assert codec.encode(b"data", b"") != codec.encode(b"data", b"")


@pytest.mark.parametrize(
    ("encoded", "reason"),
    [
        (b"", "was not written by zlib's codec"),
        (b"\x07abc", "was not written by zlib's codec"),
        (b"\x01abc", "is damaged"),
        (Compress(threshold=0).encode(b"x" * 500, b"")[:-3], "its end is not where it should be"),
        (Compress(threshold=0).encode(b"x" * 500, b"") + b"more", "its end is not where it should be"),
        (Compress(threshold=0).encode(b"x" * 1001, b""), "more than the 1000 bytes"),
    ],
)
def test_compressed_data_that_cannot_be_read_says_why(encoded: bytes, reason: str) -> None:
    """It never raises anything else."""
    with pytest.raises(Undecodable, match=reason):
        Compress().decode(encoded, b"", 1000)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda: Encrypt({}), r"needs a mapping from key ids to keys"),
        (lambda: Encrypt([KEY]), r"needs a mapping from key ids to keys"),  # type: ignore[arg-type]  # what is under test
        (lambda: Encrypt({"a": "hunter2"}), r"the key 'a' is none: pass what Encrypt.new_key"),
        (lambda: Encrypt({"a": "hünter2"}), r"the key 'a' is none"),
        (lambda: Encrypt({"a": b"hunter2"}), r"the key 'a' is none"),
        (lambda: Encrypt({"a": 7}), r"the key 'a' is none"),  # type: ignore[dict-item]  # what is under test
        (lambda: Encrypt({"": KEY}), r"cannot be the id of a key"),
        (lambda: Encrypt({"x" * 65: KEY}), r"cannot be the id of a key"),
        (lambda: Compress(threshold=-1), r"pass a number of bytes"),
        (lambda: Compress(level=0), r"1 \(fast\) to 9"),
        (lambda: Broker("memory://", codecs=[Encrypt({"a": KEY}), Compress()]), r"put Compress before Encrypt"),
        (lambda: Broker("memory://", codecs=[Compress(), Compress()]), r"each of a name of its own"),
        (lambda: Broker("memory://", codecs=["zlib"]), r"'zlib' is no codec"),  # type: ignore[list-item]  # what is under test
    ],
)
def test_what_cannot_be_set_up_is_refused_without_showing_a_key(make: Callable[[], object], reason: str) -> None:
    """One line that says what to pass."""
    with pytest.raises(DefinitionError, match=reason) as refused:
        make()
    assert "hunter2" not in str(refused.value)


class Plain:
    """A codec of one's own, as small as it can be."""

    name = "plain"
    hides = False
    is_required = False

    def encode(self, data: bytes, bound_to: bytes) -> bytes:
        return data

    def decode(self, data: bytes, bound_to: bytes, limit: int) -> bytes:
        return data


def test_a_codec_waits_for_nothing_unless_it_says_so() -> None:
    """`awaited` is the one member that may be left out."""
    codec: Any = Plain()
    assert Broker("memory://", codecs=[codec]).sealing.awaited == ("the codec plain",)


@pytest.mark.parametrize("member", ["hides", "is_required", "encode", "decode"])
def test_a_codec_that_lacks_a_member_is_refused_with_what_to_write(member: str) -> None:
    """Not with an AttributeError when the first call is sent."""
    codec: Any = type("Lacking", (), {name: value for name, value in vars(Plain).items() if name != member})()
    with pytest.raises(DefinitionError, match=rf"Lacking.* lacks '{member}'; write .*{member}"):
        Broker("memory://", codecs=[codec])


def test_no_repr_shows_a_key() -> None:
    """Only its id."""
    assert repr(Encrypt({"a": KEY, "b": KEY})) == "<Encrypt with the key 'a' of 2>"


def test_nothing_of_cryptography_is_imported_before_it_is_needed() -> None:
    """It is an extra; without it, Encrypt says what to install."""
    program = """
import sys
import typedtasks, typedtasks.codecs, typedtasks.worker
assert not any(name.startswith("cryptography") for name in sys.modules)
sys.modules["cryptography.exceptions"] = None
try:
    typedtasks.Encrypt({"a": b"k" * 32})
except typedtasks.DefinitionError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert "pip install 'typedtasks[encryption]'" in done.stdout
