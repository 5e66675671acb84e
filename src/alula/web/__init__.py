"""The web: the runtime over HTTP, with JSON, for programs that are not Python.

It knows paths, bodies, tokens and statuses. What a call does is the business of the layers to the left, and
nothing here is imported before `serve` needs it but what decides who may do what.
"""

from ._access import ACTIONS, Access, Rights, Rule
from ._serve import Facts, missing, serve
from ._values import as_json

__all__ = ["ACTIONS", "Access", "Facts", "Rights", "Rule", "as_json", "missing", "serve"]
