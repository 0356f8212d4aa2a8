"""Adapters in PEFT's and AdapterHub's folders, both ways, against files those libraries wrote."""

import json
import shutil
from functools import lru_cache

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from adapters_tf import ConfigurationError, TaskModel, WeightsError, load_backbone, read_methods
from adapters_tf.interop import (
    LIBRARIES,
    base_folder,
    describe_formats,
    export_formats,
    export_task,
    import_task,
)
from adapters_tf.model.heads import HeadOf
from adapters_tf.task_adapters.folder import load_task, save_task, task_tensors
from tests.adapters_tf.interop.golden_folders import (
    GOLDEN,
    ROWS,
    edit,
    golden_backbone,
    golden_batch,
    import_lora,
    library_of,
    name_of,
    weights_of,
)

pytestmark = pytest.mark.slow

# Written by benchmarks/parity/torch_side.py golden.
FOLDERS = sorted(path.parent for path in GOLDEN.glob("interop/*/*/adapter_config.json"))
# What means the same in two ways there; we write one of them.
WRITTEN_OTHERWISE = ("peft-prompt", "peft-prefix", "peft-prefix-shared", "adapterhub-seq_bn-norms")


@lru_cache
def read_golden(folder):
    """A folder another library wrote, and the model it was read into; no test changes either."""
    return folder, import_task(golden_backbone(folder), "task", library_of(folder), folder).model


@pytest.fixture(params=FOLDERS, ids=name_of, scope="module")
def golden(request):
    """A folder another library wrote, and the model it was read into."""
    return read_golden(request.param)


@pytest.fixture(
    params=[f for f in FOLDERS if f.name not in WRITTEN_OTHERWISE], ids=name_of, scope="module"
)
def faithful(request):
    """Of these, one that we write as the library does."""
    return read_golden(request.param)


@pytest.fixture
def lora(tmp_path):
    """A copy of one of PEFT's folders, to be spoiled."""
    source = GOLDEN / "interop" / "t5" / "peft-lora-rslora"
    shutil.copytree(source, tmp_path / "lora")
    return tmp_path / "lora"


def test_the_golden_folders_are_there():
    assert {library_of(folder) for folder in FOLDERS} == set(LIBRARIES)


def test_imported_adapters_give_their_logits(golden):
    folder, model = golden
    expected = np.load(folder / "expected.npz")["logits"]
    seen = model(golden_batch(folder)).numpy()
    np.testing.assert_allclose(seen, expected, atol=1e-4)


def test_the_golden_adapters_change_the_logits():
    """Else the test above would pass without them."""
    for folder in FOLDERS:
        expected = np.load(folder / "expected.npz")["logits"]
        plain = np.load(GOLDEN / folder.parent.name / "expected.npz")["logits"][:ROWS]
        assert np.abs(plain - expected).max() > 0.1


def test_exporting_gives_back_exactly_what_was_imported(faithful, tmp_path):
    folder, model = faithful
    library = LIBRARIES[library_of(folder)]
    export_task(model, "task", library_of(folder), tmp_path / "out", folder.parent.name)
    theirs, ours = weights_of(folder), load_file(tmp_path / "out" / library.WEIGHTS_FILE)
    assert set(ours) == set(theirs)
    for name, tensor in theirs.items():
        np.testing.assert_array_equal(ours[name], tensor)


def test_what_is_exported_says_what_their_configuration_says(faithful, tmp_path):
    folder, model = faithful
    library = LIBRARIES[library_of(folder)]
    export_task(model, "task", library_of(folder), tmp_path / "out", folder.parent.name)
    tensors = load_file(tmp_path / "out" / library.WEIGHTS_FILE)
    theirs, ours = (
        json.loads((place / "adapter_config.json").read_text())
        for place in (folder, tmp_path / "out")
    )
    again = library.mapping_to_read(ours).read(ours, model.backbone, tensors).settings
    assert (again,) == model.methods
    theirs, ours = ({**fields.pop("config", {}), **fields} for fields in (theirs, ours))
    for name, value in ours.items():
        both = [
            sorted(field) if isinstance(field, list) else field for field in (value, theirs[name])
        ]
        assert both[0] == both[1], name


