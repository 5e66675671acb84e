"""Fit and score a model by name; every fit is a version, and none is ever overwritten."""

import tempfile

from sklearn.datasets import load_iris
from sklearn.neighbors import KNeighborsClassifier

import alula

with tempfile.TemporaryDirectory() as folder, alula.setup(home=folder) as om:
    frame = load_iris(as_frame=True).frame
    frame.columns = ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]
    om.datasets.put(frame, "iris")
    om.models.put(KNeighborsClassifier(), "neighbours")

    model = om.runtime.model("neighbours")
    for columns in ("sepal_length,sepal_width", "petal_length,petal_width"):
        model.fit(f"iris[{columns}]", "iris[species]").get()
        print(f"{columns}: {model.score(f'iris[{columns}]', 'iris[species]').get():.3f}")

    for version in om.models.versions("neighbours"):
        print(version.version, version.attributes.get("dataset", {}).get("Xname"))

alula.shutdown()
