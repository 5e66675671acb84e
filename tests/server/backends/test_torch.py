import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch

from alula.errors import CommandError
from alula.server import Session, Tensor
from alula.server._backends import TorchBackend
from alula.server._backends._torch import TorchSession
from alula.server._backends._torch_tensors import Bridge
from alula.server._payloads import values
from alula.server._resident import Resident
from alula.server._scripts import Invocation, Program
from alula.server._tensors import DTYPES
from tests.server.torch_world import ENTRY, SCRIPT, torch_model

NUMBERS = ["FLOAT", "DOUBLE", "INT8", "INT16", "INT32", "INT64", "UINT8", "BOOL"]


def load(name: str) -> TorchSession:
    return TorchBackend().load(torch_model(name), "CPU")


def floats(*numbers: float) -> Tensor:
    return Tensor.of(np.array(numbers, "f4"))


def test_inputs_are_named_by_forward_and_outputs_are_counted() -> None:
    assert (load("mul").inputs, load("mul").outputs) == (("a", "b"), ("",))
    both = load("both")
    assert both.outputs == ("", "")
    assert [values(t.host()) for t in both.run([floats(3), floats(2)])] == [[5.0], [1.0]]


@pytest.mark.parametrize("name", NUMBERS)
@pytest.mark.parametrize("shape", [(), (3, 1), (0, 2), (100_000,)])
def test_every_dtype_goes_in_and_out(name: str, shape: tuple[int, ...]) -> None:
    dtype = DTYPES[name.encode()]
    tensor = Tensor.of(np.ones(shape, dtype.array))
    output = load("same").run([tensor])[0].host()
    assert (output.dtype, output.shape, bytes(output.data)) == (dtype, shape, bytes(tensor.data))


@pytest.mark.parametrize(
    ("name", "why"), [("UINT16", "Unsupported kUInt bits 16"), ("STRING", "Unsupported code 7")]
)
def test_a_dtype_that_it_does_not_know_is_refused(name: str, why: str) -> None:
    tensor = Tensor(DTYPES[name.encode()], (2,), b"a\0b\0" if name == "STRING" else bytes(4))
    with pytest.raises(CommandError) as caught:
        load("same").run([tensor])
    assert caught.value.text == why


def test_a_result_without_a_name_for_its_type_is_refused() -> None:
    with pytest.raises(CommandError) as caught:
        load("bfloat16").run([floats(1)])
    assert caught.value.text == "BFloat16 is not supported by dlpack"


@pytest.mark.parametrize("size", [1, 100_000])
def test_a_tensor_is_never_written_to(size: int) -> None:
    tensor = Tensor.of(np.zeros(size, "f4"))
    output = load("in place").run([tensor])[0].host()
    assert (values(output), values(tensor)) == ([1.0] * size, [0.0] * size)


def test_a_large_tensor_that_is_only_read_is_not_copied() -> None:
    tensor = Tensor.of(np.zeros(100_000, "f4"))
    output = load("same").run([tensor])[0].host()
    assert np.shares_memory(output.array(), tensor.array())


def test_what_stays_on_a_device_is_taken_there_as_it_is() -> None:
    """On the processor, which PyTorch treats like any device."""
    lent, owned = (Bridge(torch, "cpu", copy=copy, stay=True) for copy in (False, True))
    value = torch.tensor([1.0, 2.0])
    for bridge, own in ((lent, False), (owned, True)):
        found = bridge.back(value)
        assert isinstance(found, Resident)
        assert (found.home, found.dtype.name, found.shape) == (("torch", "cpu"), "FLOAT", (2,))
        assert (bridge.there(found) is found.handle) is not own
        assert values(found.host()) == [1.0, 2.0]
    assert (lent.home, Bridge(torch, "cpu", copy=False).home) == (("torch", "cpu"), None)
    assert Bridge(torch, "cuda:0", copy=False).home == ("torch", "cuda:0")


def test_a_type_without_a_name_stays_nowhere() -> None:
    with pytest.raises(CommandError, match="BFloat16 is not supported by dlpack"):
        Bridge(torch, "cpu", copy=False, stay=True).back(torch.zeros(1, dtype=torch.bfloat16))


def test_a_list_of_results_has_no_number_that_is_known_before() -> None:
    listed = load("listed")
    assert listed.outputs == ()
    with pytest.raises(CommandError) as caught:
        listed.run([floats(1)])
    assert caught.value.text == "Function returned unexpected number of outputs - forward"


