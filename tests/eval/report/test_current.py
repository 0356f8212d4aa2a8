"""Whether figures are those of the weights that a run answers with now."""

import hashlib

import pytest

from adapters_tf.runs.checkpoints import FoundCheckpoint
from eval.report.current import describe_change, is_index, name_command


def save(folder, step, content):
    folder.mkdir(exist_ok=True)
    (folder / f"ckpt-{step}.index").write_bytes(content)
    return hashlib.sha256(content).hexdigest()


@pytest.mark.parametrize("kind", ["best", "last"])
def test_figures_go_with_the_checkpoint_they_are_of(tmp_path, kind):
    document = {"checkpoint": kind, "step": 100, "split": "test"}
    assert describe_change(tmp_path, {**document, "checkpoint_digest": "00"}) == ""  # figures alone
    digest = save(tmp_path / "checkpoints", 100, b"then")
    known = {**document, "checkpoint_digest": digest}
    assert describe_change(tmp_path, known) == ""
    save(tmp_path / "checkpoints", 100, b"trained again")
    assert "its last checkpoint is of other weights of that step now" in describe_change(
        tmp_path, known
    )
    save(tmp_path / "best", 100, b"then")
    assert bool(describe_change(tmp_path, known)) == (kind == "last")
    assert describe_change(tmp_path, document) == ""  # an earlier version kept no digest
    again = f"python -m eval --run x --split test{' --checkpoint last' if kind == 'last' else ''}"
    assert name_command("x", document) == again


@pytest.mark.slow  # loads TensorFlow
def test_where_the_newest_is_damaged_the_one_before_answers(tmp_path, monkeypatch):
    digest = save(tmp_path / "checkpoints", 100, b"then")
    save(tmp_path / "checkpoints", 150, b"half a fi")
    document = {"checkpoint": "best", "step": 100, "checkpoint_digest": digest}
    assert "is of step 150 now" in describe_change(tmp_path, document)  # none is whole
    found = FoundCheckpoint(str(tmp_path / "checkpoints" / "ckpt-100"), 100)
    monkeypatch.setattr("eval.report.current.newest_whole", lambda folder: found)
    assert describe_change(tmp_path, document) == ""


def test_indices_tell_checkpoints_apart():
    assert is_index("best/ckpt-3.index") and is_index("checkpoints/ckpt-3.index")
    assert not is_index("best/ckpt-3.data-00000-of-00001") and not is_index("adapters/a.index")
