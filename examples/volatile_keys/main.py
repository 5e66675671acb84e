"""The founding proposal's example: only the plain name is there afterwards."""

import redis
from onnx import TensorProto, helper

from alula.server import Server, background

numbers = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xyz"]
graph = helper.make_graph([helper.make_node("Mul", ["x", "y"], ["z"])], "times", numbers[:2], numbers[2:])
model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)

COMMAND = """
AI.DAGRUN TENSORSET ~a~ FLOAT 2 VALUES 2 3 => TENSORSET ~b~ FLOAT 2 VALUES 2 3
          => MODELRUN foo INPUTS ~a~ ~b~ OUTPUTS c => TENSORGET c VALUES
"""

with background(Server(port=0)) as server, redis.Redis(port=server.port, protocol=2) as client:
    client.execute_command("AI.MODELSTORE", "foo", "ONNX", "CPU", "BLOB", model.SerializeToString())
    print(client.execute_command(*COMMAND.split()))
    print("keys:", sorted(client.keys()))
