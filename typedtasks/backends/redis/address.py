"""Where Redis is: what the URL of a server, of Sentinels or of a cluster means. Parsing, passwords and TLS are redis-py's."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from ssl import SSLContext
from typing import Any, Final, TypeAlias, cast
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

from redis.asyncio.connection import SSLConnection, parse_url
from redis.exceptions import RedisError

from typedtasks.backends.urls import has_form, redacted, shown_option
from typedtasks.errors import BackendUnsupported

__all__ = ["Address", "ClusterAddress", "SentinelAddress"]

_TLS: Final = "ssl_"
# Any: the options' values have types by name.
_Options: TypeAlias = dict[str, Any]
_OPTIONS: Final = ("host", "port", "path", "db", "username", "password", "connection_class")
_OF_SENTINELS: Final = "sentinel_"
_SENTINEL_PORT: Final = 26379
_REDIS_PORT: Final = 6379
_CREDENTIAL: Final = re.compile(r"[?&](sentinel_)?(username|password)=[^&]*")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a Redis is, and who asks."""

    host: str
    port: int
    path: str
    """Of a Unix socket; empty for TCP."""
    greeting: tuple[tuple[object, ...], ...] = field(repr=False)
    """The commands that make a new connection usable: authentication, and the choice of a database."""
    tls: SSLContext | None

    @property
    def name(self) -> str:
        """How it is named in errors."""
        return self.path or f"{self.host}:{self.port}"

    def at(self, host: str, port: int) -> Address:
        """Return the address of another server for the same user."""
        return replace(self, host=host, port=port)

    @classmethod
    def of(cls, url: str, whole: str = "") -> Address:
        """Return the address that a URL names. Raises `BackendUnsupported` for a URL that is none.

        `whole` is the URL that the user has written, where `url` is a part of it.
        """
        whole = whole or url
        options, tls = _read(url, whole)
        host = str(options.get("host") or "localhost")
        unknown = [name for name in options if name not in _OPTIONS and not name.startswith(_TLS)]
        if unknown:
            raise BackendUnsupported(
                f"The broker's URL {redacted(whole)!r} has the unknown option {shown_option(unknown[0])!r}. Known are db, "
                "username, password, shards, with rediss:// redis-py's ssl_ options such as ssl_ca_certs, and with "
                "redis+sentinel:// sentinel_username and sentinel_password."
            )
        username, password, db = options.get("username"), options.get("password"), options.get("db", 0)
        greeting: list[tuple[object, ...]] = []
        if password or username:
            greeting.append(("AUTH", username, password or "") if username else ("AUTH", password))
        if db:
            greeting.append(("SELECT", db))
        return cls(host, int(options.get("port", _REDIS_PORT)), options.get("path", ""), tuple(greeting), tls)


@dataclass(frozen=True, slots=True)
class SentinelAddress:
    """Whom to ask for the primary of a service: `redis+sentinel://user:password@host1:26379,host2:26379/service/0`."""

    service: str
    sentinels: tuple[Address, ...]
    primary: Address
    """Of the primary everything but its host and port, which the Sentinels say."""

    @classmethod
    def of(cls, url: str) -> SentinelAddress:
        """Return what a URL names. Raises `BackendUnsupported` for a URL that is none."""
        parts = _split(url, "+sentinel", _SENTINEL_PORT)
        service, _, db = parts.path.partition("/")
        if not service:
            raise _unusable(url, "it does not name a service: write redis+sentinel://host:26379/<service>")
        given = dict(parts.options)
        user, password = given.pop(f"{_OF_SENTINELS}username", ""), given.pop(f"{_OF_SENTINELS}password", "")
        theirs = f"{quote(user, safe='')}:{quote(password, safe='')}@" if user or password else ""
        primary = Address.of(f"{parts.scheme}://{parts.user}{parts.hosts[0]}/{db}?{urlencode(given)}", url)
        sentinels = [replace(Address.of(f"redis://{theirs}{host}/", url), tls=primary.tls) for host in parts.hosts]
        return cls(unquote(service), tuple(sentinels), primary)


