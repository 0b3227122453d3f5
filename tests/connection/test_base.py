from tests.memory import MemoryNetwork


def test_x():
    assert MemoryNetwork
