"""What is no YAML is told with its line, by whoever reads it."""

import pytest

from prep.errors import UsageError
from prep.storage.yaml_nodes import compose_yaml
from prep.tasks.tasks_file import load_tasks
from trainer.settings.config_file import check_config_file


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"a: 1\n\tb: 2\n", r":2: not YAML: a tab cannot indent YAML; use blanks"),
        (b"a: 1\nb: [1, 2\n", r":3: not YAML: expected ',' or ']'"),
        (b"a: 1\nb: \xff\n", r":2: not a text in UTF-8 \(byte 0xff\)"),
        (b"a: \x07\n", r":1: not YAML: "),
        (b"[" * 5000, r":1: nested too deeply"),
    ],
)
def test_what_is_no_yaml_is_told_with_its_line(tmp_path, content, problem):
    file = tmp_path / "a.yaml"
    file.write_bytes(content)
    for read in (compose_yaml, load_tasks, lambda path: check_config_file(str(path))):
        with pytest.raises(UsageError, match=f"a.yaml{problem}"):
            read(file)


def test_an_empty_file_has_no_root_and_a_mark_of_utf_8_is_none_of_it(tmp_path):
    file = tmp_path / "a.yaml"
    file.write_bytes(b"\xef\xbb\xbf# nothing\n")
    assert compose_yaml(file) is None
    file.write_bytes(b"\xef\xbb\xbfkey: 1\n")
    assert compose_yaml(file).value[0][0].value == "key"
