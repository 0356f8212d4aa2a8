"""How far a run is whose weights are scored."""

import json

from adapters_tf.runs.settings import ResolvedTraining
from eval.report.standing import describe_weights


def save(folder, *steps):
    folder.mkdir()
    for step in steps:
        (folder / f"ckpt-{step}.index").touch()


TRAINING = ResolvedTraining(steps=1500, patience=2)


def test_an_unfinished_run_is_told(tmp_path):
    save(tmp_path / "checkpoints", 100, 1200)
    said = describe_weights(tmp_path, TRAINING, "best", 1200)
    assert said == (
        "scoring the last checkpoint, of step 1,200; the run is not finished: 1,200 of 1,500 steps"
    )
    assert describe_weights(tmp_path, TRAINING, "none", 0).endswith("before training")
    save(tmp_path / "best", 100)
    log = [{"kind": "validation", "step": step} for step in (100, 600, 1200)]
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in log[:2]))
    (tmp_path / "best.json").write_text('{"step": 100}')
    said = describe_weights(tmp_path, TRAINING, "best", 100)
    assert said.startswith("scoring the best checkpoint, of step 100; the run is not")
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(one) + "\n" for one in log))
    said = describe_weights(tmp_path, TRAINING, "best", 100)  # its patience has ended it
    assert said == "scoring the best checkpoint, of step 100"
    (tmp_path / "best" / "ckpt-100.index").unlink()
    said = describe_weights(tmp_path, TRAINING, "best", 1200)
    why = "for the best one that best.json is of is not there"
    assert said.startswith(f"scoring the last checkpoint, of step 1,200, {why}")


def test_tasks_own_steps_are_said(tmp_path):
    save(tmp_path / "best", 100)
    whole = describe_weights(tmp_path, TRAINING, "best", 100)
    said = describe_weights(tmp_path, TRAINING, "best", 100, {"a": 50, "b": 100, "c": 75})
    assert said == f"{whole}, and of tasks' own best steps: a 50, c 75"
    many = {f"t{number}": number for number in range(10)}
    assert "t7 7 and 2 more" in describe_weights(tmp_path, TRAINING, "best", 100, many)


def test_what_is_finished_or_copied_in_part_has_no_more_to_say(tmp_path):
    save(tmp_path / "best", 100)
    whole = "scoring the best checkpoint, of step 100"
    assert describe_weights(tmp_path, TRAINING, "best", 100) == whole
    save(tmp_path / "checkpoints", 1500)
    assert describe_weights(tmp_path, TRAINING, "best", 100) == whole
