"""BentoML, a raw body in and out: python http_bentoml.py PORT MODEL."""

import os
import sys
from pathlib import Path

os.environ |= {"MODEL": sys.argv[2], "BENTOML_DO_NOT_TRACK": "True"}
where = ["--port", sys.argv[1], "--host", "127.0.0.1", "--working-dir", str(Path(__file__).parent)]
os.execv(sys.executable, [sys.executable, "-m", "bentoml", "serve", "bentoml_service:Model", *where])