@pytest.mark.parametrize("name", WRITTEN_OTHERWISE)
def test_what_is_written_otherwise_means_the_same(name, tmp_path):
    folder, model = read_golden(GOLDEN / "interop" / "t5" / name)
    export_task(model, "task", library_of(folder), tmp_path / "out")
    again = import_task(golden_backbone(folder), "task", library_of(folder), tmp_path / "out").model
    assert again.methods == model.methods
    for path, tensor in task_tensors(model, "task").items():
        np.testing.assert_array_equal(task_tensors(again, "task")[path], tensor)


@pytest.mark.parametrize("name", ["t5/peft-dora", "t5_v1_1/adapterhub-norms"])
def test_an_imported_task_loads_into_a_model_of_many_tasks(name, tmp_path):
    folder = GOLDEN / "interop" / name
    imported = import_task(golden_backbone(folder), "a", library_of(folder), folder).model
    save_task(imported, "a", tmp_path / "a")
    model = TaskModel(golden_backbone(folder), ("x", "y"), imported.methods, seed=3)
    load_task(model, "y", tmp_path / "a")
    for path, tensor in task_tensors(imported, "a").items():
        np.testing.assert_array_equal(task_tensors(model, "y")[path], tensor)


def test_every_misfit_is_named(lora):
    file = lora / "adapter_model.safetensors"
    tensors = load_file(file)
    first, second = list(tensors)[:2]
    tensors["base_model.model.stranger"] = tensors.pop(first)
    tensors[second] = tensors[second][:, :1].copy()
    save_file(tensors, file)
    with pytest.raises(WeightsError) as caught:
        import_lora(lora)
    for part in (f"missing {first}", "unexpected base_model.model.stranger", f"{second} is"):
        assert part in str(caught.value)


def test_an_adapter_of_a_wider_backbone_is_refused(lora, make_backbone):
    with pytest.raises(WeightsError, match=r"q\.lora_A\.weight is \[2, 24\], expected \[2, 32\]"):
        import_task(make_backbone(num_layers=3, num_decoder_layers=2), "a", "peft", lora)


def test_a_pickle_is_refused_with_the_command_that_converts_it(lora):
    (lora / "adapter_model.safetensors").rename(lora / "adapter_model.bin")
    with pytest.raises(WeightsError, match=r"is a pickle.*convert it with: python -c .*torch.load"):
        import_lora(lora)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"peft_type": "LOHA"}, "'LOHA' has no counterpart"),
        ({"rank_pattern": {"q": 4}}, "rank_pattern"),
        ({"modules_to_save": ["lm_head"]}, "modules_to_save"),
        ({"init_lora_weights": "pissa"}, "changes the backbone's weights"),
        ({"target_modules": ["query"]}, "name no layer of T5"),
        ({"target_modules": "(q"}, "no regular expression"),
        ({"r": 0}, "rank must be 1 or more"),
    ],
)
def test_what_has_no_counterpart_is_named(lora, fields, message):
    edit(lora, **fields)
    with pytest.raises(WeightsError, match=message):
        import_lora(lora)


def test_missing_torn_and_foreign_folders_are_one_line(lora, tmp_path):
    with pytest.raises(WeightsError, match=r"holds no adapter_config\.json"):
        import_lora(tmp_path / "nowhere")
    file = lora / "adapter_model.safetensors"
    file.write_bytes(file.read_bytes()[:-10])
    with pytest.raises(WeightsError, match="not a whole safetensors"):
        import_lora(lora)
    (lora / "adapter_config.json").write_text("{")
    with pytest.raises(WeightsError, match="is not JSON"):
        import_lora(lora)
    (lora / "adapter_config.json").write_text("{}")
    with pytest.raises(WeightsError, match="no peft_type"):
        import_lora(lora)


def test_layers_left_out_there_change_nothing_here(lora):
    """`wi` means both projections of a gated feed-forward, and PEFT may take one of them."""
    gated = GOLDEN / "interop" / "t5_v1_1" / "peft-lora-rslora"
    tensors = {name: tensor for name, tensor in weights_of(gated).items() if ".wi_0." not in name}
    shutil.copy(gated / "adapter_config.json", lora)
    save_file(tensors, lora / "adapter_model.safetensors")
    edit(lora, target_modules=["q", "k", "v", "o", "wi_1", "wo"])
    imported = import_task(golden_backbone(gated), "a", "peft", lora)
    assert imported.notes[0].startswith("5 of 43 layers have no adapter there")
    idle = [bank for path, bank in imported.model.banks.items() if path.endswith("wi_0")]
    assert len(idle) == 5 and not any(np.any(bank.b) for bank in idle)


