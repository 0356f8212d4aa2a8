"""Which version of these packages this is, and how every program says it.

`pyproject.toml` reads `VERSION` from here. `adapters_tf.version` has the same; a test holds the two
copies together.
"""

VERSION = "0.1.0"
SAID = f"t5-task-adapters {VERSION}"  # by `--version` of every program
