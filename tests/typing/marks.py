"""What the corpus expects, read from its comments.

* `# E: mypy arg-type, ty invalid-argument-type+missing-argument` stands above a line that is wrong, and says by which codes each
  checker refuses it. One that is not named lets it pass: that is a gap.
* `# gap: pyrefly assert-type` stands above a line that is right, and says which checker complains all the same.
* `# also: mypy exhaustive-match` stands above a line of a wrong program that some report, too; another line has its mark.
* `# ## name` begins a promise, and `# why: text` in it says what its gaps come from.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

__all__ = ["Line", "Promise", "codes_of", "read_promises", "with_findings"]

Kind: TypeAlias = Literal["wrong", "right", "beside"]

_REFUSED: Final = "# E:"
_COMPLAINT: Final = "# gap:"
_BESIDE: Final = "# also:"
_KINDS: Final[Mapping[str, Kind]] = {_REFUSED: "wrong", _COMPLAINT: "right", _BESIDE: "beside"}
_HEADING: Final = "# ## "
_WHY: Final = "# why: "

Codes = Mapping[str, frozenset[str]]
"""By checker: the codes of its errors on one line."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line with a mark above it."""

    number: int
    text: str
    kind: Kind
    codes: Codes


@dataclass(slots=True)
class Promise:
    """A part of the corpus: what it is about, why it has gaps, and its marked lines."""

    name: str
    why: str = ""
    lines: list[Line] = field(default_factory=list[Line])

    def gaps(self, checker: str) -> tuple[int, int]:
        """Return how many wrong lines the checker lets pass, and of how many right ones it complains."""
        missed = sum(line.kind == "wrong" and checker not in line.codes for line in self.lines)
        return missed, sum(line.kind == "right" and checker in line.codes for line in self.lines)


def read_promises(text: str) -> Iterator[Promise]:
    """Yield what a file of the corpus promises."""
    promise = Promise("")
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        content = line.strip()
        if content.startswith(_HEADING):
            if promise.name:
                yield promise
            promise = Promise(content.removeprefix(_HEADING))
        elif content.startswith(_WHY):
            promise.why = content.removeprefix(_WHY)
        elif kind := _kind(content):
            promise.lines.append(Line(number + 1, lines[number].strip(), _KINDS[kind], _codes(content, kind)))
    yield promise


def codes_of(promises: Sequence[Promise]) -> dict[int, Codes]:
    """Return the expected codes by the number of their line."""
    return {line.number: line.codes for promise in promises for line in promise.lines if line.codes}


def with_findings(text: str, findings: Mapping[int, Codes], checkers: Sequence[str]) -> str:
    """Return a file of the corpus with the marks that fit what the checkers report, by the numbers of its lines now.

    A line that was marked stays right or wrong; a new one is wrong where more than half of the checkers refuse it.
    """
    written: list[str] = []
    earlier = ""
    for number, line in enumerate(text.splitlines(), 1):
        content = line.strip()
        if kind := _kind(content):
            earlier = kind
            continue
        found = findings.get(number, {})
        if found or earlier == _REFUSED:
            kind = earlier or (_REFUSED if 2 * len(found) > len(checkers) else _COMPLAINT)
            shown = ", ".join(f"{name} {'+'.join(sorted(found[name]))}" for name in checkers if name in found)
            written.append(f"{line[: len(line) - len(line.lstrip())]}{kind} {shown}".rstrip())
        earlier = ""
        written.append(line)
    return "\n".join(written) + "\n"


def _kind(content: str) -> str:
    """Return how a mark begins; nothing where it is none."""
    return next((kind for kind in _KINDS if content.startswith(kind)), "")


def _codes(content: str, kind: str) -> Codes:
    named = [part.split() for part in content.removeprefix(kind).split(",") if part.strip()]
    return {checker: frozenset(codes.split("+")) for checker, codes in named}
