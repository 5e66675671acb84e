"""Values on their way between processes, and the references inside them.

A value travels with all references that are nested in it, however deeply, each once: those that are
ready with their values, those that are pending as names. Whoever sends a pending reference lends it: he
sends its value after it, to each process once, unless that process is the one that makes it. What comes
home to its owner is the same reference.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from ..._core._gates import gate
from ._peers import Peer
from ._segments import Segment
from ._values import NONE, SEGMENT, TETHER, Blob, Ref
from ._wire import Descriptor, Message

if TYPE_CHECKING:
    from ._hub import Hub

__all__ = ["Parcels"]


_MADE_THERE = 3  # entries of a reference that its receiver makes; 2 if it is pending, more with its value


class Parcels:
    """What this process sends and receives. Every method is called with the hub's lock held."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._lent: WeakValueDictionary[int, Ref[Any]] = WeakValueDictionary()  # ours, lent while pending

    def encode(self, peer: Peer, blob: Blob, fds: list[Descriptor], ahead: int = 0) -> Message:
        """Give a value in the form in which it is sent; descriptors go into `fds`.

        `ahead` is the number of a pending reference of ours that the peer itself is making.
        """
        if blob is NONE:
            return ()
        data = blob.data if blob.kind != SEGMENT else _sent(blob, fds)
        if not blob.refs:
            return blob.kind, data
        order: list[Ref[Any]] = []
        places: dict[Ref[Any], int] = {}

        def place(ref: Ref[Any]) -> int:
            if ref not in places:
                places[ref] = len(order)
                order.append(ref)
            return places[ref]

        nested = list(map(place, blob.refs))
        table: list[Message] = []
        for ref in order:  # which grows on the way
            if ahead and ref.number == ahead and ref.owner == self._hub.id and ref.blob is None:
                table.append((ref.owner, ahead, True))
            else:
                table.append(self._encode_ref(peer, ref, place, fds))
        return blob.kind, data, nested, table

    def _encode_ref(
        self, peer: Peer, ref: Ref[Any], place: Callable[[Ref[Any]], int], fds: list[Descriptor]
    ) -> Message:
        blob = ref.blob
        if blob is not None:
            blob.seen()
            return ref.owner, ref.number, blob.kind, _sent(blob, fds), list(map(place, blob.refs))
        identity = (ref.owner, ref.number)
        if identity not in peer.lending:
            peer.lending.add(identity)
            ref.on_settled(partial(self._give, peer, ref))
        if ref.owner == self._hub.id:
            self._lent[ref.number] = ref
        return identity

    def lent(self, number: int) -> Ref[Any] | None:
        """Give a reference of ours that was lent while it was pending, if anybody still has it."""
        return self._lent.get(number)

    def _give(self, peer: Peer, ref: Ref[Any]) -> None:
        """Send the value of a reference that was lent."""
        assert ref.blob is not None
        gate("loan.settling")
        ref.blob.seen()
        fds: list[Descriptor] = []
        peer.lending.discard((ref.owner, ref.number))
        encoded = self.encode(peer, ref.blob, fds)
        self._hub.send(peer, ("settle", ref.owner, ref.number, encoded), fds)

    def decode(self, peer: Peer, encoded: Message, fds: list[Descriptor]) -> Blob:
        """Take a value out of a message."""
        if not encoded:
            return NONE
        kind, data = encoded[0], encoded[1]
        if kind == SEGMENT:
            data = _received(kind, data, fds)
        if len(encoded) == 2:
            return Blob(kind, data)
        _, _, nested, table = encoded
        refs = [self._named(peer, len(entry), entry[0], entry[1]) for entry in table]
        for ref, entry in zip(refs, table, strict=True):
            if len(entry) > _MADE_THERE and ref.blob is None:
                _, _, inner, content, places = entry
                ref.blob = Blob(inner, _received(inner, content, fds), tuple([refs[i] for i in places]))
        return Blob(kind, data, tuple([refs[i] for i in nested]))

    def _named(self, peer: Peer, form: int, owner: bytes, number: int) -> Ref[Any]:
        if form == _MADE_THERE:  # also if it is ours: a process may be lent to itself
            return peer.making.setdefault(number, Ref(self._hub, owner, number))
        if owner == self._hub.id and (ours := self._lent.get(number)) is not None:
            return ours
        if form > _MADE_THERE:
            return Ref(self._hub, owner, number)
        borrowed = peer.borrowed.get((owner, number))
        if borrowed is None:
            borrowed = peer.borrowed[owner, number] = Ref(self._hub, owner, number)
        return borrowed


def _sent(blob: Blob, fds: list[Descriptor]) -> Any:
    if blob.kind == TETHER:
        fds.append(blob.data)
        return len(fds) - 1
    if blob.kind != SEGMENT:
        return blob.data
    fds.append(blob.data)
    return len(fds) - 1, blob.data.size


def _received(kind: int, data: Any, fds: list[Descriptor]) -> Any:
    if kind == TETHER:
        return fds[data]
    if kind != SEGMENT:
        return data
    index, size = data
    return Segment(fds[index].detach(), size)
