"""A run's steps and epochs, where both are given."""

import pytest

from adapters_tf.runs.sections import TrainingConfig
from prep import UsageError
from trainer.settings.arguments import read_arguments
from trainer.settings.durations import asked_epochs

DEFAULT = TrainingConfig().steps
OF_FILE = ("training: {steps: 20}", "training.epochs: 5", "training: {steps: 5 epochs}")


@pytest.mark.parametrize("file", OF_FILE)
@pytest.mark.parametrize(
    ("words", "length"),
    [
        (["--training.steps=7"], (7, 0)),
        (["--training.epochs", "2"], (DEFAULT, 2)),
        (["--training={epochs: 2}"], (DEFAULT, 2)),
        (["--training.steps=2 epochs"], ("2 epochs", 0)),
    ],
)
def test_the_command_line_stands_in_place_of_a_file(tmp_path, file, words, length):
    path = tmp_path / "run.yaml"
    path.write_text(f"{file}\noptimizer.decay: cosine\n")
    for config in ([f"--config={path}"], ["--config", str(path)]):
        training = read_arguments([*config, *words]).training
        assert (training.steps, training.epochs) == length


def test_a_file_alone_says_how_long(tmp_path, capsys):
    path = tmp_path / "run.yaml"
    path.write_text("training: {epochs: 5}\noptimizer.decay: cosine\n")
    assert read_arguments([f"--config={path}"]).training.epochs == 5
    assert capsys.readouterr().err.count("note:") == 1
    assert read_arguments([f"--config={path}", "--training.epochs=0"]).training.epochs == 0


@pytest.mark.parametrize(
    ("words", "where"),
    [
        (["--training.steps=7", "--training.epochs=2"], "on the command line"),
        (["--training.steps", "2 epochs", "--training={epochs: 2}"], "on the command line"),
        (["--config", "{training: {steps: 7, epochs: 2}}"], "in --config"),
    ],
)
def test_both_in_one_place_are_refused(tmp_path, words, where):
    if words[0] == "--config":
        path = tmp_path / "run.yaml"
        path.write_text(words[1])
        words = ["--config", str(path)]
    with pytest.raises(UsageError, match=rf"and training.epochs 2, both {where}; leave one out"):
        read_arguments(words)


def test_both_in_python_are_refused_too():
    with pytest.raises(UsageError, match=r"is 2 epochs and training\.epochs 3; leave one out"):
        asked_epochs(TrainingConfig(steps="2 epochs", epochs=3))
