"""Digests of those statements of a source file that say what mypy drops. A file is not parsed for them: that takes too long."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator
from typing import Final

__all__ = ["MARKS", "digest_of_annotations", "digest_of_marks"]

MARKS: Final = ("Depends", "Security")
"""The names of what marks a parameter as injected."""
_WORDS: Final = tuple(name.encode() for name in MARKS)
_DECLARATIONS: Final = re.compile(
    rb"^(?:[ \t]*(?:async[ \t]+)?def[ \t]|[A-Za-z_]\w*[ \t]*(?::[^\n=]*)?=|[ \t]+[A-Za-z_]\w*[ \t]*:)", re.MULTILINE
)
"""The beginnings of functions, of what may be an alias at the top of a file, and of fields of a class."""
_TOKENS: Final = re.compile(rb"#[^\n]*|\\\n|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'|[\n()\[\]{}]")
"""Comments, texts, brackets and the ends of lines."""
_ODD: Final = re.compile(rb"[#\"'\\]")
"""What makes it unsure where a line of a statement ends."""


def digest_of_marks(text: bytes) -> str:
    """Return a digest of the statements with `Depends` and the like; nothing where there are none."""
    return _digest(_statements(text, _WORDS))


def digest_of_annotations(text: bytes) -> str:
    """Return a digest of the statements in which anything is annotated, or that may make an alias of a type."""
    declared = _from_matches(text, _DECLARATIONS.finditer(text))
    return _digest([*_statements(text, (*_WORDS, b"Annotated")), *declared])


def _statements(text: bytes, of: Iterable[bytes]) -> Iterator[bytes]:
    """Yield the statements that have some words in them, or what one was imported as."""
    words = list(of)
    for word in words:
        matches = list(re.finditer(word + rb"(?:\s+as\s+(\w+))?", text)) if word in text else []
        yield from _from_matches(text, matches)
        words.extend({found[1] for found in matches if found[1] is not None}.difference(words))


def _from_matches(text: bytes, matches: Iterable[re.Match[bytes]]) -> Iterator[bytes]:
    """Yield what stands around some places, from the start of the line to its end, or to where the last bracket is closed."""
    end = 0
    for found in matches:
        if found.start() >= end:
            end = _end_of_statement(text, found.end())
            yield text[text.rfind(b"\n", 0, found.start()) + 1 : end].strip()


def _end_of_statement(text: bytes, position: int) -> int:
    end = text.find(b"\n", position)
    line = text[position:end]
    if end >= 0 and line.count(b"(") <= line.count(b")") and line.count(b"[") <= line.count(b"]") and not _ODD.search(line):
        return end  # most have one line, which is found faster so
    depth = 0
    for found in _TOKENS.finditer(text, position):
        if found[0] in b"([{":
            depth += 1
        elif found[0] in b")]}":
            depth -= 1
        elif found[0] == b"\n" and depth <= 0:
            return found.start()
    return len(text)


def _digest(lines: Iterable[bytes]) -> str:
    """Return a digest of some lines; nothing of none."""
    text = b"\n".join(lines)
    return hashlib.blake2b(text, digest_size=16).hexdigest() if text else ""
