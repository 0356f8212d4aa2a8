"""A function that waits (for a disk, a network, others), called on several items at once."""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_Item = TypeVar("_Item")
_Made = TypeVar("_Made")


def map_ahead(
    function: Callable[[_Item], _Made],
    items: Iterable[_Item],
    at_a_time: int,
    given_up: threading.Event | None = None,
) -> Iterator[_Made]:
    """Call a function in threads, while the next items are drawn.

    Args:
        function: What waits.
        items: Drawn in the calling thread, only as fast as results are taken. Where drawing fails,
            the results of what was drawn before come first.
        at_a_time: Threads, and how many results may wait to be taken.
        given_up: Set where the results are wanted no more; then what runs is waited for.

    Yields:
        The results, in the order of the items.
    """
    remaining = iter(items)
    waiting: deque[Future[_Made]] = deque()
    failure: BaseException | None = None
    with ThreadPoolExecutor(at_a_time) as threads:
        try:
            while failure is None:
                try:
                    item = next(remaining)
                except BaseException as error:
                    failure = error
                else:
                    waiting.append(threads.submit(function, item))
                while waiting and (failure is not None or len(waiting) > at_a_time):
                    yield waiting.popleft().result()
        finally:
            if given_up is not None:
                given_up.set()
            for future in waiting:
                future.cancel()
    if not isinstance(failure, StopIteration):
        raise failure
