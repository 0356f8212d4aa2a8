"""What TensorFlow says of a file, in our words."""

import pytest

from adapters_tf.errors import FULL, reason_of_refusal

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
