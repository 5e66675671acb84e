"""Models and scripts that are made ready again out of what was kept of them."""

from collections.abc import Mapping

from ._forms import ModelForm, ScriptForm
from ._models import Backend, Model
from ._script_store import GivenScript
from ._scripts import Script
from ._store import Given

__all__ = ["load"]


def load(form: ModelForm | ScriptForm, backends: Mapping[str, Backend]) -> Model | Script:
    """Make a model or script ready again.

    Raises
    ------
    CommandError
        In the backend's words, or if there is none.
    """
    if isinstance(form, ScriptForm):
        script = GivenScript(
            device=form.device, tag=form.tag, source=form.source, entry_points=form.entry_points
        )
        return script.script(script.load(backends))
    given = Given(
        backend=form.backend,
        device=form.device,
        tag=form.tag,
        batchsize=form.batchsize,
        minbatchsize=form.minbatchsize,
        minbatchtimeout=form.minbatchtimeout,
        blob=form.blob,
    )
    return given.model(given.load(backends))
