"""Any DAG gives what its operations give one by one, in the order of the listing.

That is so in both spellings, with operations side by side or one after the other, put together with
others or not, in the foreground or not; and if one fails, what is answered is true and nothing is stored.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import pytest
import redis
from hypothesis import given
from hypothesis import strategies as st

from alula.errors import CommandError
from alula.server import Config, LoadTime, Server, Tensor, background
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
    st.tuples(st.just("slow"), name, name),
)
failing = ops | st.tuples(st.just("fail"), name, name)


def number(tensor: Tensor) -> int:
    return bytes(tensor.data)[0]


def add(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    first, second = inputs
    return (Tensor(first.dtype, (1,), bytes([(number(first) + number(second)) % 256])),)


def fork(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    [one] = inputs
    return one, Tensor(one.dtype, (1,), bytes([(number(one) + 1) % 256]))


def same(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    return (inputs[0],)


def fail(inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    raise CommandError("it is broken")


MODELS = {"add": (add, 2, 1), "fork": (fork, 1, 2), "slow": (same, 1, 1), "fail": (fail, 1, 1)}


@contextmanager
def serving(*, parallel: bool = True, batchsize: int = 0) -> Iterator[Any]:
    """A client of a server with all models; the one called slow is on a device of its own."""
    backend, config, wide = Controlled(), Config(), LoadTime(dag_parallelism=3)
    config.dag_parallel = parallel
    for name, (behaviour, inputs, outputs) in MODELS.items():
        backend.add(name, behaviour, inputs=inputs, outputs=outputs)
    with (
        background(Server(port=0, backends={"ONNX": backend}, load_time=wide, config=config)) as server,
        redis.Redis(port=server.port, protocol=2) as made,
    ):
        for name in MODELS:
            device = "CPU:1" if name == "slow" else "CPU"
            made.execute_command("AI.MODELSTORE", name, "ONNX", device, "BATCHSIZE", batchsize, "BLOB", name)
        yield made


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    with serving() as made:
        yield made


@pytest.fixture(scope="module")
def strict() -> Iterator[Any]:
    with serving(parallel=False) as made:
        yield made


@pytest.fixture(scope="module")
def batching() -> Iterator[Any]:
    with serving(batchsize=4) as made:
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
            case "slow", source, name:
                self.bound[name] = self.read(source)
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
        case "fork", source, low, high:
            return f"MODELRUN fork INPUTS {source} OUTPUTS {low} {high}"
        case model, source, name:
            return f"MODELRUN {model} INPUTS {source} OUTPUTS {name}"
    raise AssertionError(op)


def fresh(client: Any) -> dict[str, int]:
    client.delete(*NAMES)
    for key, value in (("a", 1), ("b", 2)):
        client.execute_command("AI.TENSORSET", key, "UINT8", 1, "VALUES", value)
    return {"a": 1, "b": 2}


def stored(client: Any) -> dict[str, int]:
    names = [key.decode() for key in client.keys("*") if client.type(key) == b"AI_TENSOR"]
    return {key: client.execute_command("AI.TENSORGET", key, "VALUES")[0] for key in names}


listings = st.lists(ops, min_size=1, max_size=8)


@given(listings)
def test_inline(client: Any, listing: list[Op]) -> None:
    plain = Plain(scoped=False, keys=fresh(client))
    command = " => ".join(map(words, listing)).split()
    check(client, plain, listing, ["AI.DAGRUN", *command])
    stores = {key: value for key, value in plain.bound.items() if not key.startswith("~")}
    assert stored(client) == plain.keys | (stores if plain.replies else {})


@given(listings, st.sets(st.sampled_from(["a", "b"]), min_size=1), st.data())
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


# ----------------------------------------------------------------------------- ways to say the same


def ask(client: Any, *words: str) -> object:
    try:
        return client.execute_command(*words)
    except redis.ResponseError as error:
        return f"{type(error).__name__}: {error}"


def inline(listing: Sequence[Op]) -> list[str]:
    return " => ".join(map(words, listing)).split()


def shown(reply: object) -> object:
    """A reply with its errors as text, for they are not equal to each other."""
    return (
        [str(item) if isinstance(item, Exception) else item for item in reply]
        if isinstance(reply, list)
        else reply
    )


def seen(client: Any, *command: str) -> tuple[object, dict[str, int]]:
    """What a command answers, and what is stored afterwards."""
    fresh(client)
    return shown(ask(client, *command)), stored(client)


@given(listings)
def test_strict_order_and_batches_give_the_same(
    client: Any, strict: Any, batching: Any, listing: list[Op]
) -> None:
    command = ["AI.DAGRUN", *inline(listing)]
    expected = seen(client, *command)
    assert seen(strict, *command) == expected
    assert seen(batching, *command) == expected


@given(listings)
def test_a_run_in_the_background_gives_the_same(client: Any, listing: list[Op]) -> None:
    expected = seen(client, "AI.DAGRUN", *inline(listing))
    fresh(client)
    number = ask(client, "AI.DAGRUNASYNC", *inline(listing))
    if not isinstance(number, bytes):
        assert (number, stored(client)) == expected
        return
    fields: Any = ask(client, "AI.DAGSTATUS", number.decode(), "WAIT", "0")
    found = dict(zip(fields[::2], fields[1::2], strict=True))
    assert (found[b"state"], found[b"completed"]) == (b"done", len(listing))
    assert (shown(found[b"replies"]), stored(client)) == expected


@given(listings)
def test_an_inline_dag_said_with_scopes_gives_the_same(client: Any, listing: list[Op]) -> None:
    """LOAD what is read before it is bound, PERSIST what is bound under a plain name."""
    expected = seen(client, "AI.DAGRUN", *inline(listing))
    loads, persists = dict[str, None](), dict[str, None]()
    for op in listing:
        reads, writes = parts(op)
        loads |= {name: None for name in reads if name not in persists and not name.startswith("~")}
        persists |= {name: None for name in writes if not name.startswith("~")}
    header = [f"{len(loads)}", *loads] if loads else []
    command = ["LOAD", *header] if loads else []
    command += ["PERSIST", f"{len(persists)}", *persists] if persists else []
    command += [word for op in listing for word in ("|>", *words(op).split())]
    if isinstance(expected[0], list):
        assert seen(client, "AI.DAGRUN", *command) == expected
    else:  # the checks come in another order then, but something is wrong
        assert isinstance(seen(client, "AI.DAGRUN", *command)[0], str)


def parts(op: Op) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The names that an operation reads, and those that it writes."""
    match op:
        case "TENSORSET", name, _:
            return (), (name,)
        case "TENSORGET", name:
            return (name,), ()
        case "add", first, second, name:
            return (first, second), (name,)
        case "fork", source, low, high:
            return (source,), (low, high)
        case _, source, name:
            return (source,), (name,)
    raise AssertionError(op)


