"""A client package as a project of its own, which can be built, published and installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import version
from typing import Final

from packaging.version import InvalidVersion, Version

from typedtasks_codegen.package import LIST
from typedtasks_codegen.refusal import GenerationError

__all__ = ["distribution_files", "distribution_name"]

_PROJECT: Final = """\
# @generated: do not edit. Written by
# typedtasks generate {target} --package {package} --distribution {version}
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "{version}"
description = "A typed client of the tasks of {target}."
requires-python = ">=3.11"
dependencies = [{dependencies}]
classifiers = ["Typing :: Typed"]

[tool.hatch.build.targets.wheel]
packages = ["{package}"]
"""


def distribution_name(package: str) -> str:
    """Return the name under which a package is published."""
    return re.sub(r"[-_.]+", "-", package).lower().strip("-")


def distribution_files(files: Mapping[str, str], target: str, package: str, number: str) -> dict[str, str]:
    """Return the files of a project around those of a package. Raises `GenerationError` for a version that no package can have."""
    try:
        number = str(Version(number))
    except InvalidVersion:
        raise GenerationError(f"--distribution {number!r} is not a version number, such as 1.4.0 (PEP 440).") from None
    email = any(kind in files["contract.json"] for kind in ('"pydantic.EmailStr"', '"pydantic.NameEmail"'))
    needed = [f"typedtasks>={version('typedtasks')}", *(["pydantic[email]"] if email else [])]
    project = _PROJECT.format(
        target=target,
        package=package,
        name=distribution_name(package),
        version=number,
        dependencies=", ".join(f'"{one}"' for one in needed),
    )
    inside = {f"{package}/{name}": text for name, text in files.items() if name != LIST}
    written = {"pyproject.toml": project, **inside}
    return {**written, LIST: "".join(f"{name}\n" for name in sorted([*written, LIST]))}
