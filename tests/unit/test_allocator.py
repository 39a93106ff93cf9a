"""The thread that does what takes long with memory."""

import select

from corridorkey_models.errors import CorridorKeyError, ResourceError
from corridorkey_server.supervisor.allocator import Allocator

MANY = 2000
"""More than the results whose word a socket holds when nobody reads."""


def refuse() -> None:
    """Fail as the system does when there is no memory."""
    raise OSError(12, "Cannot allocate memory")


def test_results_come_in_order_and_only_when_they_are_taken_up() -> None:
    """What fails is told in a sentence, and what came before and after it is not touched."""
    allocator = Allocator()
    said: list[object] = []
    failed: list[CorridorKeyError] = []
    allocator.submit(lambda: 1, said.append)
    allocator.submit(refuse, said.append, failed.append)
    allocator.submit(lambda: 2, said.append)
    while len(said) < 2:
        assert select.select([allocator], [], [], 10)[0], "nothing is done"
        allocator.settle()
    assert said == [1, 2]
    assert [type(error) for error in failed] == [ResourceError]
    assert "Cannot allocate memory" in str(failed[0])
    allocator.close()


def test_closing_takes_up_whatever_nobody_took_up() -> None:
    """A daemon that ends with hundreds of slots to free does not wait for itself."""
    allocator = Allocator()
    done: list[int] = []
    for number in range(MANY):
        allocator.submit(lambda number=number: number, done.append)  # type: ignore[misc]
    allocator.close()
    assert done == list(range(MANY))
