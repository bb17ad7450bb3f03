"""URLs of backends, fit to be shown.

Nobody knows where a mistyped URL has its password, so what is shown is what is known to be none: the parts of a URL that has the
form of one, and of its options those that hold no secret. Everything else is `***`.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

__all__ = ["has_form", "redacted", "shown_option"]

_HIDDEN: Final = "***"
_LOCAL: Final = ("sqlite", "memory")
_SCHEMES: Final = ("redis", "rediss", "unix", "redis+sentinel", "rediss+sentinel", "redis+cluster", "rediss+cluster", *_LOCAL)
_PARTS: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://([^/?#]*)([^?#]*)(?:\?([^#]*))?(#.*)?", re.DOTALL)
_OF_PATHS: Final = re.compile("[\udc80-\udcff\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
"""Bytes of a path that is not UTF-8, as Python has them in text, and spaces: they steer no terminal and are in names of files."""
_HOST: Final = r"(?:[A-Za-z0-9_.-]*|\[[0-9A-Fa-f:.]*\])(?::[0-9]{1,5})?"
_HOSTS: Final = re.compile(rf"{_HOST}(?:,\s*{_HOST})*")
_CREDENTIAL: Final = re.compile(r"(?:^|&)(?:sentinel_)?(?:username|password)=[^&]*")
_USER: Final = re.compile(r"[A-Za-z0-9_.-]*")
_NAME: Final = re.compile(r"[A-Za-z_]{1,32}")
_PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9_.~/%-]*")
_ASTRAY: Final = {
    "sqlite": re.compile(r":[^@]*@|[;&][^/]*=|(?i:pass)\w*[=:]"),
    "unix": re.compile(r":[^@]*@|[;&][^/]*=|(?i:pass)\w*[=:]|^/[^/]*@"),
}
_ASTRAY_ELSEWHERE: Final = re.compile(r"[:@=&]")
_NUMBER: Final = re.compile(r"/?[0-9]{0,5}/?")
"""What stands in the path of a file, or of anything else, where another part of the URL has got into it."""
_OPTIONS: Final = {
    "db": re.compile(r"[0-9]{1,5}"),
    "shards": re.compile(r"[A-Za-z0-9_,:%-]{1,200}"),
    "username": _USER,
    "sentinel_username": _USER,
    "ssl_ca_certs": _PLAIN_PATH,
    "ssl_ca_path": _PLAIN_PATH,
    "ssl_certfile": _PLAIN_PATH,
    "ssl_keyfile": _PLAIN_PATH,
    "ssl_cert_reqs": re.compile(r"none|optional|required"),
    "ssl_check_hostname": re.compile(r"(?i)true|false|yes|no|[01]"),
}
"""Options whose values may be shown, and what these look like."""


def redacted(url: str) -> str:
    """Return a URL without its passwords, and without whatever may be one, fit for logs and errors."""
    shown = _shown(url)
    if shown is not None:
        return shown
    scheme = url.partition(":")[0]
    return f"{scheme}:{_HIDDEN}" if scheme in _SCHEMES else _HIDDEN


def has_form(url: str) -> bool:
    """Return whether a URL is one at all, with parts that can be told apart."""
    return _shown(url) is not None


def shown_option(name: str) -> str:
    """Return the name of an option, or what stands for one that does not look like a name."""
    return name if _NAME.fullmatch(name) else _HIDDEN


def _shown(url: str) -> str | None:
    """Return what is shown of a URL that has the form of one."""
    parts = _PARTS.fullmatch(url)
    if parts is None or not _OF_PATHS.sub("", url).isprintable():
        return None
    scheme, place, path, options, fragment = parts.groups("")
    user, at, hosts = place.rpartition("@")
    is_placed = not place if scheme in _LOCAL else not hosts if scheme == "unix" else _HOSTS.fullmatch(hosts)
    is_astray = _ASTRAY.get(scheme, _ASTRAY_ELSEWHERE).search(unquote(path)) or "@" in _CREDENTIAL.sub("", options) + fragment
    if not is_placed or is_astray:
        return None
    if scheme.startswith("redis") and not scheme.endswith("+sentinel") and not _NUMBER.fullmatch(path):
        path = f"/{_HIDDEN}"
    shown = f"{scheme}://{_shown_user(user)}{at}{hosts}{path}"
    return shown + (f"?{_shown_options(options)}" if options else "") + (f"#{_HIDDEN}" if fragment else "")


def _shown_user(user: str) -> str:
    name, colon, password = user.partition(":")
    if colon and password and _USER.fullmatch(name):
        return f"{name}:{_HIDDEN}"
    return _HIDDEN if user else ""  # a name alone is often a password whose colon was forgotten


def _shown_options(options: str) -> str:
    return "&".join(_shown_pair(pair) for pair in options.split("&"))


def _shown_pair(pair: str) -> str:
    name, equals, value = pair.partition("=")
    if not equals:
        return _HIDDEN if pair else ""
    known = _OPTIONS.get(name)
    is_shown = known is not None and known.fullmatch(value) is not None
    return f"{shown_option(name)}={value if is_shown else _HIDDEN}"
