"""A server for S3 of the tests' own: real HTTP on this machine, nothing kept after its end."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from urllib.request import Request, urlopen

import pytest


class S3:
    """The server, and what the environment needs to say so that programs find it."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint

    def call(self, method: str, path: str, data: bytes | None = None) -> bytes:
        request = Request(self.endpoint + path, data, {"Content-Type": "text/plain"}, method=method)
        with urlopen(request) as answer:
            return bytes(answer.read())

    def environment(self, user: str = "anybody") -> dict[str, str]:
        return {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_ACCESS_KEY_ID": user,
            "AWS_SECRET_ACCESS_KEY": "secret",
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_EC2_METADATA_DISABLED": "true",  # there is no such service to be asked for a user here
        }

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Let only those in whom it knows, who are none."""
        self.call("POST", "/moto-api/reset-auth", b"0")
        yield
        self.call("POST", "/moto-api/reset-auth", b"inf")


@contextmanager
def serving() -> Iterator[S3]:
    """Run the server, with this machine's own settings for S3 out of the way."""
    from moto.server import ThreadedMotoServer  # a second, which most runs of tests can do without

    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
        server.start()
        host, port = server.get_host_and_port()
        yield S3(f"http://{host}:{port}")
        server.stop()
