"""What the mypy configuration says to the plugin."""

from __future__ import annotations

import configparser
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, NamedTuple, cast

from mypy.errorcodes import ErrorCode

from typedtasks.mypy_plugin import codes

__all__ = ["Settings", "SettingsError"]

_CONTRACT: Final = "typedtasks_contract"
_ENABLE: Final = "typedtasks_enable"
_SECTIONS: Final = ("typedtasks-mypy", "mypy")
"""The second one works too, but mypy warns of every key there that is not its own."""


class SettingsError(Exception):
    """The configuration says what is not possible."""


class Settings(NamedTuple):
    """What stands in `[typedtasks-mypy]`, or in `[tool.typedtasks-mypy]` of pyproject.toml."""

    contract: Path | None = None
    """`typedtasks_contract`: the committed contract, relative to the folder of the configuration file."""
    enabled: frozenset[ErrorCode] = frozenset()
    """`typedtasks_enable`: codes that are off by default. mypy's daemon crashes when `enable_error_code` names a plugin's code."""

    @classmethod
    def read(cls, config_file: str | None) -> Settings:
        """Return what stands in the configuration file that mypy uses. Raises `SettingsError`."""
        if config_file is None:
            return cls()
        path = Path(config_file)
        merged: dict[str, object] = {}
        for name, section in _sections(path):
            for key in section:
                if key not in (_CONTRACT, _ENABLE) and (name == _SECTIONS[0] or key.startswith("typedtasks")):
                    header = f"tool.{name}" if path.suffix == ".toml" else name
                    raise SettingsError(f"{path.name}: [{header}] has no key {key!r}; known are {_CONTRACT} and {_ENABLE}.")
            merged = {**section, **merged}
        contract = _words(path, _CONTRACT, merged.get(_CONTRACT, []))
        if len(contract) > 1:
            raise SettingsError(f"{path.name}: {_CONTRACT} has to be the path of one contract.json.")
        enabled = [_code(path, name) for name in _words(path, _ENABLE, merged.get(_ENABLE, []))]
        return cls(path.parent / contract[0] if contract else None, frozenset(enabled))


def _sections(path: Path) -> Iterator[tuple[str, Mapping[str, object]]]:
    """Yield the plugin's sections and their names, the most specific first. Of what cannot be read, mypy has complained already."""
    if path.suffix == ".toml":
        tools = cast("dict[str, dict[str, object]]", tomllib.loads(path.read_text(encoding="utf-8")).get("tool", {}))
        yield from ((name, tools[name]) for name in _SECTIONS if name in tools)
        return
    parser = configparser.RawConfigParser()
    parser.read(path, encoding="utf-8")
    for name in filter(parser.has_section, _SECTIONS):
        yield name, {key: value for key, value in parser.items(name) if key not in parser.defaults()}


def _words(path: Path, key: str, value: object) -> Sequence[str]:
    """Return a value as a list of texts: written as one text, separated by commas, or as a list of TOML."""
    written = cast("list[object]", value) if isinstance(value, list) else value.split(",") if isinstance(value, str) else [value]
    words = [word.strip("\"' \n") if isinstance(word, str) else "" for word in written]
    if not all(words):
        raise SettingsError(f"{path.name}: {key} = {value!r} has to be text.")
    return words


def _code(path: Path, name: str) -> ErrorCode:
    known = {code.code: code for code in codes.ALL}
    if name not in known:
        raise SettingsError(f"{path.name}: {_ENABLE} names {name!r}, which is no code; known are {', '.join(sorted(known))}.")
    return known[name]
