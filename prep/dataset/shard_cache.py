"""Shards of a split in memory, within a number of bytes, and the next ones read ahead.

What is asked for and not there is read by whoever asks. Threads read what will be asked for, while
there is room beside what is in use, and end when that is done.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import Future

from prep.dataset.reading import TokenTable


class ShardCache:
    """Tables of shards, of which those used last stay. Safe to use from several threads.

    Args:
        read: Reads the shard of a number.
        sizes: The bytes that each shard's table is taken to have; what it has counts once read.
        limit: The most bytes that all tables have together, those being read included.
        threads: How many read ahead.

    Attributes:
        most_held: The most bytes there ever were at a time.
        readings: How many shards were read.
    """

    def __init__(
        self,
        read: Callable[[int], TokenTable],
        sizes: Sequence[int],
        limit: int,
        threads: int = 1,
    ):
        self._read, self._sizes, self._limit = read, sizes, limit
        self._tables: OrderedDict[int, TokenTable] = OrderedDict()  # used last: at the end
        self._being_read: dict[int, Future[TokenTable]] = {}
        self._held = 0
        self.most_held, self.readings = 0, 0
        self._in_use: frozenset[int] = frozenset()
        self._expected: OrderedDict[int, None] = OrderedDict()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._at_a_time = threads
        self._closed = threading.Event()
        # At the latest as the program ends: a thread may not outlive what it calls.
        self._finish = weakref.finalize(self, _stop, self._closed, self._threads)

    def get(self, number: int) -> TokenTable:
        """Take a shard's table, and read it unless it is there.

        Args:
            number: Of the shard.

        Returns:
            The table.

        Raises:
            DataError: What reading it raised.
        """
        with self._lock:
            table = self._tables.get(number)
            if table is not None:
                self._tables.move_to_end(number)
                return table
            reading = self._being_read.get(number)
            if reading is None:
                self._make_room(number, is_asked_for=True)
                mine = self._begin(number)
        return self._finish_reading(number, mine) if reading is None else reading.result()

    def expect(self, now: Collection[int], soon: Collection[int]) -> None:
        """Read ahead; what is in use is not given up for it.

        Args:
            now: Shards that are in use from here on, the first of them first.
            soon: Shards that will be in use after them.
        """
        with self._lock:
            for number in now:  # what was used last before is older than all of these
                if number in self._tables:
                    self._tables.move_to_end(number)
            self._in_use = frozenset((*now, *soon))
            self._expected = OrderedDict.fromkeys((*now, *soon))
            self._threads[:] = [thread for thread in self._threads if thread.is_alive()]
            missing = self._at_a_time - len(self._threads)
            started = [
                threading.Thread(target=self._read_ahead, daemon=True) for _ in range(missing)
            ]
            self._threads += started
        for thread in started:
            thread.start()

    def close(self) -> None:
        """Read ahead no more; what is asked for is still read."""
        self._finish()

    def _read_ahead(self) -> None:
        while not self._closed.is_set():
            with self._lock:
                number = self._next_expected()
                if number is None:
                    # Under the lock: whoever expects more will not take this thread for alive.
                    self._threads[:] = [
                        one for one in self._threads if one is not threading.current_thread()
                    ]
                    return
                reading = self._begin(number)
            with contextlib.suppress(Exception):  # whoever asks for it reads it again, and is told
                self._finish_reading(number, reading)

    def _next_expected(self) -> int | None:
        """Take the next shard that is missing, if there is room for it."""
        while self._expected:
            number = next(iter(self._expected))
            is_there = number in self._tables or number in self._being_read
            if not is_there and not self._make_room(number, is_asked_for=False):
                return None
            del self._expected[number]
            if not is_there:
                return number
        return None

    def _make_room(self, number: int, is_asked_for: bool) -> bool:
        """Give up tables until one more has room: those not in use, used longest ago first."""
        wanted = self._limit - self._sizes[number]
        kept = (self._in_use, frozenset()) if is_asked_for else (self._in_use,)
        for in_use in kept:
            if self._held <= wanted:
                break
            for one in [one for one in self._tables if one not in in_use]:
                self._held -= self._tables.pop(one).nbytes
                if self._held <= wanted:
                    break
        return self._held <= wanted

    def _begin(self, number: int) -> Future[TokenTable]:
        reading: Future[TokenTable] = Future()
        self._being_read[number] = reading
        self._count(self._sizes[number])
        self.readings += 1
        return reading

    def _finish_reading(self, number: int, reading: Future[TokenTable]) -> TokenTable:
        try:
            table = self._read(number)
        except BaseException as error:
            with self._lock:
                del self._being_read[number]
                self._held -= self._sizes[number]
            reading.set_exception(error)
            raise
        with self._lock:
            del self._being_read[number]
            self._tables[number] = table
            self._count(table.nbytes - self._sizes[number])
        reading.set_result(table)
        return table

    def _count(self, added: int) -> None:
        self._held += added
        self.most_held = max(self.most_held, self._held)


def _stop(closed: threading.Event, threads: list[threading.Thread]) -> None:
    closed.set()
    for thread in list(threads):
        if thread is not threading.current_thread() and thread.is_alive():
            thread.join()
