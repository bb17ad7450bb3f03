"""Say whether `constraints.txt` pins every package that the project and its tools need, each at a version that all of them accept.

It needs no network: what is installed is compared with what is pinned. `make audit` asks for known vulnerabilities.
"""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = "typedtasks"


def main() -> int:
    constraints = (ROOT / "constraints.txt").read_text()
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    found = sorted({*problems(constraints, wanted_by(project))})
    for problem in found:
        print(f"constraints.txt: {problem}", file=sys.stderr)
    return 1 if found else 0


def wanted_by(project: Mapping[str, object]) -> list[Requirement]:
    """Return what the project itself asks for, with all of its extras."""
    dependencies, extras = project["dependencies"], project["optional-dependencies"]
    assert isinstance(dependencies, list)
    assert isinstance(extras, dict)
    texts: list[str] = [*dependencies, *(text for extra in extras.values() for text in extra)]
    return [wanted for wanted in map(Requirement, texts) if canonicalize_name(wanted.name) != PROJECT]


def problems(constraints: str, wanted: Sequence[Requirement]) -> Iterator[str]:
    """Yield what is wrong with the pins for those requirements and for whatever they require in their turn."""
    pins: dict[str, str] = {}
    for line in constraints.splitlines():
        pin = re.fullmatch(r"([A-Za-z0-9._-]+)==([A-Za-z0-9._+!-]+)", line)
        if pin is None:
            yield f"{line!r} is not of the form name==version"
        elif canonicalize_name(pin[1]) in pins:
            yield f"{pin[1]} is pinned twice"
        else:
            pins[canonicalize_name(pin[1])] = pin[2]
    for requirement, asker in _closure(wanted):
        name = canonicalize_name(requirement.name)
        pinned = pins.get(name)
        if pinned is None:
            yield f"{name} is not pinned, and {asker} requires it"
        elif not requirement.specifier.contains(pinned, prereleases=True):
            yield f"{name}=={pinned} is not {requirement.specifier}, which {asker} requires"
        elif (installed := _installed(name)) not in (None, pinned):
            yield f"{name}=={pinned} is pinned, and {installed} is installed"


def _closure(wanted: Sequence[Requirement]) -> Iterator[tuple[Requirement, str]]:
    """Yield every requirement that holds here, with who asks for it. What is not installed asks for nothing."""
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(requirement, PROJECT, frozenset({""})) for requirement in wanted]
    while waiting:
        requirement, asker, extras = waiting.pop()
        marker = requirement.marker
        if marker is not None and not any(marker.evaluate({"extra": extra}) for extra in extras):
            continue
        yield requirement, asker
        name, own_extras = canonicalize_name(requirement.name), frozenset({"", *requirement.extras})
        if (name, own_extras) not in seen and _installed(name) is not None:
            seen.add((name, own_extras))
            waiting += [(Requirement(text), name, own_extras) for text in distribution(name).requires or ()]


def _installed(name: str) -> str | None:
    try:
        return distribution(name).version
    except PackageNotFoundError:
        return None


if __name__ == "__main__":
    sys.exit(main())
