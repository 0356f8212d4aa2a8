"""What a finished run leaves: a folder per task's adapter, or the whole backbone."""

import types
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from adapters_tf import load_backbone, load_task, task_tensors
from prep import DataError
from trainer.run.export import export

pytestmark = pytest.mark.slow


@pytest.fixture
def checkpoints():
    """Checkpoints whose best one is step 7; its weights are the model's already."""
    return types.SimpleNamespace(rows=None, restore_best=lambda: 7, has_lost_best=lambda: False)


def test_each_task_gets_a_folder(make_model, checkpoints, tmp_path):
    model, said = make_model(), []
    export(tmp_path, model, checkpoints, said.append)
    assert said == [f"wrote 3 adapters under {tmp_path / 'adapters'} (weights of step 7)"]
    folders = sorted((tmp_path / "adapters").iterdir())
    assert [folder.name for folder in folders] == ["a", "b", "c"]
    other = make_model(seed=1)
    load_task(other, "b", folders[1])
    expected, loaded = task_tensors(model, "b"), task_tensors(other, "b")
    assert all((expected[path] == loaded[path]).all() for path in expected)


def test_without_adapters_the_backbone_is_written(make_model, checkpoints, tmp_path):
    model, said = make_model(adapters=False), []
    export(tmp_path, model, checkpoints, said.append)
    assert said == [f"wrote {tmp_path / 'backbone'} (weights of step 7)"]
    assert not (tmp_path / "adapters").exists()
    assert load_file(str(tmp_path / "backbone" / "model.safetensors"))
    assert load_backbone(str(tmp_path / "backbone")).config.d_model == 32


def test_the_weights_are_those_of_the_best_checkpoint(make_model, tmp_path):
    """They are read before anything is written."""
    model = make_model()

    def restore_best():
        for variable in model.trainable_variables:
            variable.assign(variable * 0.0 + 0.25)
        return 3

    checkpoints = types.SimpleNamespace(
        rows=None, restore_best=restore_best, has_lost_best=lambda: False
    )
    export(tmp_path, model, checkpoints, lambda line: None)
    tensors = load_file(str(tmp_path / "adapters" / "a" / "adapter_model.safetensors"))
    assert all((tensor == 0.25).all() for tensor in tensors.values())


@pytest.mark.parametrize("has_adapters", [True, False])
def test_what_the_disk_refuses_is_said_and_can_be_written_later(
    make_model, checkpoints, tmp_path, monkeypatch, has_adapters
):
    model = make_model(adapters=has_adapters)

    def refuse(self, *args, **keywords):
        raise OSError(28, "No space left on device")  # as a write does: without a name

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(DataError, match=r"^disk full: .*config.json.*; .* same command writes the"):
        export(tmp_path, model, checkpoints, lambda line: None)
    monkeypatch.undo()
    written = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert written == []
    export(tmp_path, model, checkpoints, lambda line: None)


def test_what_was_exported_stays_where_the_best_checkpoint_is_damaged(make_model, tmp_path):
    said = []
    lost = types.SimpleNamespace(has_lost_best=lambda: True)
    (tmp_path / "adapters").mkdir()
    export(tmp_path, make_model(), lost, said.append)
    assert said == [f"{tmp_path / 'adapters'} stays as it is: the best checkpoint is damaged"]
    assert not list((tmp_path / "adapters").iterdir())
