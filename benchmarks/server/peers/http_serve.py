"""Ray Serve, a raw body in and out: python http_serve.py PORT MODEL."""

import sys
import threading

import numpy as np
import onnxruntime
from ray import serve
from starlette.requests import Request
from starlette.responses import Response


@serve.deployment(max_ongoing_requests=256, ray_actor_options={"num_cpus": 0.5})
class Model:
    """What Ray Serve runs."""

    def __init__(self, path: str) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self.session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        [self.name] = [given.name for given in self.session.get_inputs()]

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        x = np.frombuffer(await request.body(), np.float32).reshape(1, -1)
        [y] = self.session.run(None, {self.name: x})
        return Response(y.tobytes(), media_type="application/octet-stream")


serve.start(http_options={"host": "127.0.0.1", "port": int(sys.argv[1])})
serve.run(Model.bind(sys.argv[2]), route_prefix="/predict")
threading.Event().wait()
