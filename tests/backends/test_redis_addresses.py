"""What a URL of Redis names: hosts, users, passwords, TLS; and URLs that name nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.redis_server import RedisServer, Sentinel, free_port
from typedtasks import BackendUnavailable, BackendUnsupported, Broker
from typedtasks.backends.redis.address import Address, ClusterAddress, SentinelAddress


def test_a_url_of_sentinels_names_them_the_service_and_two_users() -> None:
    """Ports that are not given are those of Sentinels; what is escaped is sent as it was meant."""
    address = SentinelAddress.of(
        "redis+sentinel://ada:p%40ss@one,two:5000,[::1]/or%64ers/3?sentinel_username=s&sentinel_password=q%2Fq"
    )
    assert address.service == "orders"
    assert [(sentinel.host, sentinel.port) for sentinel in address.sentinels] == [("one", 26379), ("two", 5000), ("::1", 26379)]
    assert {sentinel.greeting for sentinel in address.sentinels} == {(("AUTH", "s", "q/q"),)}
    primary = address.primary.at("three", 6380)
    assert (primary.name, primary.greeting) == ("three:6380", (("AUTH", "ada", "p@ss"), ("SELECT", 3)))


def test_sentinels_without_a_user_of_their_own_are_asked_without_one() -> None:
    """The one of the servers is not shown to them."""
    address = SentinelAddress.of("redis+sentinel://:secret@one/orders")
    assert address.sentinels[0].greeting == ()
    assert address.primary.greeting == (("AUTH", "secret"),)


def test_a_url_of_a_cluster_names_nodes_and_one_user() -> None:
    """Ports that are not given are those of Redis."""
    address = ClusterAddress.of("redis+cluster://ada:pass@one,two:7001/0")
    assert [node.name for node in address.nodes] == ["one:6379", "two:7001"]
    assert {node.greeting for node in address.nodes} == {(("AUTH", "ada", "pass"),)}
    assert Address.of("redis://host").name == "host:6379"


@dataclass
class Certificates:
    """An authority, and what it has signed for 127.0.0.1."""

    authority: Path
    certificate: Path
    key: Path

    def options(self, port: int) -> tuple[tuple[str, str], ...]:
        """Return the options of a server that speaks TLS on a port."""
        return (
            ("tls-port", str(port)),
            ("tls-cert-file", str(self.certificate)),
            ("tls-key-file", str(self.key)),
            ("tls-ca-cert-file", str(self.authority)),
            ("tls-auth-clients", "no"),
        )

    def arguments(self, port: int) -> tuple[str, ...]:
        """Return the same for the command line."""
        return tuple(word for name, value in self.options(port) for word in (f"--{name}", value))


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    """Made for this test."""
    authority = trustme.CA()
    signed = authority.issue_cert("127.0.0.1", "localhost")
    made = Certificates(*(tmp_path / name for name in ("ca.pem", "cert.pem", "key.pem")))
    authority.cert_pem.write_to_path(made.authority)
    signed.cert_chain_pems[0].write_to_path(made.certificate)
    signed.private_key_pem.write_to_path(made.key)
    return made


@pytest.fixture
def servers() -> Iterator[list[RedisServer]]:
    """Servers that a test starts: they are gone afterwards."""
    started: list[RedisServer] = []
    yield started
    for server in started:
        server.kill()


def start(servers: list[RedisServer], server: RedisServer) -> RedisServer:
    """Start a server that is ended with the test."""
    servers.append(server)
    server.start()
    return server


async def trusts(url: str, authority: Path) -> None:
    """Hold that a broker opens when it knows the authority, and that it says so when it does not."""
    broker = Broker(f"{url}?ssl_ca_certs={authority}")
    broker.task(name="nothing")(nothing)
    async with broker:
        await broker.tasks["nothing"].enqueue()
    with pytest.raises(BackendUnavailable, match="(?i)certificate"):
        await Broker(url).open()


async def nothing() -> None:
    """Do nothing."""


async def test_rediss_checks_the_certificate(certificates: Certificates, servers: list[RedisServer], tmp_path: Path) -> None:
    """With the authority that signed it, the broker opens; without, it says so."""
    port = free_port()
    start(servers, RedisServer(tmp_path, (*certificates.arguments(port), "--save", "")))
    await trusts(f"rediss://127.0.0.1:{port}/0", certificates.authority)


async def test_sentinels_and_their_primary_speak_tls(
    certificates: Certificates, servers: list[RedisServer], tmp_path: Path
) -> None:
    """rediss+sentinel holds for both."""
    port, sentinel_port = free_port(), free_port()
    start(servers, RedisServer(tmp_path / "primary", (*certificates.arguments(port), "--save", "")))
    lines = [f"{name} {value}" for name, value in (*certificates.options(sentinel_port), ("tls-replication", "yes"))]
    start(servers, Sentinel(tmp_path / "sentinel", port, 1, lines))
    await trusts(f"rediss+sentinel://127.0.0.1:{sentinel_port}/orders", certificates.authority)


async def test_the_nodes_of_a_cluster_speak_tls(certificates: Certificates, servers: list[RedisServer], tmp_path: Path) -> None:
    """This one is alone and does not know its own host: then it is at the one that was asked."""
    port = free_port()
    own = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()), "--tls-cluster", "yes", "--save", "")
    node = start(servers, RedisServer(tmp_path, (*certificates.arguments(port), *own)))
    with node.client() as redis:
        redis.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
    await trusts(f"rediss+cluster://127.0.0.1:{port}", certificates.authority)


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("redis://localhost:port/0", "cannot be used"),
        ("redis://localhost/0?dbb=3", "unknown option 'dbb'. Known are db, username, password"),
        ("redis://a..b/0", "cannot be used"),
        ("rediss://localhost/0?ssl_cert_reqs=sometimes", "cannot be used"),
        ("redis://:s3cr/et@localhost/0", "an @ stands behind the host: write a '/'"),
        ("redis://:s3cr?et@localhost/0", "an @ stands behind the host"),
        ("redis://:s3cr#et@localhost/0", "an @ stands behind the host"),
        ("redis+sentinel://:s3cr/et@localhost/orders", "an @ stands behind the host"),
        ("redis+sentinel://localhost", "it does not name a service: write redis\\+sentinel://host:26379/<service>"),
        ("redis+sentinel:///orders", "it names no host"),
        ("redis+sentinel://localhost/orders/first", "its path is not the number of a database"),
        ("redis+sentinel://localhost/orders?sentinel_db=1", "unknown option 'sentinel_db'"),
        ("redis+cluster://localhost/3", "a cluster has no databases: leave out the path"),
        ("redis+cluster://localhost?db=3", "a cluster has no databases"),
        ("redis+proxy://localhost", "has no known scheme. Known are: redis://host:6379/0, redis\\+sentinel://"),
    ],
)
async def test_an_address_that_is_none_is_refused(url: str, text: str) -> None:
    """With what is wrong about it."""
    with pytest.raises(BackendUnsupported, match=text) as caught:
        await Broker(url).open()
    assert "s3cr" not in str(caught.value)
