"""FastAPI and uvicorn, a raw body in and out: python http_fastapi.py PORT MODEL."""

import sys

import numpy as np
import onnxruntime
import uvicorn
from fastapi import FastAPI, Request, Response

options = onnxruntime.SessionOptions()
options.intra_op_num_threads = 1
session = onnxruntime.InferenceSession(sys.argv[2], options, providers=["CPUExecutionProvider"])
[name] = [given.name for given in session.get_inputs()]
app = FastAPI()


@app.post("/predict")
async def predict(request: Request) -> Response:
    x = np.frombuffer(await request.body(), np.float32).reshape(1, -1)
    [y] = session.run(None, {name: x})
    return Response(y.tobytes(), media_type="application/octet-stream")


uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="error", access_log=False)
