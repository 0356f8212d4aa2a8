"""A YAML file as nodes that know their lines; what is no YAML is told with its line."""

from pathlib import Path

import yaml

from prep.errors import UsageError


def compose_yaml(path: str | Path) -> yaml.Node | None:
    """Read a YAML file without making values of it.

    Args:
        path: The file.

    Returns:
        Its root; None for an empty file.

    Raises:
        UsageError: If it is not YAML, or no text in UTF-8; it names the file and the line.
        OSError: If it cannot be read.
    """
    line = 1
    try:
        return yaml.compose(Path(path).read_text(encoding="utf-8-sig"), Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else 1
        is_tab = "'\\t'" in str(error.problem)
        what = "a tab cannot indent YAML; use blanks" if is_tab else error.problem
        problem = f"not YAML: {what}"
    except yaml.YAMLError as error:  # letters that YAML has no place for
        problem = f"not YAML: {' '.join(str(error).split())}"
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        byte = error.object[error.start]
        problem = f"not a text in UTF-8 (byte 0x{byte:02x}); save the file as UTF-8"
    except RecursionError:
        problem = "nested too deeply"
    raise UsageError(f"{path}:{line}: {problem}")