# ------------------------------------------------------------------------------------- failures


def check_failed(listing: list[Op], replies: object, before: dict[str, int], after: object) -> None:
    """Some operation failed: what is answered is true, and nothing is stored."""
    assert after == before
    assert isinstance(replies, list)
    assert "it is broken" in replies
    values: dict[str, int | None] = dict(before)
    for op, reply in zip(listing, replies, strict=True):
        reads, writes = parts(op)
        inputs = [values.get(name) for name in reads]
        results: list[int | None] = [None] * len(writes)
        if op[0] == "TENSORSET":
            assert reply == b"OK"
            results = [int(op[2])]
        elif op[0] == "TENSORGET":
            assert reply == (b"NA" if inputs[0] is None else [inputs[0]])
        elif None in inputs:
            assert reply == b"NA"
        elif op[0] == "fail":
            assert reply in ("it is broken", b"NA")
        else:
            assert reply in (b"OK", b"NA")
            results = outputs(op[0], [number for number in inputs if number is not None], len(writes), reply)
        values.update(zip(writes, results, strict=True))


def outputs(model: str, inputs: Sequence[int], count: int, reply: object) -> list[int | None]:
    if reply != b"OK":
        return [None] * count
    if model == "add":
        return [sum(inputs) % 256]
    both: list[int | None] = [inputs[0], (inputs[0] + 1) % 256]
    return both[:count]


@pytest.mark.parametrize("way", ["client", "strict", "batching"])
@given(listing=st.lists(failing, min_size=1, max_size=8))
def test_after_a_failure_all_that_is_answered_is_true(
    request: pytest.FixtureRequest, way: str, listing: list[Op]
) -> None:
    server = request.getfixturevalue(way)
    before = fresh(server)
    found = shown(ask(server, "AI.DAGRUN", *inline(listing)))
    after = stored(server)
    if isinstance(found, str):
        assert after == before
    elif any(op[0] == "fail" for op in listing):
        check_failed(listing, found, before, after)
