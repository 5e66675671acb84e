"""Logging: one log for each bucket, from models, scripts, notebooks and programs, with the task's id."""

from ._levels import Capture, capture_of
from ._logger import LogDataset, Logger, LogHandler
from ._store import LogStore, Record

__all__ = ["Capture", "LogDataset", "LogHandler", "LogStore", "Logger", "Record", "capture_of"]
