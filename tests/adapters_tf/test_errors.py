"""What TensorFlow says of a file, in our words; and notes."""

import io
import sys

import pytest

from adapters_tf.errors import FULL, reason_of_refusal, say_note

NODE = "{{function_node __wrapped__SaveV2_dtypes_129_device_/job:localhost/replica:0/task:0}} "
PART = "/runs/a/checkpoints/ckpt-2_temp/part-0.data.tempstate1335"


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        (f"{NODE}{PART}; File too large [Op:SaveV2]", "File too large"),
        (f"{NODE}{PART}; Read-only file system [Op:SaveV2]\n\nStack", "Read-only file system"),
        (f"{NODE}{NODE}{PART}; No space left on device [Op:SaveV2]", FULL),
        (f"{PART}; Disk quota exceeded", FULL),
        ("/a b; c/x; Permission denied", "Permission denied"),
        (
            "Error executing an HTTP request: 404; retried",
            "Error executing an HTTP request: 404; retried",
        ),
        ("", ""),
    ],
)
def test_the_reason_of_a_refusal(message, reason):
    assert reason_of_refusal(message) == reason


@pytest.mark.parametrize("is_terminal", [True, False])
def test_a_note_is_not_wider_than_a_terminal(monkeypatch, is_terminal):
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: is_terminal)
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "40")
    say_note("a folder\n  that is not the one which the run was trained on: " + "x" * 50)
    lines = stream.getvalue().splitlines()
    assert " ".join(map(str.strip, lines)).startswith("note: a folder that is not the one which")
    expected = ["note: a folder that is not the one which", "    the run was trained on:"]
    assert (lines[:-1] == expected) == is_terminal and lines[-1].endswith("x" * 50)
