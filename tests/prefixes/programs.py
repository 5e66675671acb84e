"""Programs: small dynamic workflows as data, built by the test and, where they grow, by their own tasks.

A value is a tree that tells its whole story: the name of the task that gave it, and what that task was
given. So an answer shows which split each reader of a wait has seen, and which error was caught.
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from pathlib import Path
from tempfile import gettempdir
from typing import Any, Literal, TypeAlias

from sqlalchemy import make_url

import alula
from alula import workflow
from alula._core._gates import arm, disarm
from alula.futures import ObjectRef
from alula.graph import Mark, Node
from alula.workflow._worker import _inside

LARGE = bytes(80_000)
"""More than stands in a record."""

DEATHS = 3
"""How often a task may die with its process, as by default."""


@dataclass(frozen=True, slots=True)
class Tree:
    """A value: who gave it, and what that one was given."""

    name: str
    parts: tuple["Tree", ...] = ()
    pad: bytes = field(default=b"", compare=False, repr=False)

    def walk(self) -> Iterator["Tree"]:
        yield self
        for part in self.parts:
            yield from part.walk()


class BrokenError(Exception):
    """What a task of a program raises; its only argument is the name of the task."""


@dataclass(frozen=True, slots=True, eq=False)
class Call:
    """A task that runs: it gives a tree of what it read, or goes on with something else.

    Attributes
    ----------
    name
        Its task id, and what it is called in trees.
    parts, nested
        What it reads, and which of that stands inside of a list.
    then
        What it returns.
    checkpoint, catch, inplace
        Options.
    fails, tries
        Whether it raises whenever it runs; how often it does at first, and is tried again.
    large, boxed
        Whether its value does not stand in the record, or holds a reference.
    tells
        Whether it sets an event.
    local
        Whether it is given something that is good for one process only.
    wild
        Whether its body is a coroutine.
    dies
        At which gate its process is killed in the first attempt, at which passage from then on; no gate
        is at once.
    """

    name: str
    parts: tuple["Step", ...] = ()
    nested: tuple[int, ...] = ()
    then: "Step | Rest | None" = None
    checkpoint: bool | None = None
    catch: bool = False
    inplace: bool = False
    fails: bool = False
    tries: int = 0
    large: bool = False
    boxed: bool = False
    tells: bool = False
    local: bool = False
    wild: bool = False
    dies: tuple[str, int] | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Wait:
    """Waits for some of several."""

    name: str
    over: tuple["Step", ...]
    count: int = 1
    timeout: float | None = None
    abandon: Literal["cancel", "run"] = "cancel"


@dataclass(frozen=True, slots=True, eq=False)
class Sleep:
    """Takes its time."""

    name: str
    seconds: float = 1.0


@dataclass(frozen=True, slots=True, eq=False)
class Event:
    """Waits for what a listener gives, which is its name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Signal:
    """Waits for a signal, whose key and payload are its name."""

    name: str


Step: TypeAlias = Call | Wait | Sleep | Event | Signal


@dataclass(frozen=True, slots=True, eq=False)
class Rest:
    """What a reader of splits does with what remains.

    Attributes
    ----------
    how
        Read the values; read them from inside a list; wait again; return the first; or give handles away.
    inner
        The task that it goes on with, except in the last two cases.
    """

    how: Literal["read", "nest", "wait", "return", "hand"]
    inner: Call


# ------------------------------------------------------------------------------------------ looking


def inside(step: Step | Rest | None) -> Iterator[Step]:
    """Give all steps of a program, some more than once."""
    match step:
        case None:
            return
        case Rest(inner=inner):
            yield from inside(inner)
            return
        case Call(parts=parts, then=then):
            for part in (*parts, then):
                yield from inside(part)
        case Wait(over=over):
            for part in over:
                yield from inside(part)
    yield step


def every(program: Step) -> list[Step]:
    """Give each step of a program once."""
    return list(dict.fromkeys(inside(program)))


