"""URLs of backends, fit to be shown."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

__all__ = ["redacted"]

_PASSWORD_OPTION: Final = re.compile(r"([?&]password=)[^&]*")
_PASSWORD: Final = re.compile(r"//.*@")


def redacted(url: str) -> str:
    """Return a URL without its password, fit for logs and errors."""
    url = _PASSWORD_OPTION.sub(r"\1***", url)
    try:
        parts = urlsplit(url)
    except ValueError:  # it says why it is no URL wherever it is opened; its password stays hidden here, too
        return _PASSWORD.sub("//***@", url)
    if parts.password is None:
        return url
    user = f"{parts.username}:***@" if parts.username else ":***@"
    return parts._replace(netloc=user + parts.netloc.rpartition("@")[2]).geturl()
