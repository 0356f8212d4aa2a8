"""A bar in a terminal, and lines no wider than it."""

import io
import os
import re

import numpy as np
import pytest

from trainer.callbacks.progress import ProgressCallback, say, task_of_step, wrap_lines


class Terminal(io.StringIO):
    def isatty(self):
        return True

    def drawn(self):
        """What stood in a line, one after the other."""
        return [one for one in re.split(r"[\r\n]+", self.getvalue()) if one.strip()]


@pytest.fixture(params=[100, 40])
def columns(request, monkeypatch):
    monkeypatch.setattr(
        "shutil.get_terminal_size", lambda *_, **options: os.terminal_size((request.param, 24))
    )
    monkeypatch.setattr("tqdm.std._screen_shape_wrapper", lambda: lambda _: (request.param, 24))
    return request.param


def test_it_shows_where_the_run_is_and_is_no_wider_than_the_terminal(columns):
    terminal = Terminal()
    bar = ProgressCallback(10, 30, lambda step: f"task_{step}", terminal)
    bar.on_train_begin()
    bar.bar.mininterval = bar.bar.miniters = 0
    bar.on_train_batch_end(4)
    bar.show(0.5, 12345.6, 0.731)
    bar.on_train_batch_end(9)
    say("validation " * 20, terminal)
    bar.on_train_end()
    bar.close()
    drawn = terminal.drawn()
    assert max(map(len, drawn)) <= columns
    assert drawn[0].startswith("10/30") and any(one.startswith("20/30") for one in drawn)
    if columns == 100:
        assert "left, loss 0.500, 12,346 tokens/s (73% real), task_20" in terminal.getvalue()
    assert sum(one.split().count("validation") for one in drawn) == 20


def test_to_a_file_lines_go_whole():
    file = io.StringIO()
    say("word " * 50, file)
    assert file.getvalue() == "word " * 50 + "\n"


def test_lines_are_broken_between_words_and_tables_left_alone():
    table = "  rte    loss\n  cola   loss"
    path = "/a/very/long/path/of/a-run-folder"
    assert wrap_lines(table, 20) == table
    assert wrap_lines(f"done: step 2, run folder {path}", 20).split("\n") == [
        "done: step 2, run",
        "    folder",
        f"    {path}",
    ]


def test_a_step_is_of_a_task_or_of_several():
    schedule = np.array([1, 1, 0, 1, 2, 0], np.int32)
    names = ("rte", "cola", "mnli")
    assert [task_of_step(schedule, names, 2, step) for step in range(3)] == [
        "cola",
        "2 tasks",
        "2 tasks",
    ]
    assert task_of_step(schedule, names, 1, 4) == "mnli"


def test_a_bar_that_was_never_drawn_can_be_closed():
    bar = ProgressCallback(0, 2, str, Terminal())
    bar.on_train_batch_end(0)
    bar.close()
