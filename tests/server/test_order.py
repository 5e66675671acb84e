"""Going through all keys, a page at a time, while they change."""

from hypothesis import given
from hypothesis import strategies as st

from alula.server import MemoryKeyspace
from alula.server._order import Order

KEYS = st.integers(0, 30).map(lambda number: b"%d" % number)


def put(keyspace: MemoryKeyspace, keys: list[bytes]) -> None:
    for key in keys:
        keyspace.put(key, b"x")


def test_pages_hold_every_key_once() -> None:
    keyspace = MemoryKeyspace()
    put(keyspace, [b"%d" % number for number in range(95)])
    order, cursor, found = Order(keyspace), 0, list[bytes]()
    for page in range(10):
        cursor, keys = order.page(cursor, 10)
        assert len(keys) == (10 if page < 9 else 5)
        found += keys
    assert cursor == 0
    assert sorted(found) == sorted(key for key, _ in keyspace.scan())


def test_an_empty_keyspace_has_one_empty_page() -> None:
    assert Order(MemoryKeyspace()).page(0, 10) == (0, [])


def test_keys_that_come_meanwhile_do_not_make_it_longer() -> None:
    keyspace = MemoryKeyspace()
    put(keyspace, [b"a", b"b", b"c"])
    order = Order(keyspace)
    cursor, _ = order.page(0, 1)
    put(keyspace, [b"%d" % number for number in range(100)])
    assert order.page(cursor, 10) == (0, [b"b", b"a"])


def test_what_was_removed_takes_no_room_for_ever() -> None:
    keyspace = MemoryKeyspace()
    order = Order(keyspace)
    order.page(0, 1)
    for number in range(1000):
        put(keyspace, [b"%d" % number])
        keyspace.delete([b"%d" % number])
    put(keyspace, [b"a"])
    assert order.page(0, 1)[1] == [b"a"]
    assert len(order._entries) < 100


def test_a_page_looks_at_no_more_than_so_many_keys_that_are_gone() -> None:
    keyspace = MemoryKeyspace()
    order = Order(keyspace)
    order.page(0, 1)
    put(keyspace, [b"%d" % number for number in range(200)])
    keyspace.delete([b"%d" % number for number in range(101, 200)])
    cursor, keys = order.page(0, 5)
    assert (keys, cursor > 0) == ([], True)


steps = st.lists(
    st.tuples(st.sampled_from(["put", "delete", "rename", "clear", "page"]), KEYS, KEYS), max_size=60
)


@given(st.sets(KEYS), steps, st.integers(1, 7))
def test_a_key_that_stays_is_met_once(
    first: set[bytes], steps: list[tuple[str, bytes, bytes]], count: int
) -> None:
    """Whatever else is done meanwhile, and however old the cursor is."""
    keyspace = MemoryKeyspace()
    put(keyspace, sorted(first))
    order = Order(keyspace)
    cursor, found = order.page(0, count)
    stayed = set(first)
    for step, key, other in steps:
        match step:
            case "put":
                keyspace.put(key, b"y")
            case "delete":
                keyspace.delete([key])
                stayed.discard(key)
            case "rename" if keyspace.read(key) and key != other:
                keyspace.delete([key], event="rename_from")
                keyspace.put(other, b"z", event="rename_to")
                stayed.discard(key)
            case "clear":
                keyspace.clear()
                stayed.clear()
            case "page" if cursor:
                cursor, keys = order.page(cursor, count)
                found += keys
    while cursor:
        cursor, keys = order.page(cursor, count)
        found += keys
    assert stayed <= set(found)
    assert all(found.count(key) == 1 for key in stayed)