def test_a_blob_that_is_no_model_is_refused_on_one_line() -> None:
    with pytest.raises(CommandError) as caught:
        TorchBackend().load(b"nonsense", "CPU")
    assert "\n" not in caught.value.text


@pytest.mark.parametrize("work", [lambda b: b.load(b"", "GPU"), lambda b: b.compile(b"", "GPU:1")])
def test_there_is_no_graphics_processor(work: Callable[[TorchBackend], object]) -> None:
    with pytest.raises(CommandError) as caught:
        work(TorchBackend())
    assert caught.value.text == "GPU requested but Torch couldn't find CUDA"


def test_nothing_is_imported_before_something_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    backend = TorchBackend()
    assert backend.facts() == {}
    backend.open()
    assert backend.facts() == {"Torch_version": torch.__version__}
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ImportError, match=r"pip install 'alula\[torch\]'"):
        TorchBackend().load(b"", "CPU")


def test_the_threads_of_an_operator_can_be_said(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[int] = []
    monkeypatch.setattr(torch, "set_num_threads", said.append)
    TorchBackend(threads=3).open()
    TorchBackend().open()
    assert said == [3]


# --------------------------------------------------------------------------------------- scripts


@dataclass
class Reached:
    """A server that remembers what was asked of it."""

    replies: dict[bytes, Any] = field(default_factory=dict)
    asked: list[tuple[list[bytes], bool]] = field(default_factory=list)

    def call(self, words: list[bytes], *, readonly: bool) -> Any:
        self.asked.append((words, readonly))
        reply = self.replies.get(words[0], "OK")
        if isinstance(reply, CommandError):
            raise reply
        return reply

    def session(self, key: bytes) -> Session:
        if key != b"mul":
            raise CommandError("ERR model key is empty")
        return load("mul")


def program(reached: Reached | None = None, source: bytes = SCRIPT) -> Program:
    return TorchBackend(reach=reached).compile(source, "CPU")


def call(script: Program, function: str, *inputs: Tensor, outputs: int = 1, **given: Any) -> list[Any]:
    invocation = Invocation(function=function.encode(), outputs=outputs, **given)
    return [values(t.host()) for t in script.run(invocation, inputs, entry=function in ENTRY)]


def test_functions_are_called_with_as_many_tensors_as_they_take() -> None:
    script = program()
    assert call(script, "bar", floats(1), floats(2), floats(9)) == [[3.0]]
    assert call(script, "bar_variadic", floats(1), floats(2), floats(3)) == [[5.0]]
    assert call(script, "both", floats(1), floats(2), outputs=2) == [[1.0], [2.0]]
    assert call(script, "count", floats(1), outputs=0) == []


@pytest.mark.parametrize(
    ("function", "inputs", "why"),
    [
        ("nope", 1, "Function does not exist: nope"),
        ("bar", 1, "Wrong number of inputs provided to function: bar"),
        ("number", 1, "Unsupported input type in function definition: number"),
        ("count", 1, "Function returned non-tensor valuescount"),
        ("both", 2, "Function returned unexpected number of outputs - both"),
    ],
)
def test_a_call_that_cannot_be_says_why(function: str, inputs: int, why: str) -> None:
    with pytest.raises(CommandError) as caught:
        call(program(), function, *[floats(1)] * inputs)
    assert caught.value.text == why


def test_a_call_that_fails_answers_on_one_line() -> None:
    with pytest.raises(CommandError, match="list index out of range") as caught:
        call(program(), "beyond", floats(1))
    assert "\n" not in caught.value.text


def test_calls_of_the_server_take_words_numbers_and_lists() -> None:
    reached = Reached({b"LRANGE": [b"4", b"5"]})
    assert call(program(reached), "push", keys=(b"k",), args=(b"1", b"2")) == [[4, 5]]
    assert reached.asked == [([b"RPUSH", b"k", b"1", b"2"], False), ([b"LRANGE", b"k", b"0", b"-1"], False)]


REPLIES: list[tuple[object, str]] = [
    (None, "None"), ("OK", "OK"), (b"text", "text"), (7, "7"), (1 << 40, "1099511627776"), (0.5, "0.5"),
    ([], "()"), ([b"a", b"b"], "[a, b]"), ([1, 2], "[1, 2]"), ([1, b"a", None], "(1, a, None)"),
    ([b"a", [1, 2]], "(a, [1, 2])"), ({b"k": b"v"}, "(k, v)"),
]  # fmt: skip


@pytest.mark.parametrize(("reply", "text"), REPLIES)
def test_a_reply_becomes_a_value_of_the_script(reply: object, text: str) -> None:
    source = b"""
def see(tensors: List[Tensor], keys: List[str], args: List[str]):
    redis.execute("NOTE", str(redis.execute("ASK")))
    return tensors
"""
    reached = Reached({b"ASK": reply})
    invocation = Invocation(function=b"see")
    program(reached, source).run(invocation, [], entry=True)
    assert reached.asked[1] == ([b"NOTE", text.encode()], False)


def test_an_error_reply_is_the_answer_alone() -> None:
    reached = Reached({b"SET": CommandError("ERR no")})
    with pytest.raises(CommandError) as caught:
        call(program(reached), "store", floats(1), keys=(b"k",), args=(b"v",), readonly=True)
    assert caught.value.text == "Redis command returned an error: ERR no"
    assert reached.asked == [([b"SET", b"k", b"v"], True)]


def test_a_script_runs_models() -> None:
    script = program(Reached())
    assert call(script, "through_model", floats(2), floats(3), keys=(b"mul",), args=(b"",)) == [[6.0]]


@pytest.mark.parametrize(
    ("key", "inputs", "outputs", "why"),
    [
        (b"nope", 2, 1, "ERR model key is empty"),
        (b"mul", 1, 1, "Number of keys given as INPUTS here does not match model definition"),
        (b"mul", 2, 2, "Number of keys given as OUTPUTS here does not match model definition"),
    ],
)
def test_a_model_that_a_script_cannot_run_says_why(key: bytes, inputs: int, outputs: int, why: str) -> None:
    with pytest.raises(CommandError) as caught:
        call(program(Reached()), "through_model", *[floats(1)] * inputs, keys=(key,), args=(b"",) * outputs)
    assert caught.value.text == why


def test_a_script_without_a_server_says_so() -> None:
    with pytest.raises(CommandError) as caught:
        call(program(), "store", floats(1), keys=(b"k",), args=(b"v",))
    assert caught.value.text.endswith("can call the server only from where it was called itself")


@pytest.mark.parametrize("given", [{"keys": (b"\xff",)}, {"args": (b"\xff",)}])
def test_words_that_are_no_text_are_refused(given: dict[str, Any]) -> None:
    with pytest.raises(CommandError, match=r"^a script takes only text that is UTF-8$"):
        call(program(), "double", floats(1), **given)


def test_it_is_known_whether_a_script_calls_the_server() -> None:
    assert program().calls
    assert not program(source=b"def f(a):\n    return a\n").calls
    assert program(source=b"def f(a):\n    if True:\n        redis.execute('X')\n    return a\n").calls


def test_a_source_that_is_no_text_is_refused() -> None:
    with pytest.raises(CommandError, match="'utf-8' codec can't decode byte 0xff"):
        program(source=b"# \xff\n")


def test_a_script_opens_no_file() -> None:
    with pytest.raises(CommandError) as caught:
        program(source=b"def f(a):\n    if True:\n        a = torch.from_file('x')\n    return a\n")
    assert caught.value.text == "ERR aten::from_file is not allowed: it would open files of the server"


@pytest.mark.parametrize(
    ("points", "why"),
    [
        ([b"nope"], "Function nope does not exist in the given script."),
        ([b"double", b"\xff"], "Function \udcff does not exist in the given script."),
        ([b"bar"], "Wrong number of inputs in function bar. Expected 3 but was 2"),
        ([b"wrong"],
         "Wrong inputs type in function wrong. Expected signature similar to: "
         "def wrong(tensors: List[Tensor], keys: List[str], args: List[str])"),
    ],
)  # fmt: skip
def test_an_entry_point_has_one_signature(points: list[bytes], why: str) -> None:
    script = program(source=SCRIPT + b"\ndef wrong(a, keys: List[str], args: List[str]):\n    return a\n")
    script.check([name.encode() for name in ENTRY])
    with pytest.raises(CommandError) as caught:
        script.check(points)
    assert caught.value.text == why
