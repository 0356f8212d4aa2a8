"""The command line of the trainer, without TensorFlow."""

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


def test_a_file_and_options_over_it(tmp_path):
    file = tmp_path / "run.yaml"
    file.write_text("tasks: [rte]\noptimizer: {schedule: cosine, learning_rate: 0.5}\n")
    config = read_arguments([f"--config={file}", "--optimizer.learning_rate=0.25"])
    assert (config.optimizer.schedule, config.optimizer.learning_rate) == ("cosine", 0.25)
    assert config.task_list() == ["rte"]


@pytest.mark.parametrize("place", ["option", "file"])
def test_the_schedule_under_its_earlier_name(tmp_path, capsys, place):
    argv = ["--optimizer.decay=cosine"]
    if place == "file":
        file = tmp_path / "run.yaml"
        file.write_text("optimizer: {decay: cosine, warmup_steps: 3}\n")
        argv = [f"--config={file}"]
    config = read_arguments(argv)
    assert config.optimizer.schedule == "cosine"
    assert config.optimizer.warmup_steps == (3 if place == "file" else 0)
    assert capsys.readouterr().err == "note: optimizer.decay is called optimizer.schedule now\n"


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--data.bach_size=8"], "did you mean --data.batch_size"),
        (["--data.batch_size=eight"], "data.batch_size"),
        (["--optimizer.decay"], "expected one argument"),
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
