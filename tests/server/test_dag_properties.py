"""Any DAG gives what its operations give one by one, in the order of the listing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from alula.server import Server, Tensor, background
from tests.server.world import Controlled

KEYS = ("a", "b", "c")  # of which the last is not there at first
NAMES = (*KEYS, "~a~", "~x~")
Op: TypeAlias = tuple[str, ...]

name = st.sampled_from(NAMES)
ops = st.one_of(
    st.tuples(st.just("TENSORSET"), name, st.integers(0, 99).map(str)),
    st.tuples(st.just("TENSORGET"), name),
    st.tuples(st.just("add"), name, name, name),
    st.tuples(st.just("fork"), name, name, name),
)


def number(tensor: Tensor) -> int:
    return bytes(tensor.data)[0]


def add(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    first, second = inputs
    return (Tensor(first.dtype, (1,), bytes([(number(first) + number(second)) % 256])),)


def fork(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    [one] = inputs
    return one, Tensor(one.dtype, (1,), bytes([(number(one) + 1) % 256]))


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    backend = Controlled()
    backend.add("add", add, inputs=2)
    backend.add("fork", fork, outputs=2)
    with background(Server(port=0, backends={"ONNX": backend}, dag_parallelism=3)) as server:
        server.deploy("add", b"add")
        server.deploy("fork", b"fork")
        with redis.Redis(port=server.port, protocol=2) as made:
            yield made


@dataclass
class Plain:
    """The meaning of names, as one would write it down."""

    scoped: bool
    keys: dict[str, int]
    bound: dict[str, int] = field(default_factory=dict)
    replies: list[object] = field(default_factory=list)

    def read(self, name: str) -> int:
        if name in self.bound:
            return self.bound[name]
        if self.scoped or name.startswith("~"):
            raise LookupError("INPUT key cannot be found in DAG")
        if name not in self.keys:
            raise LookupError("tensor key is empty or in a different shard")
        return self.keys[name]

    def step(self, op: Op) -> None:
        match op:
            case "TENSORSET", name, value:
                self.bound[name] = int(value)
                self.replies.append(b"OK")
            case "TENSORGET", name:
                self.replies.append([self.read(name)])
            case "add", first, second, name:
                self.bound[name] = (self.read(first) + self.read(second)) % 256
                self.replies.append(b"OK")
            case "fork", source, low, high:
                self.bound[low], self.bound[high] = self.read(source), (self.read(source) + 1) % 256
                self.replies.append(b"OK")

    def run(self, listing: list[Op], persists: Sequence[str]) -> object:
        """Give all replies, or the one error."""
        try:
            for op in listing:
                self.step(op)
            if not set(persists) <= set(self.bound):
                raise LookupError("PERSIST key cannot be found in DAG")
        except LookupError as error:
            self.replies.clear()
            return str(error)
        return self.replies


def words(op: Op) -> str:
    match op:
        case "TENSORSET", name, value:
            return f"TENSORSET {name} UINT8 1 VALUES {value}"
        case "TENSORGET", name:
            return f"TENSORGET {name} VALUES"
        case "add", first, second, name:
            return f"MODELRUN add INPUTS {first} {second} OUTPUTS {name}"
        case _, source, low, high:
            return f"MODELRUN fork INPUTS {source} OUTPUTS {low} {high}"
    raise AssertionError(op)


def fresh(client: Any) -> dict[str, int]:
    client.delete(*NAMES)
    for key, value in (("a", 1), ("b", 2)):
        client.execute_command("AI.TENSORSET", key, "UINT8", 1, "VALUES", value)
    return {"a": 1, "b": 2}


def stored(client: Any) -> dict[str, int]:
    names = [key.decode() for key in client.keys("*") if client.type(key) == b"AI_TENSOR"]
    return {key: client.execute_command("AI.TENSORGET", key, "VALUES")[0] for key in names}


@given(st.lists(ops, min_size=1, max_size=8))
def test_inline(client: Any, listing: list[Op]) -> None:
    plain = Plain(scoped=False, keys=fresh(client))
    command = " => ".join(map(words, listing)).split()
    check(client, plain, listing, ["AI.DAGRUN", *command])
    stores = {key: value for key, value in plain.bound.items() if not key.startswith("~")}
    assert stored(client) == plain.keys | (stores if plain.replies else {})


@given(st.lists(ops, min_size=1, max_size=8), st.sets(st.sampled_from(["a", "b"]), min_size=1), st.data())
def test_scoped(client: Any, listing: list[Op], loads: set[str], data: st.DataObject) -> None:
    keys = fresh(client)
    plain = Plain(scoped=True, keys=keys, bound={key: keys[key] for key in loads})
    bound = sorted({key for key in KEYS if any(key in op for op in listing)} | loads)
    persists = data.draw(st.lists(st.sampled_from(bound), min_size=1, unique=True))
    header = f"LOAD {len(loads)} {' '.join(loads)} PERSIST {len(persists)} {' '.join(persists)}"
    command = header.split() + [word for op in listing for word in ("|>", *words(op).split())]
    check(client, plain, listing, ["AI.DAGRUN", *command], persists)
    stores = {key: plain.bound[key] for key in persists} if plain.replies else {}
    assert stored(client) == plain.keys | stores


def check(
    client: Any, plain: Plain, listing: list[Op], command: list[str], persists: Sequence[str] = ()
) -> None:
    """Compare the replies, or the error; after an error `plain` has no replies."""
    wanted = plain.run(listing, persists)
    try:
        found = client.execute_command(*command)
    except redis.ResponseError as error:
        found = str(error)
    assert found == wanted
