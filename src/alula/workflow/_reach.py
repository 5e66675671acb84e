"""Whether all machines on which tasks may run can reach what they need to read and write."""

from ..errors import SettingError
from ..futures import Engine
from ..store import Artifacts, Store
from ._vault import Vault

__all__ = ["check_reach"]


def check_reach(engine: Engine, store: Store, vault: Vault) -> None:
    """Refuse a store or artifacts that lie on one machine, where the engine has several.

    Raises
    ------
    SettingError
        If one does; names the setting, and what it may be instead.
    """
    shared = store.shared, Artifacts.shared(vault.artifacts)
    # Machines may come at any time, so the engine is asked again; and not at all if they do not matter.
    if all(shared) or (machines := engine.machines()) < 2:
        return
    why = f"it lies on one machine, and Ray runs tasks on {machines}: "
    if not store.shared:
        raise SettingError("store", store.url, why + "name a database, as in postgresql://user@host/name")
    raise SettingError("artifacts", vault.artifacts, why + "name storage for all, as in s3://bucket/path")
