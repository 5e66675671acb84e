"""The training half of the demo: data and models by name, and one durable workflow over them.

Everything happens in the folder that ``ALULA_HOME`` names. Run as a program, this module is the process
that ``alula demo --crash`` lets die: ``python -m alula.cli._demo_training ID``.
"""

import sys
import warnings
from collections.abc import Mapping
from typing import Any, Final

from ..errors import MissingExtraError
from ..futures import RemoteFunction, remote
from ..graph import Node
from ..runtime import Instance, setup
from ..workflow import options, run

__all__ = ["MODELS", "TASKS", "split", "store_data", "store_models", "train", "training"]

MODELS: Final = ("digits/logistic", "digits/forest", "digits/network")
"""Names of the three classifiers."""

TASKS: Final = (*[f"{action} {name}" for name in MODELS for action in ("fit", "score")], "summary")
"""Ids of the workflow's tasks."""

_PIXELS: Final = [f"p{i:02}" for i in range(64)]
_X, _Y = f"[{_PIXELS[0]}:{_PIXELS[-1]}]", "[digit]"


def split() -> tuple[Any, Any]:
    """Give the images for training and for testing: frames of 64 pixels (0 to 16) and the digit."""
    try:
        import pandas as pd
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError as error:
        raise MissingExtraError(error.name or "scikit-learn", "lab", "the demo") from error
    images, digits = load_digits(return_X_y=True)
    frame = pd.DataFrame(images.astype("float32"), columns=_PIXELS).assign(digit=digits)
    train, test = train_test_split(frame, test_size=450, random_state=0, stratify=digits)
    return train.reset_index(drop=True), test.reset_index(drop=True)


def store_data(om: Instance) -> int:
    """Store the images by name; give their number."""
    train, test = split()
    om.datasets.put(train, "digits/train")
    om.datasets.put(test, "digits/test")
    return len(train) + len(test)


def store_models(om: Instance) -> None:
    """Store three different classifiers by name, not trained yet."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neural_network import MLPClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler

    estimators = (
        make_pipeline(MinMaxScaler(), LogisticRegression(C=10, max_iter=1000)),
        RandomForestClassifier(60, random_state=0),
        make_pipeline(
            MinMaxScaler(),
            MLPClassifier((48,), solver="lbfgs", alpha=2, tol=1e-3, max_iter=1000, random_state=0),
        ),
    )
    for name, estimator in zip(MODELS, estimators, strict=True):
        om.models.put(estimator, name)


def _summary(*scores: float) -> dict[str, float]:
    return dict(zip(MODELS, scores, strict=True))


summary: RemoteFunction[Any, dict[str, float]] = remote(_summary)


def training(om: Instance) -> Node[Mapping[str, float]]:
    """Make the graph: each model is fitted, then scored; the scores come together at the end."""
    scores = []
    for name in MODELS:
        model = om.runtime.model(name)
        fitted = model.bind("fit", f"digits/train{_X}", f"digits/train{_Y}")
        scores.append(model.bind("score", f"digits/test{_X}", f"digits/test{_Y}", after=fitted))
    return summary.options(**options(task_id="summary")).bind(*scores)


def train(workflow_id: str) -> Mapping[str, float]:
    """Run the workflow; give the accuracy of each model on the test images."""
    scores: Mapping[str, float] = run(training(setup()), workflow_id=workflow_id)
    return scores


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    train(sys.argv[1])
