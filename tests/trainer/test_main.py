"""What the trainer prints, in a terminal and in a file."""

import io

import pytest

from trainer.__main__ import print_fitted

PLAN = (
    "batches of 4 × 32 input and 8 target tokens, 3 a step, 41% padding (the longest example has "
    "29 and 7); a step holds at least 1.3 MB of activations\n"
    "  rte  accuracy  0.5\n"
    "    a task whose line is indented and needs more than one line of so narrow a terminal"
)


class Terminal(io.StringIO):
    """A stream that a person looks at."""

    def isatty(self):
        return True


@pytest.mark.parametrize("columns", [40, 80])
def test_no_line_is_wider_than_the_terminal_and_no_word_is_lost(columns, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    terminal = Terminal()
    print_fitted(PLAN, terminal)
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) < columns
    assert terminal.getvalue().split() == PLAN.split()
    assert "  rte  accuracy  0.5" in lines
    assert columns == 80 or lines[-1].startswith("      ")


def test_a_path_stays_whole_so_that_it_can_be_copied(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    terminal, path = Terminal(), "/very" * 20
    print_fitted(f"nothing was written: {path} would be new", terminal)
    assert path in terminal.getvalue().split()


def test_a_file_has_every_line_as_it_is(monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    file = io.StringIO()
    print_fitted(PLAN, file)
    assert file.getvalue() == PLAN + "\n"
