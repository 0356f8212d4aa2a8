"""What AdapterHub's folders mean, and cannot hold."""

import json
import shutil

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from adapters_tf import ConfigurationError, TaskModel, WeightsError, load_backbone, read_methods
from adapters_tf.interop import export_task, import_task
from adapters_tf.task_adapters.folder import task_tensors
from tests.adapters_tf.interop.golden_folders import (
    GOLDEN,
    copy_golden,
    edit,
    edit_hub,
    golden_backbone,
    import_hub,
    import_lora,
)

pytestmark = pytest.mark.slow


@pytest.fixture
def lora(tmp_path):
    """A copy of one of PEFT's folders, to be spoiled."""
    source = GOLDEN / "interop" / "t5" / "peft-lora-rslora"
    shutil.copytree(source, tmp_path / "lora")
    return tmp_path / "lora"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"non_linearity": "relu"}, "non_linearity 'relu' has no counterpart: ours has tanh"),
        ({"leave_out": [1, 4]}, "leave_out has no counterpart but for a whole stack"),
        ({"use_gating": True}, "use_gating = True"),
        ({"prefix_length": 4}, r"wte.weight is \[3, 24\], expected \[4, 24\]"),
        ({"cross_prefix": False}, r"unexpected prefix_tuning\.prefix_tunings\.task\.cross_prefix"),
        ({"leave_out": [0, 1, 2]}, r"unexpected prefix_tuning\.prefix_tunings\.task\.encoder_p"),
    ],
)
def test_prefixes_that_adapterhub_defines_otherwise_are_named(tmp_path, fields, message):
    folder = copy_golden("adapterhub-prefix", tmp_path / "prefix")
    edit_hub(folder, **fields)
    with pytest.raises(WeightsError, match=message):
        import_hub(folder)


def test_an_ejected_prefix_is_flat_though_its_configuration_says_otherwise(tmp_path):
    """As `eject_prefix_tuning` leaves it; with the copies, and the word that heads bring."""
    folder = copy_golden("adapterhub-prefix_flat", tmp_path / "flat")
    expected = task_tensors(import_hub(folder).model, "a")
    edit_hub(folder, flat=False, bottleneck_size=5, dropout=0.1)
    file = folder / "adapter.safetensors"
    stem = "transformer.decoder.block.0.layer.0.SelfAttention.prefix_tuning.pool"
    single = load_file(file)
    tensors = {f"transformer.{name}": tensor for name, tensor in single.items()}
    tensors |= {f"{stem}.{name}": tensor for name, tensor in single.items()}
    save_file(tensors, file)
    imported = import_hub(folder)
    assert imported.notes == ("its dropout of 0.1 in training has no counterpart here",)
    seen = task_tensors(imported.model, "a")
    assert list(seen) == list(expected)
    for path, tensor in expected.items():
        np.testing.assert_array_equal(seen[path], tensor)


def test_compacter_without_its_dropout_is_pointed_out(tmp_path):
    folder = copy_golden("adapterhub-compacter", tmp_path / "compacter")
    edit_hub(folder, dropout=0.1)
    assert "dropout of 0.1" in import_hub(folder).notes[0]


def test_the_refused_pickles_command_writes_a_prefix_once(tmp_path):
    folder = copy_golden("adapterhub-prefix", tmp_path / "prefix")
    (folder / "adapter.safetensors").rename(folder / "pytorch_adapter.bin")
    with pytest.raises(WeightsError, match=r"weights_only=True\)\.items\(\) if '\.pool\.' not in"):
        import_hub(folder)


@pytest.fixture
def hub(tmp_path):
    """A copy of one of AdapterHub's folders, to be spoiled."""
    shutil.copytree(GOLDEN / "interop" / "t5" / "adapterhub-houlsby", tmp_path / "hub")
    return tmp_path / "hub"


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"original_ln_after": False}, "leaves the residual stream out"),
        ({"original_ln_before": True, "residual_before_ln": False}, "adds the residual stream tw"),
        ({"original_ln_before": True, "original_ln_after": False}, "leaves the residual stream"),
        ({"is_parallel": True, "original_ln_after": False}, "leaves the residual stream out"),
        ({"adapter_residual_before_ln": True, "ln_after": True}, "after the residual is added"),
        ({"scaling": "channel"}, "scaling 'channel'"),
        ({"ln_after": True, "scaling": 4.0}, r"scaling 4\.0 with ln_after"),
        ({"phm_layer": True, "factorized_phm_W": False}, "Compacter with factorized_phm_W = False"),
        ({"phm_layer": True, "scaling": 4.0}, r"Compacter with scaling = 4\.0"),
        ({"phm_layer": True, "leave_out": [0, 3]}, "Compacter that differs by layer"),
        ({"phm_layer": True}, r"lack shared_parameters\.task\.phm_rule: AdapterHub's save_adapter"),
        ({"use_gating": True}, "use_gating"),
        ({"inv_adapter": "nice"}, "inv_adapter"),
        ({"residual_before_ln": "post_add"}, "post_add"),
        ({"non_linearity": "mish"}, "'mish' is unknown"),
        ({"reduction_factor": 0.5}, r"reduction_factor 0\.5 of 24"),
        ({"reduction_factor": {"1": 4}}, "says nothing of layer 0"),
        ({"reduction_factor": {"1": 2, "default": 4}}, "differs between encoder and decoder"),
        ({"leave_out": [0]}, "different blocks of encoder and decoder"),
        ({"architecture": "prompt_tuning"}, "'prompt_tuning' has no counterpart"),
        ({"mh_adapter": False}, "unexpected decoder.block.0.layer.0.adapters"),
    ],
)
def test_what_adapterhub_defines_otherwise_is_named(hub, fields, message):
    edit_hub(hub, **fields)
    with pytest.raises(WeightsError, match=message):
        import_hub(hub)


