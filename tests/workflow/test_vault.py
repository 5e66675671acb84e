from pathlib import Path

import numpy as np
import pytest

import alula
from alula.errors import ArtifactNotFoundError, SealError
from alula.workflow._vault import INLINE, Packer, Stored, Unpacker, Vault


def test_a_small_value_stands_in_its_record_and_a_large_one_does_not(vault: Vault) -> None:
    small, large = vault.seal(b"x"), vault.seal(b"x" * INLINE)
    assert small.data is not None
    assert large == Stored(large.digest)
    assert (vault.unseal(small), vault.unseal(large)) == (b"x", b"x" * INLINE)


def test_a_large_array_is_read_where_it_lies(vault: Vault) -> None:
    array = vault.unseal(vault.seal(np.arange(100_000)))
    assert not array.flags.owndata
    assert not array.flags.writeable


def test_what_was_changed_on_the_disk_is_refused(vault: Vault) -> None:
    stored = vault.seal(b"x", apart=True)
    [file] = [path for path in Path(vault.artifacts).rglob("*") if path.name.endswith(stored.digest[2:])]
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    with pytest.raises(SealError, match="does not match"):
        vault.unseal(stored)


def test_what_is_gone_is_told(vault: Vault) -> None:
    with pytest.raises(ArtifactNotFoundError):
        vault.unseal(Stored("0" * 64))


def test_references_come_back_as_references(vault: Vault) -> None:
    ref = alula.put("value")
    first, second, plain = Unpacker(vault).unpack(Packer(vault).pack([ref, ref, 7]))
    assert first is second
    assert alula.get(first) == "value"
    assert plain == 7


def test_a_reference_to_a_reference_comes_back_as_one(vault: Vault) -> None:
    ref = alula.put([alula.put("deep")])
    [outer] = Unpacker(vault).unpack(Packer(vault).pack([ref]))
    assert alula.get(alula.get(outer)[0]) == "deep"
