"""The command line of the trainer, without TensorFlow."""

import re
import subprocess
import sys

import pytest

from prep import UsageError
from trainer.settings.arguments import read_arguments


def test_every_section_has_dotted_options():
    config = read_arguments(["--dataset=d", "--run=r", "--data.batch_size=8", "--tasks=a, b ,"])
    assert config.data.batch_size == 8 and config.task_list() == ["a", "b"]
    assert read_arguments(["--adapters.settings={lora: {rank: 2}}"]).adapters.settings == {
        "lora": {"rank": 2}
    }


def test_no_words_at_all():
    assert read_arguments([]).dataset == ""


def test_a_file_and_options_over_it(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("tasks: [rte]\noptimizer: {schedule: cosine, learning_rate: 0.5}\n")
    config = read_arguments([f"--config={file}", "--optimizer.learning_rate=0.25"])
    assert (config.optimizer.schedule, config.optimizer.learning_rate) == ("cosine", 0.25)
    assert config.task_list() == ["rte"]


NOTE = "note: optimizer.decay is called optimizer.schedule now\n"


@pytest.fixture
def old_file(tmp_path):
    """Files that call the schedule by its earlier name, in every way that names it."""

    def write(form):
        text = {
            "nested": "optimizer: {decay: cosine, warmup_steps: 3}",
            "json": '{"optimizer": {"decay": "cosine", "warmup_steps": 3}}',
            "dotted": "optimizer.decay: cosine\noptimizer.warmup_steps: 3",
        }[form]
        file = tmp_path / ("run.json" if form == "json" else "run.yaml")
        file.write_text(text + "\n")
        return f"--config={file}"

    return write


@pytest.mark.parametrize("form", ["nested", "json", "dotted"])
def test_the_schedule_under_its_earlier_name_in_a_file(old_file, capsys, form):
    config = read_arguments([old_file(form)])
    assert (config.optimizer.schedule, config.optimizer.warmup_steps) == ("cosine", 3)
    assert capsys.readouterr().err == NOTE


def test_the_schedule_under_its_earlier_name_as_an_option(capsys):
    assert read_arguments(["--optimizer.decay=cosine"]).optimizer.schedule == "cosine"
    assert read_arguments(["--optimizer.decay", "cosine"]).optimizer.schedule == "cosine"
    assert read_arguments(['--optimizer={"decay": "cosine"}']).optimizer.schedule == "cosine"
    assert capsys.readouterr().err == 3 * NOTE


def test_the_last_one_wins_whatever_it_is_called(old_file):
    for late in ("--optimizer.schedule=linear", "--optimizer.decay=linear"):
        assert read_arguments([old_file("nested"), late]).optimizer.schedule == "linear"
    both = ["--optimizer.decay=cosine", "--optimizer.schedule=constant"]
    assert read_arguments(both).optimizer.schedule == "constant"
    assert read_arguments(both[::-1]).optimizer.schedule == "cosine"


def test_two_names_that_differ_are_refused(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("optimizer: {decay: cosine, schedule: linear}\n")
    with pytest.raises(UsageError, match=r"'cosine'.*earlier name of schedule.*'linear'"):
        read_arguments([f"--config={file}"])


def test_a_printed_config_says_what_would_run(old_file, capsys):
    with pytest.raises(SystemExit):
        read_arguments([old_file("nested"), "--print_config"])
    printed = capsys.readouterr().out
    assert "schedule: cosine" in printed and not re.search(r"^ *decay:", printed, re.M)


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data.bach_size=8"], "did you mean --data.batch_size"),
        (["--optimizer.nam", "adamw"], "did you mean --optimizer.name?"),  # not taken for it
        (["--training.batch_size=8"], "did you mean --data.batch_size?"),  # of another section
        (["--data.learning_rate=1"], "did you mean --optimizer.learning_rate?"),
        (["--learning_rate", "1e-3"], "did you mean --optimizer.learning_rate?"),
        (["--data.bat=8"], "did you mean --data.batch_size?"),
        (["--data.batch_size=eight"], "data.batch_size"),
        (["--optimizer.decay"], "expected one argument"),
        (["--training", "{steps: 3, steps: 4}"], "the key 'steps' stands there twice"),
        (["--model.overrides={d_ff: 8, d_ff: 9}"], "the key 'd_ff' stands there twice"),
        (["--training", "3"], "--training: expected --training.NAME, or keys .* found '3'"),
        (["--config", ""], "--config : there is no such file"),
        (["--data.shapes", ""], "--data.shapes: expected a whole number, found ''"),
        (
            ["--data.weights", "{a:2}"],
            "expected {NAME: VALUE}, with a blank after .* found '{a:2}'",
        ),
    ],
)
def test_mistakes_are_one_line(argv, message):
    with pytest.raises(UsageError, match=message) as caught:
        read_arguments(argv)
    assert "\n" not in str(caught.value)


def test_help_takes_no_tensorflow(pytestconfig):
    program = (
        "import sys\nfrom trainer.settings.arguments import read_arguments\n"
        "try:\n    read_arguments(['--help'])\nexcept SystemExit:\n    pass\n"
        "sys.exit('tensorflow' in sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=pytestconfig.rootpath,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "--optimizer.schedule" in done.stdout and "--optimizer.decay" not in done.stdout
    assert "What follows the warm-up" in done.stdout