def test_old_folders_mean_other_functions_by_the_same_names(hub):
    edit_hub(hub, non_linearity="gelu")
    assert import_hub(hub).model.methods[0].activation == "gelu"
    config = json.loads((hub / "adapter_config.json").read_text())
    config.pop("version")
    (hub / "adapter_config.json").write_text(json.dumps(config))
    assert import_hub(hub).model.methods[0].activation == "gelu_new"


def test_alpha_of_an_old_lora_is_read_as_the_library_reads_it(tmp_path):
    shutil.copytree(GOLDEN / "interop" / "t5" / "adapterhub-lora", tmp_path / "lora")
    edit(tmp_path / "lora", version="adapters.1.0.1")
    assert import_hub(tmp_path / "lora").model.methods[0].scaling == 1.0


def test_folders_of_models_with_the_librarys_own_heads_are_read(hub):
    file = hub / "adapter.safetensors"
    expected = task_tensors(import_hub(hub).model, "a")
    save_file({f"transformer.{name}": tensor for name, tensor in load_file(file).items()}, file)
    for path, tensor in task_tensors(import_hub(hub).model, "a").items():
        np.testing.assert_array_equal(tensor, expected[path])


def test_a_folder_of_another_library_is_refused(hub, lora):
    with pytest.raises(WeightsError, match="has no config and name: not AdapterHub's"):
        import_hub(lora)
    with pytest.raises(WeightsError, match="PEFT did not write it"):
        import_lora(hub)


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        ("parallel", {"reduction_factor": 4}, "train with reads_residual_stream: true"),
        ("prefix", {"length": 2}, "train with positions: shifted"),
        ("prefix", {"length": 2, "placement": ("cross",)}, "the task has them at cross only"),
        ("bottleneck", {"reduction_factor": 4, "residual": False}, "always adds"),
        ("bottleneck", {"reduction_factor": 4, "scaling": 2.0}, "scales before its layer norm"),
        ("lora", {"targets": ("q", "o")}, "no LoRA on the attention's o"),
        ("dora", {"rank": 2}, "only alpha = rank"),
        ("ia3", {}, r"no place for 'wo' in this T5; .* feed-forward, wi"),
    ],
)
def test_what_adapterhub_cannot_hold_is_refused(make_backbone, tmp_path, method, settings, message):
    model = TaskModel(make_backbone(), ("a",), read_methods(method, {method: settings}))
    with pytest.raises(ConfigurationError, match=message):
        export_task(model, "a", "adapterhub", tmp_path / "out")


def test_gated_feed_forwards_have_no_lora_on_wi_there(make_backbone, tmp_path):
    backbone = make_backbone(feed_forward_proj="gated-gelu")
    model = TaskModel(backbone, ("a",), read_methods("lora", {"lora": {"targets": ("wi",)}}))
    with pytest.raises(ConfigurationError, match="wi_0 of a gated feed-forward"):
        export_task(model, "a", "adapterhub", tmp_path / "out")


def test_one_stack_is_left_out_by_its_layers(make_backbone, tmp_path):
    for stack, left_out in (("encoder", [2, 3]), ("decoder", [0, 1])):
        methods = read_methods("houlsby", {"houlsby": {"reduction_factor": 8, "stacks": (stack,)}})
        model = TaskModel(make_backbone(), ("a.b",), methods)
        export_task(model, "a.b", "adapterhub", tmp_path / stack)
        config = json.loads((tmp_path / stack / "adapter_config.json").read_text())
        assert config["config"]["leave_out"] == left_out and config["name"] == "a_b"
        again = import_task(make_backbone(), "a", "adapterhub", tmp_path / stack).model
        assert again.methods == model.methods


def test_a_gated_feed_forward_reads_the_one_projection_they_adapt(tmp_path):
    folder = tmp_path / "lora"
    shutil.copytree(GOLDEN / "interop" / "t5_v1_1" / "adapterhub-lora", folder)
    edit_hub(folder, intermediate_lora=True)
    tensors = load_file(folder / "adapter.safetensors")
    random = np.random.default_rng(0)
    for name in [name for name in tensors if ".wo.loras." in name]:
        shape = (2, 24) if name.endswith("lora_A") else (40, 2)
        tensors[name.replace(".wo.", ".wi_1.")] = random.normal(size=shape).astype(np.float32)
    save_file(tensors, folder / "adapter.safetensors")
    imported = import_task(load_backbone(str(GOLDEN / "t5_v1_1")), "a", "adapterhub", folder)
    assert imported.notes[0].startswith("5 of ")
    for path, bank in imported.model.banks.items():
        assert np.any(bank.b) == (not path.endswith("wi_0")), path


def test_norms_that_all_tasks_share_here_are_pointed_out():
    for name, count in (("adapterhub-norms", 1), ("adapterhub-houlsby", 0)):
        folder = GOLDEN / "interop" / "t5" / name
        notes = import_task(golden_backbone(folder), "a", "adapterhub", folder).notes
        assert len(notes) == count and all("share them" in note for note in notes)


def test_rank_stabilised_scaling_becomes_an_alpha_there(make_backbone, tmp_path):
    settings = {"rank": 4, "alpha": 3.0, "rank_stabilised": True}
    model = TaskModel(make_backbone(), ("a",), read_methods("lora", {"lora": settings}))
    export_task(model, "a", "adapterhub", tmp_path / "out")
    again = import_task(make_backbone(), "a", "adapterhub", tmp_path / "out").model.methods[0]
    assert again.alpha == 6.0 and again.scaling == model.methods[0].scaling == 1.5
