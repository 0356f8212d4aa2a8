"""The demo from end to end, cut short: two tasks, a smaller model, a few steps."""

import pytest
import yaml

from adapters_tf import METHODS, VARIANTS, read_methods
from prep import run_command
from trainer import demo

pytestmark = pytest.mark.slow

TASKS = ("synthetic_entailment", "synthetic_choice")
SMALL = {"d_model": 32, "d_ff": 64, "num_layers": 1, "num_decoder_layers": 1, "dropout_rate": 0.0}


def shorten(source, target, tasks, **model):
    """Copy a config of the demo with its settings, but for what takes time."""
    config = yaml.safe_load(source.read_text(encoding="utf-8"))
    config["tasks"] = list(tasks)
    config["model"].update(model)
    config["data"].update(batch_size=16)
    config["training"].update(
        steps=4, log_every=2, validate_every=4, validation_examples=20, checkpoint_every=2
    )
    target.write_text(yaml.safe_dump(config), encoding="utf-8")


def test_tells_the_whole_story_and_finds_it_done_the_second_time(tmp_path, monkeypatch, capsys):
    shorten(
        demo.CONFIGS / "demo-short-backbone.yaml",
        tmp_path / "demo-short-backbone.yaml",
        TASKS[:1],
        overrides=SMALL,
    )
    shorten(demo.CONFIGS / "demo-short-adapters.yaml", tmp_path / "demo-short-adapters.yaml", TASKS)
    monkeypatch.setattr(demo, "CONFIGS", tmp_path)
    monkeypatch.setattr(demo, "TASKS", TASKS)

    assert run_command(demo.main, ["--run", str(tmp_path / "run")]) == 0
    first = capsys.readouterr().out
    headings = [line[:4] for line in first.splitlines() if line.startswith("== ")]
    assert headings == ["== 1", "== 2", "== 3", "== 4", "== 5"]
    table = first.split("== 5")[1].splitlines()
    assert [line.split()[0] for line in table[2:4]] == list(TASKS)
    cells = table[2].split()
    assert cells[2].endswith("%") and cells[3] == "accuracy"
    assert all(0 <= float(score) <= 1 for score in cells[4:])
    scored = first.split("== 3")[0].split("answers on the test split")[1]
    assert all(f"{task:<21} accuracy 0." in scored for task in TASKS)
    assert "never saw synthetic_choice" in first and "Run folder" in first

    assert run_command(demo.main, ["--run", str(tmp_path / "run")]) == 0
    second = capsys.readouterr().out
    assert "step 2/4" in first and "step 2/4" not in second
    assert second.split("== 5")[1].split("minutes")[0].splitlines()[1:5] == table[1:5]


@pytest.mark.parametrize(
    ("story", "tasks"), [("demo-short", demo.TASKS), ("demo", demo.FULL_TASKS)]
)
def test_configs_name_the_tasks_of_their_story(story, tasks):
    def named(stage):
        config = (demo.CONFIGS / f"{story}-{stage}.yaml").read_text(encoding="utf-8")
        return tuple(yaml.safe_load(config)["tasks"])

    assert named("adapters") == tasks and (*named("backbone"), demo.NEW) == tasks


def test_learning_rates_and_settings_are_of_methods_there_are():
    known = {**METHODS, **VARIANTS}
    assert set(demo.LEARNING_RATES) <= set(known)
    assert set(demo.SETTINGS) <= set(known)


def test_a_method_gets_the_settings_of_a_narrow_backbone(tmp_path):
    both = demo.settings_of("lora, pfeiffer", tmp_path)
    assert list(both) == ["lora", "pfeiffer"] and both["pfeiffer"] == {"reduction_factor": 2}
    assert demo.settings_of("ia3", tmp_path) == {}
    assert demo.settings_of("fusion", tmp_path) == {"fusion": {"of": str(tmp_path / "adapters")}}
    read_methods("lora,pfeiffer", both)
