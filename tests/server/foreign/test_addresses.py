"""The ways to a Redis: socket files, encrypted connections, and what is no way."""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from alula.errors import SettingError, StoreUnavailableError
from alula.server import RedisKeyspace, Server, background
from alula.server._foreign._address import Address
from tests.server.redis_server import RedisServer, free_port
from tests.server.world import Connect, request

OK = b"+OK\r\n"
Start = Callable[..., RedisServer]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with certificates that vouch for themselves, ours for a server on this machine first."""
    folder = tmp_path_factory.mktemp("certificates")
    if shutil.which("openssl") is None:
        if os.environ.get("CI"):
            pytest.fail("openssl is not installed")
        pytest.skip("openssl is not installed")
    for name, where in (("server", "IP:127.0.0.1"), ("elsewhere", "DNS:elsewhere.example")):
        made = [
            "openssl",
            "req",
            "-x509",
            "-nodes",
            "-days",
            "2",
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
        ]
        made += ["-keyout", str(folder / f"{name}.key"), "-out", str(folder / f"{name}.pem")]
        made += ["-subj", f"/CN={name}", "-addext", f"subjectAltName={where}"]
        subprocess.run(made, check=True, capture_output=True)
    return folder


@pytest.fixture
def secure(start_redis: Start, certificates: Path) -> Callable[..., str]:
    """Starts a Redis that speaks TLS alone; gives its URL, to which options may be added."""

    def start(name: str = "server", asks: str = "no") -> str:
        port, pem, key = free_port(), certificates / f"{name}.pem", certificates / f"{name}.key"
        files = ["--tls-cert-file", str(pem), "--tls-key-file", str(key), "--tls-ca-cert-file", str(pem)]
        start_redis("--port", "0", "--tls-port", str(port), *files, "--tls-auth-clients", asks)
        return f"rediss://127.0.0.1:{port}/2"

    return start


def carries(url: str, connect: Connect) -> None:
    """See that everything that has connections of its own goes over this one."""
    with background(Server(port=0, keyspace=RedisKeyspace(url))) as server:
        wire = connect(server)
        large = bytes(range(256)) * 2000
        assert wire.ask("AI.TENSORSET", "t", "UINT8", len(large), "BLOB", large) == OK
        assert wire.ask("AI.TENSORGET t BLOB") == b"$%d\r\n%b\r\n" % (len(large), large)
        wire.send(request("AI.TENSORSET a INT8 1") * 3 + request("AI.TENSORGET a VALUES"))
        assert [wire.reply() for _ in range(4)] == [OK, OK, OK, b"*1\r\n:0\r\n"]
        assert wire.ask("SUBSCRIBE news").startswith(b"*3")
        other = connect(server)
        assert other.ask("PUBLISH news x") == b":1\r\n"
        assert wire.reply().startswith(b"*3\r\n$7\r\nmessage")
        assert other.ask("DBSIZE") == b":2\r\n"


def test_a_socket_file(start_redis: Start, tmp_path: Path, connect: Connect) -> None:
    file = tmp_path / "redis.sock"
    redis = start_redis("--port", "0", "--unixsocket", str(file), "--requirepass", "geheim")
    carries(f"unix://:geheim@{tmp_path}/%72edis.sock?db=3", connect)
    redis.kill()
    nobody = Server(port=0, keyspace=RedisKeyspace(f"unix://{tmp_path}/nothing"))
    with (
        pytest.raises(StoreUnavailableError, match="nothing cannot be reached: No such file"),
        background(nobody),
    ):
        pass


def test_an_encrypted_connection(secure: Callable[..., str], certificates: Path, connect: Connect) -> None:
    carries(f"{secure()}?ssl_ca_certs={certificates}/server.pem", connect)


def test_a_redis_that_asks_who_we_are(
    secure: Callable[..., str], certificates: Path, connect: Connect
) -> None:
    url = f"{secure(asks='yes')}?ssl_ca_certs={certificates}/server.pem"
    stranger = Server(port=0, keyspace=RedisKeyspace(url))
    with (
        pytest.raises(StoreUnavailableError, match=r"(?i)certificate required|handshake|lost"),
        background(stranger),
    ):
        pass
    carries(f"{url}&ssl_certfile={certificates}/server.pem&ssl_keyfile={certificates}/server.key", connect)


def test_a_redis_for_which_nobody_vouches(secure: Callable[..., str], connect: Connect) -> None:
    url = secure()
    with (
        pytest.raises(StoreUnavailableError, match="certificate verify failed: self-signed certificate"),
        background(Server(port=0, keyspace=RedisKeyspace(url))),
    ):
        pass
    carries(f"{url}?ssl_cert_reqs=none", connect)


def test_a_redis_under_another_name(secure: Callable[..., str], certificates: Path, connect: Connect) -> None:
    url = f"{secure('elsewhere')}?ssl_ca_certs={certificates}/elsewhere.pem"
    with (
        pytest.raises(StoreUnavailableError, match="IP address mismatch"),
        background(Server(port=0, keyspace=RedisKeyspace(url))),
    ):
        pass
    carries(f"{url}&ssl_check_hostname=false", connect)


def test_one_end_encrypts_and_the_other_does_not(
    secure: Callable[..., str], start_redis: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "alula.server._foreign._link._CONNECT", 0.1
    )  # plain Redis waits for more of the greeting
    encrypted = secure().removesuffix("/2")
    for url in (encrypted.replace("rediss", "redis"), start_redis().url.replace("redis", "rediss", 1)):
        with (
            pytest.raises(StoreUnavailableError, match="cannot be reached: "),
            background(Server(port=0, keyspace=RedisKeyspace(url))),
        ):
            pass


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://x", "no address of a Redis"),
        ("redis://", "no address of a Redis"),
        ("redis://h:x", "no address of a Redis"),
        ("redis://h/x", "no address of a Redis"),
        ("redis://h?db=x", "no address of a Redis"),
        ("unix:relative", "no address of a Redis"),
        ("", "no address of a Redis"),
        ("redis://h?socket_timeout=3", "there is no option socket_timeout"),
        ("redis://h?ssl_ca_certs=x", "there is no option ssl_ca_certs"),
        ("rediss://h?ssl_ca_certs=/nothing", "certificates cannot be read: .*No such file"),
        ("rediss://h?ssl_certfile=/nothing", "certificates cannot be read: .*No such file"),
        ("rediss://h?ssl_cert_reqs=maybe", "ssl_cert_reqs must be one of required, none"),
    ],
)
def test_what_is_no_address(url: str, why: str) -> None:
    with pytest.raises(SettingError, match=why):
        RedisKeyspace(url)


def test_an_error_shows_no_password() -> None:
    for url in ("redis://me:secret@h:x", "redis://:secret@h?what=1", "http://:secret@h"):
        with pytest.raises(SettingError) as caught:
            RedisKeyspace(url)
        assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("valkey://:secret@[::1]:7/4", "redis://[::1]:7/4"),
        ("valkeys://me:secret@h", "rediss://h:6379"),
        ("redis://h?db=5", "redis://h:6379/5"),
        ("unix://:secret@/run/redis.sock?db=1", "unix:///run/redis.sock"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, name: str) -> None:
    address = Address.of(url)
    assert address.name == name
    assert "secret" not in repr(address)