def show(step: Step | Rest | None, known: set[str] | None = None) -> str:
    """Write a program as the code that makes it; what stands there for a second time, by its name."""
    known = set() if known is None else known
    if step is None:
        return "None"
    if isinstance(step, Rest):
        return f"Rest({step.how!r}, {show(step.inner, known)})"
    if step.name in known:
        return step.name
    known.add(step.name)
    usual = replace(step, name="")
    said = [repr(step.name)]
    for name in type(step).__dataclass_fields__:
        value = getattr(step, name)
        if name in ("parts", "over") and value:
            said.append(f"{name}=({', '.join(show(part, known) for part in value)},)")
        elif name == "then" and value is not None:
            said.append(f"then={show(value, known)}")
        elif name != "name" and value != type(step).__dataclass_fields__[name].default and value != ():
            said.append(f"{name}={getattr(usual, name)!r}")
    return f"{type(step).__name__}({', '.join(said)})"


# ----------------------------------------------------------------------------------------- building


def build(step: Step, made: dict[Step, Node[Any]] | None = None) -> Node[Any]:
    """Make the node of a step; one that stands in several places is one node."""
    made = {} if made is None else made
    if step not in made:
        made[step] = _built(step, made)
    return made[step]


def _built(step: Step, made: dict[Step, Node[Any]]) -> Node[Any]:
    match step:
        case Wait(name, over, count, timeout, abandon):
            nodes = [build(part, made) for part in over]
            node = workflow.wait(nodes, num_returns=count, timeout=timeout, abandon=abandon)
        case Sleep(name, seconds):
            node = _named(workflow.sleep(seconds), name)
            node = replace(node, args=(_named(node.args[0], f"{name}.due"),))
        case Event(name):
            node = workflow.wait_for_event(Listener, name)
            node = replace(node, args=(Listener, _named(node.args[1], f"{name}.poll")))
        case Signal(name):
            node = workflow.wait_for_signal(name)
        case Call():
            parts: list[Any] = [build(part, made) for part in step.parts]
            return _bound(step, [[x] if i in step.nested else x for i, x in enumerate(parts)])
    return _named(node, name)


def _named(node: Node[Any], name: str) -> Node[Any]:
    return replace(node, options={**node.options, "task_id": name})


def _bound(call: Call, args: Sequence[Any]) -> Node[Any]:
    given: dict[str, Any] = {"task_id": call.name}
    if call.checkpoint is not None:
        given["checkpoint"] = call.checkpoint
    if call.catch:
        given["catch_exceptions"] = True
    if call.inplace:
        given["allow_inplace"] = True
    if call.tries:
        given["max_retries"] = call.tries + DEATHS
    body = perform_later if call.wild else perform
    if call.local:
        args = [*args, workflow.local(os.getpid())]
    engine: dict[str, Any] = {} if call.inplace else {"num_cpus": 0.1}
    return body.options(**engine, **workflow.options(**given)).bind(call, *args)


# ----------------------------------------------------------------------------------------- the tasks


class Tally:
    """What has run of the workflows of one store: a line in a file for each."""

    def __init__(self, store: str) -> None:
        url = make_url(store)
        name = blake2b(f"{url.query.get('host')}/{url.database}".encode(), digest_size=8).hexdigest()
        self.path = (
            Path(f"{url.database}.tally")
            if url.get_backend_name() == "sqlite"
            else Path(gettempdir(), f"alula-tally-{name}")
        )

    def mark(self, name: str) -> int:
        """Note that it runs; give how often it has."""
        with self.path.open("a+") as file:
            file.write(f"{name}\n")
            file.flush()
            file.seek(0)
            return file.read().split().count(name)

    def counts(self) -> Counter[str]:
        return Counter(self.path.read_text().split()) if self.path.exists() else Counter()

    def clear(self) -> None:
        self.path.unlink(missing_ok=True)


is_driver = False
"""Whether this process drives the workflows, and so is not the one that a task may kill."""

POLLED: Counter[str] = Counter()
"""How often the listeners of this process were asked."""


class Listener(workflow.EventListener):
    async def poll_for_event(self, name: str) -> str:
        POLLED[name] += 1
        await asyncio.sleep(0)
        return name

    async def event_checkpointed(self, event: str) -> None:
        POLLED[f"{event} acknowledged"] += 1


