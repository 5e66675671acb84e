"""What `http_bentoml.py` serves."""

import os

import bentoml
import numpy as np
import onnxruntime
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(os.environ["MODEL"], options, providers=["CPUExecutionProvider"])
[name] = [given.name for given in session.get_inputs()]


async def predict(request: Request) -> Response:
    x = np.frombuffer(await request.body(), np.float32).reshape(1, -1)
    [y] = session.run(None, {name: x})
    return Response(y.tobytes(), media_type="application/octet-stream")


raw = Starlette(routes=[Route("/predict", predict, methods=["POST"])])


@bentoml.asgi_app(raw, path="/")
@bentoml.service(workers=1, logging={"access": {"enabled": False}})
class Model:
    """What BentoML serves."""
