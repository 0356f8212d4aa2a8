"""Mistakes in a file of settings are one line with its place, and the nearest key."""

from pathlib import Path

import pytest

from prep import UsageError
from trainer.settings.arguments import read_arguments
from trainer.settings.config_file import check_config_file

ROOT = Path(__file__).parents[3]
MISTAKES = {
    "tab": ("model:\n\tbackbone: t5-tiny\n", 2, "a tab cannot indent YAML"),
    "empty": ("", 1, "the file is empty"),
    "only a comment": ("# nothing yet\n", 1, "the file is empty"),
    "unknown section": ("seed: 1\nmodle: {}\n", 2, "no key 'modle'; did you mean 'model'?"),
    "unknown key": ("data:\n  batch_sise: 8\n", 2, "'data.batch_sise'; did you mean 'batch_size'?"),
    "unknown dotted key": ("data.batch_sise: 8\n", 1, "did you mean 'data.batch_size'?"),
    "a setting without its section": ("steps: 8\n", 1, "did you mean 'training.steps'?"),
    "wrong type": ("data:\n  batch_size: many\n", 2, 'expected a whole number, found "many"'),
    "part of a number": ("data: {shapes: 1.5}\n", 1, 'expected a whole number, found "1.5"'),
    "no truth value": ("training: {jit_compile: maybe}", 1, "expected true or false"),
    "a truth value": ("optimizer: {learning_rate: yes}", 1, 'expected a number, found "yes"'),
    "null": ("data:\n  shapes: null\n", 2, 'expected a whole number, found "null"'),
    "nothing": ("data:\n  shapes:\n", 2, "expected a whole number, found nothing"),
    "an empty section": ("training:\n", 1, "expected keys and values, found nothing"),
    "a list for a text": ("model: {backbone: [a]}\n", 1, "expected a text, found a list"),
    "a text for settings": ("adapters:\n  settings: lora\n", 2, "expected keys and values"),
    "a file of tasks": ("- name: x\n  kind: y\n", 1, "a list, as a file of tasks"),
    "a section twice": ("data: {cap: 1}\nseed: 1\ndata: {cap: 2}\n", 3, "a second 'data'"),
    "a key twice": ("optimizer:\n  name: adamw\n  name: x\n", 3, "a second 'optimizer.name'"),
    "twice, deep inside": (
        "adapters:\n  settings:\n    lora: {rank: 1}\n    lora: {rank: 2}\n",
        4,
        "a second 'lora' in adapters.settings",
    ),
    "twice in JSON": ('{"seed": 1,\n "seed": 2}', 2, "a second 'seed'"),
    "unclosed": ("model: {backbone: t5-tiny\n", 2, "not YAML"),
    "not UTF-8": (b"\xff\xfea\x00", 1, "not a text in UTF-8"),
    "a truth value for a text": (
        "seed: 1\nadapters: {method: no}\n",
        2,
        'adapters.method: expected a text, found "no"; in quotes it is one',
    ),
    "a number among names": ("tasks:\n- rte\n- 5\n", 3, 'tasks: expected a text, found "5"'),
    "a number for a path": (
        "adapters:\n  stack_on:\n    of: 3\n",
        3,
        'adapters.stack_on.of: expected a text, found "3"',
    ),
    "nothing for settings": (
        "adapters:\n  settings:\n    lora:\n",
        3,
        "adapters.settings.lora: expected keys and values, found nothing",
    ),
    "a tag": (
        "adapters:\n  settings: {lora: {rank: !!python/name:os.x 2}}\n",
        2,
        "the tag '!!python/name:os.x' is none of a setting's",
    ),
    "a tag of one's own": ("seed: !mine 2\n", 1, "the tag '!mine' is none of a setting's"),
    "a list that holds itself": ("tasks: &a [*a]\n", 1, "a value holds itself"),
    "settings that hold themselves": ("adapters: {settings: &a {lora: *a}}", 1, "holds itself"),
    "not UTF-8, further down": (b"seed: 1\n# \xfc\n", 2, "(byte 0xfc); save the file as UTF-8"),
    "a word that is none of a setting's": (
        "training:\n  precision: bfloat16\n",
        2,
        "training.precision 'bfloat16' is unknown; did you mean 'mixed_bfloat16'?",
    ),
    "the same by an earlier name": (
        "seed: 1\noptimizer: {decay: cosin}\n",
        2,
        "optimizer.schedule 'cosin' is unknown; did you mean 'cosine'?",
    ),
    "the same as options are written": ("data.routing: row\n", 1, "data.routing 'row' is unknown"),
    "too deep": ("tasks: " + "[" * 5000, 1, "nested too deeply"),
}


@pytest.mark.parametrize(("text", "line", "said"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_has_its_place(text, line, said, tmp_path):
    file = tmp_path / "run.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UsageError) as raised:
        read_arguments(["--config", str(file), "--dataset=d", "--run=r"])
    assert str(raised.value).startswith(f"{file}:{line}: ")
    assert said in str(raised.value) and "\n" not in str(raised.value)


def test_a_file_that_is_not_there():
    with pytest.raises(UsageError, match=r"--config no/such.yaml: there is no such file"):
        read_arguments(["--config=no/such.yaml"])


def test_what_is_right_passes(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text(
        "tasks: [rte, cola]\n"
        "optimizer: {decay: cosine, learning_rate: 3e-4, weight_decay: 1}\n"
        "adapters: {start_from: {rte: a}, stack_on: null, settings: {lora: {rank: 2}}}\n"
        "training.steps: 10\n"
    )
    config = read_arguments(["--config", str(file)])
    assert (config.optimizer.learning_rate, config.training.steps) == (3e-4, 10)


@pytest.mark.parametrize("file", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda p: p.stem)
def test_the_files_of_the_project_pass(file):
    check_config_file(str(file))


def test_an_option_that_is_not_yaml_is_one_line():
    with pytest.raises(UsageError, match=r"^'lora: rank: 4' is not YAML: mapping values"):
        read_arguments(["--dataset=d", "--run=r", "--adapters.settings", "lora: rank: 4"])


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--data.shapes=sixty", "--data.shapes: expected a whole number, found 'sixty'"),
        (
            "--training.jit_compile=maybe",
            "--training.jit_compile: expected true or false, found 'm",
        ),
    ],
)
def test_an_option_of_another_type(option, message):
    with pytest.raises(UsageError) as raised:
        read_arguments(["--dataset=d", "--run=r", option])
    assert str(raised.value).startswith(message)
