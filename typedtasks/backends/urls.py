"""URLs of backends, fit to be shown."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["redacted"]

_OPTION: Final = re.compile(r"([?&])([^=&#]*)=([^&#]*)")
_PASSWORD: Final = re.compile(r"//.*@")
_HAVE_NO_PASSWORD: Final = ("sqlite", "memory")


def redacted(url: str) -> str:
    """Return a URL without its passwords, fit for logs and errors."""
    url = _OPTION.sub(_redacted_option, url)
    try:
        parts = urlsplit(url)
    except ValueError:  # it says why it is no URL wherever it is opened; its password stays hidden here, too
        return _PASSWORD.sub("//***@", url)
    if parts.scheme in _HAVE_NO_PASSWORD:
        return url
    stray = parts.path + parts.fragment + ("" if "@" in parts.netloc else parts.query)
    if "@" in stray:  # an unescaped password, taken apart in the wrong place
        return _PASSWORD.sub("//***@", url)
    if parts.password is None:
        return url
    user = f"{parts.username}:***@" if parts.username else ":***@"
    return parts._replace(netloc=user + parts.netloc.rpartition("@")[2]).geturl()


def _redacted_option(option: re.Match[str]) -> str:
    return f"{option[1]}{option[2]}=***" if unquote(option[2]).endswith("password") else option[0]
