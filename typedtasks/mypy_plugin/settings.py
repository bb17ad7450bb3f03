"""What the mypy configuration says to the plugin."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

__all__ = ["Settings"]

_KEY: Final = "typedtasks_contract"
_SECTIONS: Final = ("typedtasks-mypy", "mypy")
"""The second one works too, but mypy says of every key that it does not know that it does not know it."""


@dataclass(frozen=True, slots=True)
class Settings:
    """`typedtasks_contract`: the committed contract, relative to the folder of the configuration file."""

    contract: Path | None = None

    @classmethod
    def read(cls, config_file: str | None) -> Settings:
        """Return what stands in the configuration file that mypy uses. Raises `ValueError` for what is no path."""
        if config_file is None:
            return cls()
        path = Path(config_file)
        for section in _sections(path):
            value = section.get(_KEY)
            if value is not None:
                if not isinstance(value, str) or not value.strip("\"' "):
                    raise ValueError(f"{path.name}: {_KEY} = {value!r} has to be the path of a contract.json.")
                return cls(path.parent / value.strip("\"' "))
        return cls()


def _sections(path: Path) -> Iterator[Mapping[str, object]]:
    if path.suffix == ".toml":
        tools = cast("dict[str, dict[str, object]]", tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}))
        yield from (tools[name] for name in _SECTIONS if name in tools)
        return
    parser = configparser.RawConfigParser()
    parser.read(path, encoding="utf-8")
    yield from (dict(parser.items(name)) for name in _SECTIONS if parser.has_section(name))
