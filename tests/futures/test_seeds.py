"""The snippets of the founding note run as they stand there."""

from collections.abc import Iterator
from types import SimpleNamespace

import pytest

import alula

SNIPPET = """
a_future = compute()
b_future = compute()
c_future = add(a_future, b_future)
c = system.get(c_future)
"""
"""As printed; what it leaves open is what `compute`, `add` and `system` are."""

IMAGES = """
class Router:
    def __init__(self, model):
        self.model, self.queue = model, []

    def route(self, image):
        self.queue += image
        return self.flush() if len(self.queue) == 4 else None

    def flush(self):
        batch, self.queue = self.queue, []
        return self.model.predict.remote(batch)

class Model:
    def predict(self, images):
        return sum(ray.get(images))

preprocess = ray.remote(lambda image: image * 10)
router = ray.remote(Router).remote(ray.remote(Model).remote())
answers = ray.get([router.route.remote([preprocess.remote(i)]) for i in range(8)])
found = ray.get([answer for answer in answers if answer is not None])
"""
"""The note's picture of model serving, in the words of the system that it describes."""


@pytest.fixture(params=["embedded", "ray"])
def _engine(request: pytest.FixtureRequest) -> Iterator[None]:
    if request.param == "ray":
        request.getfixturevalue("ray_is_installed")
    alula.init(engine=request.param, num_cpus=2)
    yield
    alula.shutdown()


@pytest.mark.usefixtures("_engine")
def test_c_is_a_plus_b() -> None:
    numbers = alula.remote(lambda: 21)
    names = {
        "compute": numbers.remote,
        "add": alula.remote(lambda a, b: a + b).remote,
        "system": SimpleNamespace(get=alula.get),
    }
    exec(SNIPPET, names)
    assert names["c"] == 42
    assert all(isinstance(names[f"{name}_future"], alula.ObjectRef) for name in "abc")


@pytest.mark.usefixtures("_engine")
def test_a_router_gathers_what_tasks_prepare_for_a_model() -> None:
    names: dict[str, object] = {"ray": alula, "__name__": "__main__"}
    exec(IMAGES, names)
    assert names["found"] == [60, 220]
