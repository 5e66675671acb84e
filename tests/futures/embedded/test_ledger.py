"""Of every resource as much is held as was taken, and each GPU is whole or shared."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from alula.futures._embedded._ledger import Ledger
from alula.futures._embedded._machine import Machine


def ledger(gpus: int = 3) -> Ledger:
    amounts = {"CPU": 4.0, "GPU": float(gpus), "disk": 1.0}
    names = tuple(f"gpu{i}" for i in range(gpus))
    return Ledger(Machine(node_id="ab", resources=amounts, labels={}, gpus=names))


def test_what_is_taken_is_not_free_until_it_is_given_back() -> None:
    book = ledger()
    devices = book.take({"CPU": 3, "disk": 0.5})
    assert devices == ()
    assert not book.fits({"CPU": 2})
    assert book.fits({"CPU": 1, "disk": 0.5})
    assert not book.fits({"CPU": 1, "tape": 1})
    book.give({"CPU": 3, "disk": 0.5}, devices, but_cores=False)
    assert book.free == book.total


def test_cores_that_were_lent_on_are_given_back_once() -> None:
    book = ledger()
    devices = book.take({"CPU": 2, "GPU": 1})
    book.free["CPU"] += 2  # its task waits
    book.give({"CPU": 2, "GPU": 1}, devices, but_cores=True)
    assert book.free == book.total


def test_shares_go_where_there_is_least_room_that_is_enough() -> None:
    book = ledger()
    assert [book.take({"GPU": share})[0] for share in (0.5, 0.7, 0.3, 0.5)] == [
        "gpu0",
        "gpu1",
        "gpu1",
        "gpu0",
    ]
    assert book.take({"GPU": 1}) == ("gpu2",)


AMOUNTS = st.sampled_from([0.1, 0.25, 0.3, 0.5, 0.9, 1, 2, 3])


@given(st.lists(st.one_of(AMOUNTS, st.integers(0, 20)), max_size=40))
def test_no_gpu_is_ever_promised_twice(steps: list[float | int]) -> None:
    """A step takes an amount if it fits, or gives back one that is held."""
    book, held = ledger(), list[tuple[dict[str, float], tuple[str, ...]]]()
    for step in steps:
        wanted: dict[str, float] = {"GPU": float(step)}
        if isinstance(step, float) or step in (1, 2, 3):
            if book.fits(wanted):
                held.append((wanted, book.take(wanted)))
        elif held:
            book.give(*held.pop(step % len(held)), but_cores=False)
        used: dict[str, Any] = {}
        for amounts, devices in held:
            assert len(devices) == max(1, int(amounts["GPU"]))
            for device in devices:
                used[device] = used.get(device, 0) + min(1.0, amounts["GPU"])
        assert all(share <= 1 + 1e-6 for share in used.values())
        assert abs(book.free["GPU"] - (3 - sum(used.values()))) < 1e-6
