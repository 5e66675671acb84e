"""The tensor server: tensors, models and graphs of them, over the wire protocol of Redis.

A name with wings, ``~x~``, lives as long as the command that it stands in; a plain name is a key.
Clients are those of Redis and RedisAI. The commands are declared in `_commands`; a command that runs
models becomes a `Plan` (`_dag`, `_planner`), and a plan is run by a `Drive` on the `Devices`.
"""

from ._clients import (
    AsyncClient,
    AsyncDag,
    AsyncRun,
    Client,
    Dag,
    DagWords,
    Figures,
    Inspector,
    ModelFigures,
    Run,
    RunStatus,
    SlowCommand,
    Spread,
)
from ._commands import VERSION as REDIS_VERSION
from ._config import Config
from ._foreign import RedisKeyspace
from ._keyspace import DurableKeyspace, Keyspace, MemoryKeyspace
from ._keyspaces import open_keyspace
from ._launch import Launch, read_launch
from ._listen import listening
from ._load_time import LoadTime
from ._metrics import Metrics, expose_loss
from ._models import Backend, Session, Stop
from ._moving import Moved, export_keys, import_keys
from ._picture import picture, plan
from ._resident import Resident
from ._resp import Limits
from ._serve import Deployment, background, serve, serve_until_signal
from ._server import Server
from ._tensors import DType, Tensor

__all__ = [
    "REDIS_VERSION",
    "AsyncClient",
    "AsyncDag",
    "AsyncRun",
    "Backend",
    "Client",
    "Config",
    "DType",
    "Dag",
    "DagWords",
    "Deployment",
    "DurableKeyspace",
    "Figures",
    "Inspector",
    "Keyspace",
    "Launch",
    "Limits",
    "LoadTime",
    "MemoryKeyspace",
    "Metrics",
    "ModelFigures",
    "Moved",
    "RedisKeyspace",
    "Resident",
    "Run",
    "RunStatus",
    "Server",
    "Session",
    "SlowCommand",
    "Spread",
    "Stop",
    "Tensor",
    "background",
    "export_keys",
    "expose_loss",
    "import_keys",
    "listening",
    "open_keyspace",
    "picture",
    "plan",
    "read_launch",
    "serve",
    "serve_until_signal",
]
