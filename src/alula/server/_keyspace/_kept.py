"""Values without what only this process can hold: what is kept of them, and how they come back."""

from collections.abc import Sequence
from dataclasses import replace

from ...errors import CommandError
from .._counts import Counts
from .._dump import Dumped
from .._forms import ModelForm, ScriptForm
from .._models import Model, Stop
from .._scripts import Invocation, Script
from .._store import MissingBackendError
from .._tensors import Tensor
from ._interface import Loader, Value
from ._values import HashValue, ListValue, SetValue

__all__ = ["copied", "kept", "revived", "unloaded"]


def kept(value: Value) -> Dumped:
    """Give what is kept of a value."""
    match value:
        case Model():
            return _form(value)
        case Script():
            return ScriptForm(
                device=value.device, tag=value.tag, entry_points=value.entry_points, source=value.source
            )
        case ListValue():
            return list(value)
        case SetValue():
            return frozenset(value)
        case _:
            return value


def _form(model: Model) -> ModelForm:
    if isinstance(model.session, _Unloaded):
        return model.session.form
    return ModelForm(
        backend=model.backend,
        device=model.device,
        tag=model.tag,
        batchsize=model.batchsize,
        minbatchsize=model.minbatchsize,
        minbatchtimeout=model.minbatchtimeout,
        inputs=tuple([name.encode() for name in model.session.inputs]),
        outputs=tuple([name.encode() for name in model.session.outputs]),
        blob=model.blob,
    )


def revived(found: Dumped, load: Loader) -> Value:
    """Make a value out of what was kept of it.

    Raises
    ------
    CommandError
        From `load`.
    """
    match found:
        case ModelForm() | ScriptForm():
            return load(found)
        case list():
            return ListValue(found)
        case dict():
            return HashValue(found)
        case frozenset():
            return SetValue(found)
        case _:
            return found


def copied(value: Value) -> Value:
    """Give a value that changes without this one; what was loaded is shared, and the counts begin anew."""
    match value:
        case Model():
            return replace(value, counts=Counts())
        case Script():
            return replace(value, counts=Counts(samples=-1))
        case ListValue():
            return ListValue(value)
        case HashValue():
            return HashValue(value)
        case SetValue():
            return SetValue(value)
        case _:
            return value


def unloaded(form: ModelForm | ScriptForm, error: CommandError) -> Model | Script:
    """Give a model or script that stands under its key although it cannot be loaded.

    Every use of it says why; but what is kept of it can be had.
    """
    text = error.text
    if isinstance(error, MissingBackendError):
        text = f"ERR Backend not loaded: {form.backend if isinstance(form, ModelForm) else 'TORCH'}"
    if isinstance(form, ScriptForm):
        return Script(
            device=form.device,
            tag=form.tag,
            source=form.source,
            entry_points=form.entry_points,
            program=_Uncompiled(text),
        )
    return Model(
        backend=form.backend,
        device=form.device,
        tag=form.tag,
        batchsize=form.batchsize,
        minbatchsize=form.minbatchsize,
        minbatchtimeout=form.minbatchtimeout,
        blob=form.blob,
        session=_Unloaded(form, text),
    )


class _Unloaded:
    """The session of a model that could not be loaded."""

    steady = False

    def __init__(self, form: ModelForm, text: str) -> None:
        self.form, self._text = form, text

    @property
    def inputs(self) -> tuple[str, ...]:
        raise CommandError(self._text)

    @property
    def outputs(self) -> tuple[str, ...]:
        raise CommandError(self._text)

    def run(self, inputs: Sequence[Tensor], stop: Stop | None = None) -> tuple[Tensor, ...]:
        raise CommandError(self._text)


class _Uncompiled:
    """The program of a script that could not be compiled."""

    calls, home = True, None

    def __init__(self, text: str) -> None:
        self._text = text

    def check(self, entry_points: Sequence[bytes]) -> None:
        raise CommandError(self._text)

    def run(self, invocation: Invocation, inputs: Sequence[object], *, entry: bool) -> tuple[Tensor, ...]:
        raise CommandError(self._text)
