"""Which version of these packages this is, and how every program says it.

`prep.version`, from which `pyproject.toml` reads it, has the same; a test holds the two copies
together.
"""

VERSION = "0.1.0"
SAID = f"t5-task-adapters {VERSION}"  # by `--version` of every program
