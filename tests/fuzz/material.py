"""What is fed to decoders: noise, and what is almost right."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Final

__all__ = ["chunks", "hostile_json", "mutated", "noise", "text"]

_PIECES: Final[Sequence[bytes]] = (
    b"",
    b"\x00",
    b"\n",
    b"\r\n",
    b"\xff",
    b"\xed\xa0\x80",
    b"\xef\xbb\xbf",
    b'"',
    b"\\ud800",
    b"\\u0000",
    b"\\uD83D\\uDE00",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"-0",
    b"0.1",
    b"+1",
    b"1_0",
    b"0x10",
    b"9" * 20,
    b"9" * 400,
    b"1" * 5000,
    b'{"v":1,"task":"add"}',
    b'"v":1,"v":2',
    b":",
    b",",
    b"-1",
    b"$-1\r\n",
    b"*3\r\n",
    b"*-1\r\n",
    b"$5\r\nhello\r\n",
    b":7\r\n",
    b"-ERR no\r\n",
    b"%1\r\n",
    b"~2\r\n",
    b"#t\r\n",
    b",1.5\r\n",
    b"(99999999999999999999999\r\n",
    b"_\r\n",
    b">2\r\n",
    b"=5\r\ntxt:x\r\n",
    "é\u2028\U0001f600".encode(),
)
_LEAVES: Final[Sequence[str]] = (
    *("null", "true", "false", "0", "-0", "1", "-1", "1.5", "1e400", "-1e-400", "NaN", "Infinity", "-Infinity"),
    *('""', '"x"', '"\\ud800"', '"\\u0000"', '"2024-01-01T00:00:00Z"', '"9999-99-99"', '"AAAA"', '"!!"', '"1"', '"\\uD83D\\uDE00"'),
    *("9" * 20, "-" + "9" * 400, "1" * 5000, "[", "{", "0x1", "1_0", "'x'", "undefined", ""),
)
_KEYS: Final[Sequence[str]] = (
    "number",
    "name",
    "rows",
    "tree",
    "when",
    "price",
    "data",
    "left",
    "right",
    "x",
    "",
    "\\ud800",
    "self",
)


def noise(chance: random.Random, most: int = 200) -> bytes:
    """Return random bytes."""
    return chance.randbytes(chance.randint(0, most))


def text(chance: random.Random, most: int = 40) -> str:
    """Return random text, lone surrogates included."""
    kinds = ("abz09._-:/@?=&%#[] ", "é\u2028\n\r\t\x00", "\ud800\udfff", "\U0001f600")
    return "".join(chance.choice(chance.choice(kinds)) for _ in range(chance.randint(0, most)))


def mutated(chance: random.Random, body: bytes) -> bytes:
    """Return something that is almost `body`."""
    for _ in range(chance.choice([0, 1, 1, 1, 2, 3, 6])):
        at = chance.randint(0, len(body))
        to = min(len(body), at + chance.randint(0, 12))
        match chance.randrange(6):
            case 0:
                body = body[:at] + body[to:]
            case 1:
                body = body[:at]
            case 2:
                body = body[:at] + body[at:to] * chance.choice([2, 3, 300]) + body[to:]
            case 3:
                body = body[:at] + noise(chance, 4) + body[to:]
            case _:
                body = body[:at] + chance.choice(_PIECES) + body[to:]
    return body


def hostile_json(chance: random.Random) -> bytes:
    """Return JSON, or what tries to be JSON: deep, long, doubled, out of range, not Unicode."""
    match chance.randrange(12):
        case 0:
            depth = chance.choice([10, 199, 200, 201, 1000, 100_000])
            opening, closing = chance.choice([("[", "]"), ('{"tree":', "}"), ('{"tree":{"left":', "}}")])
            return (opening * depth + "1" + (closing * depth if chance.random() < 0.7 else "")).encode()
        case 1:
            return noise(chance)
        case 2:
            return b'{"rows":[' + b",".join([b"1"] * chance.choice([10, 5000])) + b"]}"
        case 3:
            return b"{" + b",".join([b'"x%d":1' % (number % 3) for number in range(chance.choice([2, 2000]))]) + b"}"
        case _:
            whole = _value(chance, 4) if chance.random() < 0.2 else _object(chance, 4)
            encoded = whole.encode("utf-8", "surrogatepass")
            return mutated(chance, encoded) if chance.random() < 0.4 else encoded


def chunks(chance: random.Random, body: bytes) -> list[bytes]:
    """Return the same bytes in pieces."""
    pieces: list[bytes] = []
    while body:
        length = chance.choice([1, 2, 7, 50, len(body)])
        pieces.append(body[:length])
        body = body[length:]
    return pieces


def _object(chance: random.Random, depth: int) -> str:
    return "{" + ",".join(f'"{chance.choice(_KEYS)}":{_value(chance, depth - 1)}' for _ in range(chance.randint(0, 5))) + "}"


def _value(chance: random.Random, depth: int) -> str:
    if depth <= 0 or chance.random() < 0.5:
        return chance.choice(_LEAVES)
    if chance.random() < 0.5:
        return "[" + ",".join(_value(chance, depth - 1) for _ in range(chance.randint(0, 4))) + "]"
    return _object(chance, depth)