def _perform(call: Call, *args: Any) -> Any:
    order = _inside.get()
    assert order is not None
    attempt = Tally(order.book.store).mark(call.name)
    watch_artifacts(order.book.store)
    if call.local:
        *args, pid = args  # type: ignore[assignment]  # a list will do
        assert pid == os.getpid()
    if call.dies and attempt == 1 and not is_driver:
        _die_at(*call.dies)
    seen = tuple([seen_as(arg) for arg in args])
    if call.fails or attempt <= call.tries:
        raise BrokenError(call.name)
    if call.tells:
        workflow.set_event(call.name, call.name)
    if call.then is None:
        return _given(call, Tree(call.name, seen))
    if isinstance(call.then, Rest):
        return _rest(call, call.then, args, seen)
    return workflow.continuation(build(call.then))


perform = alula.remote(_perform)


@alula.remote
async def perform_later(call: Call, *args: Any) -> Any:
    await asyncio.sleep(0)
    return _perform(call, *args)


def _given(call: Call, tree: Tree) -> Any:
    if call.large:
        tree = replace(tree, pad=LARGE + call.name.encode())
    return {"boxed": alula.put(tree)} if call.boxed else tree


def _rest(call: Call, rest: Rest, args: Sequence[Any], seen: tuple[Tree, ...]) -> Any:
    ready: list[Tree] = []
    left: list[Any] = []
    for one, others in filter(None, map(_split, args)):
        ready += [seen_as(value) for value in one]
        left += [handle for handle in others if handle not in left]
    inner: Any
    match rest.how:
        case "read":
            inner = _bound(rest.inner, [*ready, *left])
        case "nest":
            inner = _bound(rest.inner, [*ready, *[[handle] for handle in left]])
        case "wait":
            inner = _bound(rest.inner, [*ready, *([workflow.wait(left)] if left else [])])
        case "return" if left:
            inner = left[0]
        case "return":
            return _given(call, Tree(call.name, seen))
        case "hand":
            return ready, left
    return workflow.continuation(inner)


def _split(value: Any) -> tuple[list[Any], list[Any]] | None:
    """Give the split that a value is, or is the pair of; None if it is none."""
    match _fetched(value):
        case (list() as ready, list() as left) | ((list() as ready, list() as left), None):
            return ready, left
    return None


def seen_as(value: Any) -> Tree:
    """Give what stands for a value in the tree of its reader."""
    value = _fetched(value)
    match value:
        case None:
            return Tree("nothing")
        case str():
            return Tree(f"told {value}")
        case Tree():
            return replace(value, pad=b"")
        case {"boxed": ref}:
            return seen_as(alula.get(ref))
        case (list() as ready, list() as left):
            assert all(isinstance(mark, Mark) for mark in left)
            return Tree("split", (*map(seen_as, ready), Tree(f"and {len(left)}")))
        case (None, BaseException() as error):
            return Tree(f"caught {error.args[0]}")
        case (good, None):
            return Tree("good", (seen_as(good),))
    raise AssertionError(f"no task gives {value!r}")


def _fetched(value: Any) -> Any:
    match value:
        case [ObjectRef() as ref]:
            return alula.get(ref)
    return value


_last_store = ""


def _disarm_for_another(store: str) -> None:
    """Let this process live if it has not come to its gate, and works for another program now."""
    global _last_store
    if store != _last_store and "ALULA_FAULTS" not in os.environ:
        disarm()
    _last_store = store


def _die_at(gate: str, passage: int) -> None:
    """Kill this process, at once or at a passage of a gate from now on."""
    left = passage

    def pass_by() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    if gate:
        arm(gate, pass_by)
    else:
        pass_by()


# ------------------------------------------------------------------------- the order of large values


def watch_artifacts(store: str) -> None:
    """Note of each artifact that this process writes from now on how long the log of the store was then."""
    _disarm_for_another(store)
    url = make_url(store)
    if url.get_backend_name() != "sqlite" or "ALULA_FAULTS" in os.environ:
        return
    log, noted = Path(f"{url.database}-wal"), Path(f"{url.database}.artifacts")
    drafts = Path(str(url.database)).parent / "artifacts" / "drafts"

    def note() -> None:
        [*found] = drafts.iterdir()
        with noted.open("a") as file:
            for draft in found:
                with suppress(FileNotFoundError):  # another process's, which has just been finished
                    inode = draft.stat().st_ino
                    file.write(f"{inode} {log.stat().st_size if log.exists() else 0}\n")

    arm("artifacts.written", note)
