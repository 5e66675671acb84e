"""Executing: the cells of a notebook, one after the other, in a kernel; what they show stays in the notebook.

Outputs are bounded for each run, so that an endless loop of prints fills neither memory nor store. Whatever
ends a run, what its cells have shown until then is there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from ..._core._extras import imported
from ._kernels import Kernel

__all__ = ["LIMIT", "CellFailedError", "execute", "load_client", "show_error"]

LIMIT: Final = 20_000_000
"""Characters of output that are kept of one run of a notebook."""

_ERROR_LIMIT: Final = 20_000  # of each part of an error, which is kept whatever else there is
_DRAINED: Final = 30  # seconds for outputs that are still on the way when a cell has ended
_SHOWN: Final = ("stream", "display_data", "execute_result", "update_display_data")


class CellFailedError(Exception):
    """A cell ended the run; says which, and with what error.

    Attributes
    ----------
    cell
        Position of the cell, from 0.
    ename, evalue
        The class of the error and its text.
    """

    def __init__(self, cell: int, ename: str, evalue: str) -> None:
        super().__init__(f"cell {cell}: {ename}: {evalue}")
        self.cell, self.ename, self.evalue = cell, ename, evalue


async def execute(
    notebook: Any,
    kernel: Kernel,
    *,
    limit: float | None,
    allow_errors: bool,
    environment: Mapping[str, str],
    report: Callable[[int], None],
    heard: Callable[[str, str], None] = lambda name, text: None,
    bound: int = LIMIT,
) -> None:
    """Run the cells of a notebook, writing what they show into it.

    Parameters
    ----------
    limit
        Seconds that each cell may take; None for none.
    allow_errors
        Whether to go on after a cell that raised.
    environment
        Variables that the kernel is to have besides its own.
    report
        Told before each cell how many were done, where there are several, and in the end.
    heard
        Told what cells print as they print it: the name of the stream, and a text.
    bound
        Characters of output to be kept.

    Raises
    ------
    CellFailedError
        If a cell raised, took too long, or ended its kernel.
    """
    nbclient = load_client()
    client = nbclient.NotebookClient(
        notebook,
        km=kernel.manager,
        timeout_func=lambda cell: limit,  # a float, which the option itself does not take
        allow_errors=allow_errors,
        iopub_timeout=_DRAINED,
        store_widget_state=False,
    )
    client.kc = kernel.client
    client.process_message = _Bounded(client.process_message, bound, heard)
    client.reset_execution_trackers()
    notebook.metadata["language_info"] = kernel.language
    await _prepare(kernel, environment)
    for i, cell in enumerate(notebook.cells):
        if len(notebook.cells) > 1:
            report(i)
        try:
            await client.async_execute_cell(cell, i, execution_count=client.code_cells_executed + 1)
        except nbclient.exceptions.CellExecutionError as error:
            raise CellFailedError(i, error.ename, error.evalue) from error
        except nbclient.exceptions.CellTimeoutError as error:
            raise _ended(notebook, i, "CellTimeoutError", f"it took longer than {limit:g} s") from error
        except nbclient.exceptions.DeadKernelError as error:
            why = "its kernel ended: it was killed, ran out of memory, or the cell ended it"
            raise _ended(notebook, i, "DeadKernelError", why) from error
    report(len(notebook.cells))


def show_error(notebook: Any, cell: int, ename: str, evalue: str) -> None:
    """Write an error that no kernel has told into the outputs of a cell."""
    shown = notebook.cells[cell]
    if shown.cell_type == "code":
        facts = {"ename": ename, "evalue": evalue, "traceback": [f"{ename}: {evalue}"]}
        shown.outputs.append(_node({"output_type": "error", **facts}))


def load_client() -> Any:
    """Import nbclient.

    Raises
    ------
    MissingExtraError
        If it is not installed.
    """
    imported("nbclient.exceptions", "lab", "running a notebook")
    return imported("nbclient", "lab", "running a notebook")


def _node(facts: Mapping[str, Any]) -> Any:
    import nbformat  # it came with nbclient

    v4: Any = nbformat  # it has types for some of it
    return v4.from_dict(dict(facts))


def _ended(notebook: Any, cell: int, ename: str, evalue: str) -> CellFailedError:
    show_error(notebook, cell, ename, evalue)
    return CellFailedError(cell, ename, evalue)


async def _prepare(kernel: Kernel, environment: Mapping[str, str]) -> None:
    """Give a kernel of Python, which has run before it was known for whom, its variables."""
    if kernel.language.get("name") != "python":
        return
    code = f"__import__('os').environ.update({dict(environment)!r})\nargs, kwargs = [], {{}}"
    asked = kernel.client.execute(code, silent=True, store_history=False)
    while (await kernel.client.get_shell_msg(timeout=None))["parent_header"].get("msg_id") != asked:
        pass


@dataclass(slots=True)
class _Bounded:
    """Lets messages through to the notebook until they have been too many."""

    process: Callable[[dict[str, Any], Any, int], Any]
    limit: int
    heard: Callable[[str, str], None]
    left: int = field(init=False)
    full: bool = False

    def __post_init__(self) -> None:
        self.left = self.limit

    def __call__(self, message: dict[str, Any], cell: Any, index: int) -> Any:
        kind, content = message["msg_type"], message["content"]
        if kind == "error":
            content["evalue"] = content["evalue"][:_ERROR_LIMIT]
            content["traceback"] = [line[:_ERROR_LIMIT] for line in content["traceback"]]
        if kind not in _SHOWN:
            return self.process(message, cell, index)
        size = len(content["text"]) if kind == "stream" else sum(map(_size, content["data"].values()))
        fits = size <= self.left
        if not fits and kind == "stream":
            content["text"] = content["text"][: self.left]
        if fits or (kind == "stream" and self.left):
            if kind == "stream":
                self.heard(content["name"], content["text"])
            self.left -= min(size, self.left)
            self.process(message, cell, index)
        if not fits:
            self._say(cell)
        return None

    def _say(self, cell: Any) -> None:
        """Write into the cell that its output goes on, once."""
        if not self.full:
            self.full = True
            bound = f"{self.limit / 1_000_000:g} MB of output of a notebook"
            text = f"\n[Alula keeps {bound}, which ends here: the rest is left out]\n"
            cell.outputs.append(_node({"output_type": "stream", "name": "stderr", "text": text}))


def _size(data: Any) -> int:
    return len(data) if isinstance(data, str) else len(repr(data))
