"""Models of PyTorch: their tensors as safetensors, and beside them, sealed, what they are the tensors of.

A dict of tensors needs nothing else. A module needs its classes, so a pickle of it without its tensors goes
along; TorchScript carries its code in a form of its own, which may do as it likes when it is read, so it is
sealed as well.
"""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from io import BytesIO
from typing import Any

from ...errors import MissingExtraError
from .._shelf import Raw
from ._kind import Ask, Dumped, How, refuse_appending
from ._plain import class_of

__all__ = ["Modules", "Script", "States"]

_is_module = class_of("torch.nn", "Module")
_is_script = class_of("torch.jit", "ScriptModule")
_is_tensor = class_of("torch", "Tensor")


class _Torch:
    """What the kinds of PyTorch have in common."""

    name: str
    on_request = False
    checks_itself = False
    options: frozenset[str] = frozenset()

    def ready(self) -> None:
        """Import torch and safetensors."""
        _torch()

    def extend(self, facts: Mapping[str, Any], more: Mapping[str, Any]) -> Mapping[str, Any]:
        """Refuse: there is no telling what appending would mean."""
        raise refuse_appending(self.name, "model")


class States(_Torch):
    """The kind of a dict of tensors, such as ``module.state_dict()``; nothing but safetensors."""

    name = "pytorch.state"

    def accepts(self, value: object) -> bool:
        """Tell whether it is a dict of tensors by texts, with one at least."""
        return (
            isinstance(value, dict)
            and bool(value)
            and all(isinstance(key, str) and _is_tensor(item) for key, item in value.items())
        )

    def dump(self, value: Any, how: How) -> Dumped:
        """Write safetensors; note how many there are.

        Raises
        ------
        TypeError
            If a tensor is of a sort that safetensors has no form for.
        """
        _, tensors = _torch()
        try:
            # Each by itself: safetensors refuses two that lie in the same memory.
            data = tensors.save({name: tensor.detach().clone() for name, tensor in value.items()})
        except (ValueError, RuntimeError, KeyError) as error:
            raise TypeError(f"these tensors cannot be kept: {error}") from error
        return Dumped(Raw((data,)), {"tensors": len(value)})

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the dict, its tensors on the CPU."""
        [part] = parts
        return _torch()[1].load(bytes(part))


class Modules(_Torch):
    """The kind of a module."""

    name = "pytorch.module"

    def accepts(self, value: object) -> bool:
        """Tell whether it is a module, and not TorchScript."""
        return _is_module(value) and not _is_script(value)

    def dump(self, value: Any, how: How) -> Dumped:
        """Take its tensors as safetensors and the rest as it is; note its class and the number of tensors."""
        cls, parameters = type(value), sum(p.numel() for p in value.parameters())
        facts = {"class": f"{cls.__module__}.{cls.__qualname__}", "parameters": parameters}
        if (apart := _taken_apart(value)) is None:
            return Dumped((value, None), {**facts, "format": "pickle"})
        return Dumped(apart, {**facts, "format": "safetensors"})

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the module, on the CPU and in the mode, training or not, that it had."""
        [(module, state)] = parts
        if state is not None:
            module.load_state_dict(_torch()[1].load(bytes(state)), assign=True)
        return module


class Script(_Torch):
    """The kind of TorchScript: a module with its code."""

    name = "pytorch.script"
    accepts = staticmethod(_is_script)

    def dump(self, value: Any, how: How) -> Dumped:
        """Write what ``torch.jit.save`` writes."""
        sink = BytesIO()
        _torch()[0].jit.save(value, sink)
        return Dumped(sink.getvalue(), {"class": "torch.jit.ScriptModule"})

    def load(self, parts: Sequence[Any], ask: Ask) -> Any:
        """Give the module, on the CPU."""
        [data] = parts
        return _torch()[0].jit.load(BytesIO(data), map_location="cpu")


def _torch() -> tuple[Any, Any]:
    try:
        import safetensors.torch
        import torch
    except ImportError as error:
        raise MissingExtraError(error.name or "torch", "torch", "keeping a model of PyTorch") from error
    return torch, safetensors.torch


def _taken_apart(module: Any) -> tuple[Any, bytes] | None:
    """Give a module without its tensors, and these; None if not all that it has is in its state."""
    _, tensors = _torch()
    state = module.state_dict()
    every = [*module.parameters(), *module.buffers()]
    places = {tensor.data_ptr() for tensor in state.values()}
    if len(state) != len(every) or len(places) != len(every):  # tied weights, buffers that are not kept
        return None
    try:
        empty = deepcopy(module).to("meta")
        data: bytes = tensors.save({name: tensor.contiguous() for name, tensor in state.items()})
    except Exception:  # whatever a module of anybody's does not put up with: then its pickle is all there is
        return None
    return empty, data
