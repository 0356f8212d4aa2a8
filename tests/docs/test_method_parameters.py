"""The table of parameters is what the code makes."""

import re
from pathlib import Path

import pytest

from benchmarks.method_parameters import EIGHT, count, method_names

PAGE = Path(__file__).parents[2] / "docs" / "choosing-a-method.md"
ROW = re.compile(r"^\| `([\w+]+)` \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|$", re.M)


def table():
    rows = ROW.findall(PAGE.read_text("utf-8"))
    return {name: [int(one.replace(",", "")) for one in counts] for name, *counts in rows}


def test_every_method_that_can_be_counted_has_a_row():
    assert sorted(table()) == method_names()


@pytest.mark.slow
@pytest.mark.parametrize("method", ("bottleneck", "lora", "prompt"))
def test_parameters_of_t5_small(method):
    assert [count("t5-small", method, tasks) for tasks in (EIGHT[:1], EIGHT)] == table()[method][:2]
