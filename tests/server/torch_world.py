"""TorchScript models and scripts for tests; what RedisAI's own tests have is much like it."""

import io
from functools import cache

import torch

__all__ = ["ENTRY", "SCRIPT", "torch_model"]

SCRIPT = b"""
def bar(a, b):
    return a + b

def bar_variadic(a, args: List[Tensor]):
    return args[0] + args[1]

def number(x: int):
    return x

def count(a):
    return 3

def double(tensors: List[Tensor], keys: List[str], args: List[str]):
    return [tensors[0] + tensors[0]]

def both(tensors: List[Tensor], keys: List[str], args: List[str]):
    return tensors[0], [tensors[1]]

def beyond(tensors: List[Tensor], keys: List[str], args: List[str]):
    return tensors[9]

def store(tensors: List[Tensor], keys: List[str], args: List[str]):
    redis.execute("SET", keys[0], args[0])
    return tensors

def push(tensors: List[Tensor], keys: List[str], args: List[str]):
    redis.execute("RPUSH", keys[0], args)
    found = redis.asList(redis.execute("LRANGE", keys[0], 0, -1))
    return torch.tensor([int(str(each)) for each in found])

def nothing(tensors: List[Tensor], keys: List[str], args: List[str]):
    found = redis.execute("GET", keys[0])
    empty = redis.asList(redis.execute("LRANGE", keys[0], 0, -1))
    return torch.tensor([int(str(found) == "None"), len(empty)])

def unknown(tensors: List[Tensor], keys: List[str], args: List[str]):
    redis.execute("NOPE")
    return tensors

def through_model(tensors: List[Tensor], keys: List[str], args: List[str]):
    return redisAI.model_execute(keys[0], tensors, len(args))
"""

ENTRY = ("double", "both", "beyond", "store", "push", "nothing", "unknown", "through_model")


_SOURCES = {
    "mul": "def forward(self, a, b):\n    return a * b\n",
    "both": "def forward(self, a, b):\n    return a + b, a - b\n",
    "in place": "def forward(self, a):\n    a += 1\n    return a\n",
    "listed": "def forward(self, a):\n    return [a, a]\n",
    "bfloat16": "def forward(self, a):\n    return a.to(torch.bfloat16)\n",
    "same": "def forward(self, a):\n    return a\n",
}


@cache
def torch_model(name: str) -> bytes:
    """A model's file."""
    empty = type("Empty", (torch.nn.Module,), {})
    module, file = torch.jit.script(empty()), io.BytesIO()
    module.define(_SOURCES[name])
    torch.jit.save(module, file)
    return file.getvalue()
