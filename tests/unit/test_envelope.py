"""The wire format of a call."""

from __future__ import annotations

import pytest

from typedtasks.envelope import MAX_HEADER, EnvelopeInvalid, EnvelopeReader, Header, write_header


def test_an_envelope_is_one_line_about_the_task_and_then_its_arguments() -> None:
    """What docs/wire-format.md shows is what is written; defaults are left out."""
    assert write_header(Header("mail.send")) == b'{"v":1,"task":"mail.send"}\n'


def test_every_field_of_the_header_makes_the_round_trip() -> None:
    """Nothing that a header says is lost on the wire."""
    header = Header(
        "mail.send", 3, 2, "client", 1_700_000_000_000, 2.5, (("tenant", "a"), ("é", "ü")), 1.5, "q0fVh-2a_Z", ("zlib",)
    )

    read, arguments = EnvelopeReader(1000).read(write_header(header) + b'{"to":"x"}')

    assert read == header
    assert arguments == b'{"to":"x"}'


def test_line_ends_inside_the_arguments_belong_to_the_arguments() -> None:
    """Only the first line end separates."""
    body = write_header(Header("a.b")) + b'{\n"x": 1\n}'

    assert EnvelopeReader(1000).read(body)[1] == b'{\n"x": 1\n}'


def test_fields_that_a_newer_version_added_are_ignored() -> None:
    """The version number says when that would be wrong."""
    assert EnvelopeReader(1000).read(b'{"v":1,"task":"a.b","colour":"red"}\n{}')[0] == Header("a.b")


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"", "no line end"),
        (b"not JSON\n{}", "not the header"),
        (b'{"v":2,"task":"a"}\n{}', "v: Input should be 1"),
        (b'{"v":1}\n{}', "task: Field required"),
        (b'{"v":1,"task":""}\n{}', "at least 1 character"),
        (b'{"v":1,"task":"a","attempt":"1"}\n{}', "attempt: Input should be a valid integer"),
        (b'{"v":1,"task":"a","attempt":true}\n{}', "attempt: Input should be a valid integer"),
        (b'{"v":1,"task":"a","attempt":0}\n{}', "greater than or equal to 1"),
        (b'{"v":1,"task":"\xff"}\n{}', "not the header"),
        (b"[" * 10_000 + b"\n{}", "not the header"),
        (b"x" * (MAX_HEADER + 1) + b"\n{}", "at most 16384 are allowed"),
        (b'{"v":1,"task":"a"}\n' + b"x" * 20_000, "this worker reads at most 17384"),
    ],
)
def test_bytes_that_are_no_envelope_are_refused_with_the_reason(body: bytes, text: str) -> None:
    """Whatever lies in a queue, reading it gives an envelope or a reason, and nothing else."""
    with pytest.raises(EnvelopeInvalid, match=text):
        EnvelopeReader(1000).read(body)


def test_equal_first_lines_are_parsed_once_and_memory_stays_bounded() -> None:
    """The cache of headers is emptied when it is full."""
    reader = EnvelopeReader(1000)

    first = reader.read(b'{"v":1,"task":"a"}\n{}')[0]

    assert reader.read(b'{"v":1,"task":"a"}\n{"x":1}')[0] is first
    for n in range(5000):
        assert reader.read(b'{"v":1,"task":"t%d"}\n{}' % n)[0] == Header(f"t{n}")