@dataclass(frozen=True, slots=True)
class ClusterAddress:
    """Nodes of a cluster that know the others: `redis+cluster://user:password@host1:6379,host2:6379`."""

    nodes: tuple[Address, ...]

    @classmethod
    def of(cls, url: str) -> ClusterAddress:
        """Return what a URL names. Raises `BackendUnsupported` for a URL that is none."""
        parts = _split(url, "+cluster", _REDIS_PORT)
        options = dict(parts.options)
        if parts.path not in ("", "0") or options.pop("db", "0") != "0":
            raise _unusable(url, "a cluster has no databases: leave out the path")
        first = Address.of(f"{parts.scheme}://{parts.user}{parts.hosts[0]}/?{urlencode(options)}", url)
        nodes = [Address.of(f"redis://{host}/", url) for host in parts.hosts]
        return cls(tuple(first.at(node.host, node.port) for node in nodes))


@dataclass(frozen=True, slots=True, repr=False)
class _Parts:
    """A URL with several hosts, taken apart."""

    scheme: str
    """`redis` or `rediss`."""
    user: str
    """What stands before the hosts, as it is written, `@` included; or nothing."""
    hosts: tuple[str, ...]
    """Each with its port."""
    path: str
    options: tuple[tuple[str, str], ...]


def _split(url: str, kind: str, port: int) -> _Parts:
    _check(url)
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = None
    if parts is None:  # outside of the handler, whose error quotes the URL
        raise _unusable(url, "its brackets are not those of an IPv6 address: write a '[' or ']' in a password as %5B or %5D")
    user, at, names = parts.netloc.rpartition("@")
    hosts = tuple(_with_port(name.strip(), port) for name in names.split(",") if name.strip())
    if not hosts:
        raise _unusable(url, "it names no host")
    return _Parts(parts.scheme.removesuffix(kind), user + at, hosts, parts.path.strip("/"), tuple(parse_qsl(parts.query)))


def _with_port(host: str, port: int) -> str:
    has_port = ":" in host.rpartition("]")[2] if host.startswith("[") else ":" in host
    return host if has_port else f"{host}:{port}"


def _check(url: str) -> None:
    """Refuse what cannot be taken apart, or not where its writer meant it. Raises `BackendUnsupported`."""
    rest = url.partition("://")[2]
    behind = _CREDENTIAL.sub("", rest[len(re.split(r"[/?#]", rest, maxsplit=1)[0]) :])
    if "@" in behind and not url.startswith("unix:"):
        raise _unusable(url, "an @ stands behind the host: write a '/', '?', '#' or '@' in a password as %2F, %3F, %23 or %40")
    if not has_form(url):
        raise _unusable(
            url,
            "it has not the form redis://user:password@host:6379/0. A host has letters, digits, '.', '-' and '_', a port "
            "digits, and other characters of a user or password are written as %2F for '/', and so on",
        )


def _read(url: str, whole: str) -> tuple[_Options, SSLContext | None]:
    """Return what a URL's options are, and how TLS is set up. Raises `BackendUnsupported`.

    It does so outside of the handler: the errors of urllib and redis-py quote the URL, and go with whatever is raised inside.
    """
    _check(whole)
    try:
        options = cast("_Options", parse_url(url))
        tls = _tls(options)
        if not options.get("path") and urlsplit(url).path[1:] not in ("", str(options.get("db"))):
            reason = "its path is not the number of a database, such as /0"
        elif not _is_host(str(options.get("host") or "localhost")):
            reason = "its host is none"
        else:
            return options, tls
    except OSError as error:
        reason = f"TLS cannot be set up with its options: {error.strerror or type(error).__name__}"
    except (ValueError, TypeError, RedisError):
        reason = "a port, the number of a database or an ssl_ option has a value that it cannot have"
    raise _unusable(whole, reason)


def _is_host(host: str) -> bool:
    try:
        host.encode("idna")
    except UnicodeError:
        return False
    return True


def _unusable(url: str, reason: str) -> BackendUnsupported:
    return BackendUnsupported(f"The broker's URL {redacted(url)!r} cannot be used: {reason}.")


def _tls(options: _Options) -> SSLContext | None:
    if options.get("connection_class") is not SSLConnection:
        return None
    known = {name: value for name, value in options.items() if name.startswith(_TLS)}
    # Any: redis-py does not type what it returns.
    return cast("SSLContext", cast("Any", SSLConnection(**known).ssl_context).get())
