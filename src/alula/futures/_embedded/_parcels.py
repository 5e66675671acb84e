"""Values on their way between processes, and the references inside them.

A value travels with all references that are nested in it, however deeply, each once: those that are
ready with their values, those that are pending as names. Whoever sends a pending reference lends it: he
sends its value after it, to each process once, unless that process is the one that makes it. What comes
home to its owner is the same reference.

A large value travels as a descriptor and a number. Whoever has received it says so when nobody sees it any
more, he himself or those behind him; so each process knows whether anybody still sees what it has sent.
"""

from collections import deque
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakValueDictionary
from weakref import ref as weak

from ..._core._gates import gate
from ._descriptors import most_sent
from ._memory import here
from ._peers import Peer
from ._segments import Backing, Segment
from ._values import BODY, NONE, SEGMENT, TETHER, Blob, Ref
from ._wire import Descriptor, Message

if TYPE_CHECKING:
    from ._hub import Hub

__all__ = ["Parcels"]

_SHARED, _MINE, _ON_DISK = 0, 1, 2
"""Where a large value lies: in memory, in memory and the receiver alone sees it, on disk."""


_MADE_THERE = 3  # entries of a reference that its receiver makes; 2 if it is pending, more with its value


class Parcels:
    """What this process sends and receives. Every method is called with the hub's lock held."""

    def __init__(self, hub: "Hub") -> None:
        self._hub = hub
        self._lent: WeakValueDictionary[int, Ref[Any]] = WeakValueDictionary()  # ours, lent while pending
        self._shared = 0  # the number of the large value that was the last to be sent for the first time
        self.unseen: deque[_Loan] = deque()  # which nobody sees any more, here or behind us

    def encode(
        self, peer: Peer, blob: Blob, fds: list[Descriptor], ahead: int = 0, *, hand_over: bool = False
    ) -> Message:
        """Give a value in the form in which it is sent; descriptors go into `fds`.

        `ahead` is the number of a pending reference of ours that the peer itself is making. With `hand_over`
        the value is the receiver's from now on.
        """
        if blob is NONE:
            return ()
        if blob.kind == BODY and not blob.refs:  # as nearly all
            return BODY, blob.data
        data = self._sent(peer, blob, fds, hand_over=hand_over)
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
            data = self._sent(peer, blob, fds)
            return ref.owner, ref.number, blob.kind, data, list(map(place, blob.refs))
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
        peer.lending.discard((ref.owner, ref.number))
        if peer.channel.closed:  # it has died: what it sees now it would never give back
            return
        ref.blob.seen()
        fds: list[Descriptor] = []
        encoded = self.encode(peer, ref.blob, fds)
        self._hub.send(peer, ("settle", ref.owner, ref.number, encoded), fds)

    def decode(self, peer: Peer, encoded: Message, fds: list[Descriptor]) -> Blob:
        """Take a value out of a message."""
        if not encoded:
            return NONE
        kind, data = encoded[0], encoded[1]
        if kind == SEGMENT:
            data = self._received(peer, kind, data, fds)
        if len(encoded) == 2:
            return Blob(kind, data)
        _, _, nested, table = encoded
        refs = [self._named(peer, len(entry), entry[0], entry[1]) for entry in table]
        for ref, entry in zip(refs, table, strict=True):
            if len(entry) > _MADE_THERE:
                _, _, inner, content, places = entry
                content = self._received(peer, inner, content, fds)  # its sender waits to have it back
                if ref.blob is None:
                    ref.blob = Blob(inner, content, tuple([refs[i] for i in places]))
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

    # ---------------------------------------------------------------------------------- large values

    def _sent(self, peer: Peer, blob: Blob, fds: list[Descriptor], *, hand_over: bool = False) -> Any:
        if blob.kind == SEGMENT:
            return self._share(peer, blob.data, fds, hand_over=hand_over)
        if blob.kind != TETHER:
            return blob.data
        fds.append(blob.data)
        return len(fds) - 1

    def _received(self, peer: Peer, kind: int, data: Any, fds: list[Descriptor]) -> Any:
        if kind == SEGMENT:
            return self._shown(peer, data, fds)
        return fds[data] if kind == TETHER else data

    def _share(
        self, peer: Peer, segment: Segment, fds: list[Descriptor], *, hand_over: bool = False
    ) -> Message:
        """Send a large value: give where it lies, by the place of its descriptor in `fds`."""
        most = most_sent()
        if len(fds) >= most:
            here.fuse(segment)  # a message with more of them might find no room where it arrives
        backing = segment.backing
        descriptor = backing.descriptor
        index = len(fds)
        if backing.start or index >= most:
            index = next((i for i, sent in enumerate(fds) if sent is descriptor), index)
        if index == len(fds):
            fds.append(descriptor)
        if hand_over and not here.hand_over(backing):
            return index, 0, backing.size, 0, _MINE
        if not backing.number:
            self._shared += 1
            backing.number = self._shared
        _, times = peer.shared.get(backing.number, (None, 0))
        peer.shared[backing.number] = backing, times + 1
        backing.shares += 1
        mode = (_MINE if hand_over else _SHARED) if in_memory(backing) else _ON_DISK
        return index, backing.start, backing.size, backing.number, mode

    def _shown(self, peer: Peer, data: Message, fds: list[Descriptor]) -> Segment:
        index, start, size, number, mode = data
        descriptor = fds[index]
        if not number:
            backing = Backing(descriptor, 0, size, here.take_over(descriptor, size), here.gone)
        elif (known := peer.seen.get(number)) is not None and (alive := known()) is not None:
            backing = alive
        else:
            loan = _Loan(self, peer, number, in_memory=mode != _ON_DISK)
            backing = Backing(descriptor, start, size, loan, here.gone)
            peer.seen[number] = weak(backing, _noted)
        if isinstance(backing.source, _Loan):
            backing.source.times += 1
        segment = here.add(Segment(backing, mine=mode == _MINE))
        here.arrived(descriptor)
        return segment

    def send_unseen(self) -> None:
        """Tell the others what nobody sees any more of what they have sent."""
        found: dict[Peer, list[tuple[int, int]]] = {}
        while self.unseen:
            loan = self.unseen.popleft()
            found.setdefault(loan.peer, []).append((loan.number, loan.times))
            known = loan.peer.seen.get(loan.number)
            if known is not None and known() is None:
                del loan.peer.seen[loan.number]
        for peer, numbers in found.items():
            self._hub.send(peer, ("unseen", numbers))

    def tell_astray(self, peer: Peer, number: int) -> None:
        """Tell another that we do not know any more who sees one of its large values."""
        self._hub.send(peer, ("astray", number))

    def unshare(self, peer: Peer, numbers: list[tuple[int, int]]) -> None:
        """A process sees some of our large values less often."""
        for number, times in numbers:
            if number not in peer.shared:  # the session is over
                continue
            backing, before = peer.shared.pop(number)
            backing.shares -= times
            if before > times:
                peer.shared[number] = backing, before - times

    def astray(self, peer: Peer, number: int) -> None:
        """That process, or one behind it, has lost sight of who sees one of our large values."""
        if number in peer.shared:
            _freeze(peer.shared[number][0])

    def lost(self, peer: Peer) -> None:
        """A process is gone: it sees nothing any more, and what it has sent us counts as ours.

        Those to whom it has passed our values on still see them, and have nobody whom to tell their end.
        """
        for shared, _ in peer.shared.values():
            _freeze(shared)
        self.unshare(peer, [(number, times) for number, (_, times) in peer.shared.items()])
        for known in peer.seen.values():
            if (backing := known()) is not None and in_memory(backing):
                backing.source = here.take_over(backing.descriptor, backing.size)
        peer.seen.clear()


def _noted(known: "weak[Backing]") -> None:
    """Do nothing: but of what dies in a cycle, references that tell somebody are cleared first.

    Others may still give the object, in some versions of Python, when its descriptor is closed already.
    """


def in_memory(backing: Backing) -> bool:
    """Whether its bytes are memory, whoever they count for."""
    return backing.source is not None and backing.source.in_memory


def _freeze(backing: Backing) -> None:
    if backing.source is not None:
        backing.source.freeze()


class _Loan:
    """A large value that another process lets us see.

    Attributes
    ----------
    times
        How often it was sent to us since we said that we do not see it.
    """

    __slots__ = ("_parcels", "in_memory", "number", "peer", "times")
    prompt: ClassVar[bool] = True

    def __init__(self, parcels: Parcels, peer: Peer, number: int, *, in_memory: bool) -> None:
        self._parcels, self.peer, self.number = parcels, peer, number
        self.in_memory = in_memory
        self.times = 0

    def free(self) -> None:
        """Nobody sees it any more: its owner is told soon."""
        self._parcels.unseen.append(self)

    def freeze(self) -> None:
        """Somebody may see it for good: its owner is told that first. The lock is held."""
        self._parcels.tell_astray(self.peer, self.number)