@pytest.mark.parametrize(
    ("methods", "norms", "message"),
    [
        (
            "bottleneck",
            False,
            "cannot hold the method 'bottleneck'; it holds lora, ia3, layer_norm, prompt, prefix",
        ),
        ("lora,ia3", False, "one adapter method to a folder"),
        ("prefix", False, "alone, and the task has them at encoder, decoder, cross; train with pl"),
        ("prefix_flat", False, "have positions: none; train with positions: before"),
    ],
)
def test_what_they_cannot_hold_is_refused(make_backbone, tmp_path, methods, norms, message):
    settings = {"ia3": {"targets": ("k",)}, "bottleneck": {"reduction_factor": 8}}
    settings["prefix_flat"] = {"placement": ("decoder",)}
    chosen = read_methods(methods, settings)
    model = TaskModel(make_backbone(), ("a",), chosen, train_layer_norms=norms)
    with pytest.raises(ConfigurationError, match=message):
        export_task(model, "a", "peft", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("methods", "library"), [("bottleneck", "adapterhub"), ("lora", "peft"), ("prompt", "peft")]
)
def test_trained_norms_leave_beside_the_adapter(
    make_model, uneven_batch, tmp_path, methods, library
):
    """What the adapter belongs on is written too: a plain T5 with the trained norms."""
    settings = {"bottleneck": {"reduction_factor": 8}} if methods == "bottleneck" else {}
    model = make_model(read_methods(methods, settings), train_layer_norms=True)
    assert export_formats(model)[library] == "a T5 with the trained layer norms"
    batch = {key: tf.constant(value) for key, value in uneven_batch(task=1).items()}
    expected = model(batch).numpy()
    out = export_task(model, "second", library, tmp_path / "out", "t5-small")
    base = base_folder(out)
    assert base == tmp_path / "out-t5" and str(base) in (out / "adapter_config.json").read_text()
    there = import_task(load_backbone(str(base)), "x", library, out).model
    seen = there({**batch, "task": tf.zeros([8], tf.int32)}).numpy()
    np.testing.assert_allclose(seen, expected, atol=1e-4)
    export_task(model, "first", library, out)  # an earlier export is replaced, both parts
    (base / "config.json").unlink()
    with pytest.raises(ConfigurationError, match=r"out-t5, where the T5 .* holds something else"):
        export_task(model, "first", library, tmp_path / "out")


@pytest.mark.parametrize(
    ("methods", "formats"),
    [
        ("lora", "export can write peft, adapterhub, hf"),
        ("bottleneck", "export can write adapterhub"),
        ("lora,layer_norm", "export can write hf"),
        ("prompt", "export can write peft"),
        ("lora,prompt", "no other library and no plain T5 can hold these adapters"),
    ],
)
def test_to_which_formats_adapters_can_go(make_backbone, methods, formats):
    settings = {"bottleneck": {"reduction_factor": 8}}
    chosen = read_methods(methods, settings if methods == "bottleneck" else {})
    model = TaskModel(make_backbone(), ("a",), chosen)
    assert describe_formats(export_formats(model)) == formats


def test_a_head_is_no_part_of_the_t5_beside_an_adapter(make_backbone):
    heads = {"a": HeadOf("classification", 2)}
    model = TaskModel(make_backbone(), ("a",), read_methods("lora", {}), heads=heads)
    assert export_formats(model)["peft"] == ""


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("adapterhub-lora", {"model_type": "bert"}, "made for a model of the type 'bert'; exp"),
        ("adapterhub-ia3", {"hidden_size": 768}, "made for a model of the width 768"),
    ],
)
def test_what_was_made_for_another_model_is_refused(tmp_path, name, fields, message):
    folder = shutil.copytree(GOLDEN / "interop" / "t5" / name, tmp_path / name)
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
    backbone = load_backbone(str(GOLDEN / "t5"))
    with pytest.raises(WeightsError, match=f"{name}: {message}"):
        import_task(backbone, "a", name.split("-")[0], folder)
