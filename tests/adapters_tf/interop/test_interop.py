"""Adapters in PEFT's and AdapterHub's folders, both ways, against files those libraries wrote."""

import json
import shutil
from functools import lru_cache, partial
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file, save_file

from adapters_tf import ConfigurationError, TaskModel, WeightsError, load_backbone, read_methods
from adapters_tf.interop import LIBRARIES, export_task, import_task
from adapters_tf.task_adapters.folder import load_task, save_task, task_tensors

pytestmark = pytest.mark.slow

GOLDEN = Path(__file__).parents[1] / "golden"
# Written by benchmarks/parity/torch_side.py golden.
FOLDERS = sorted(path.parent for path in GOLDEN.glob("interop/*/*/adapter_config.json"))
ROWS = 2
# What means the same in two ways there; we write one of them.
WRITTEN_OTHERWISE = ("peft-prompt", "peft-prefix", "peft-prefix-shared", "adapterhub-seq_bn-norms")


def library_of(folder):
    return folder.name.split("-")[0]


def weights_of(folder):
    return load_file(folder / LIBRARIES[library_of(folder)].WEIGHTS_FILE)


def golden_backbone(folder):
    return load_backbone(str(GOLDEN / folder.parent.name))


def golden_batch(folder):
    stored = np.load(GOLDEN / folder.parent.name / "expected.npz")
    targets = np.where(stored["labels"] < 0, 0, stored["labels"])[:ROWS]
    return {
        "encoder_input_tokens": tf.constant(stored["input_ids"][:ROWS]),
        "decoder_input_tokens": tf.constant(np.pad(targets, ((0, 0), (1, 0)))[:, :-1]),
        "task": tf.zeros([ROWS], tf.int32),
    }


def name_of(folder):
    return f"{folder.parent.name}-{folder.name}"


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


def edit(folder, **fields):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def import_lora(folder):
    return import_task(load_backbone(str(GOLDEN / "t5")), "a", "peft", folder)


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
        ("lora", True, "no place for T5's trained layer norms"),
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


def copy_golden(name, target):
    shutil.copytree(GOLDEN / "interop" / "t5" / name, target)
    return target


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("peft-prompt", {"num_virtual_tokens": 4}, r"is \[6, 24\], expected \[8, 24\]"),
        ("peft-prompt", {"modules_to_save": ["lm_head"]}, "modules_to_save"),
        (
            "peft-prefix",
            {"num_transformer_submodules": 1},
            "mixed with those of the self-attention",
        ),
        ("peft-prefix", {"num_attention_heads": 2}, "2 heads and token_dim 32 do not fit"),
        ("peft-prefix", {"num_layers": 1}, "for 1 layers do not fit a decoder of 2 blocks"),
        ("peft-prefix", {"num_layers": 5}, r"is \[3, 192\], expected \[3, 320\]"),
        ("peft-prefix", {"peft_type": "P_TUNING"}, "'P_TUNING' has no counterpart"),
    ],
)
def test_what_pefts_prompts_and_prefixes_cannot_be_is_named(tmp_path, name, fields, message):
    edit(copy_golden(name, tmp_path / "a"), **fields)
    with pytest.raises(WeightsError, match=message) as caught:
        import_lora(tmp_path / "a")
    assert "\n" not in str(caught.value)


def test_blocks_that_share_prefixes_there_have_copies_here():
    folder = GOLDEN / "interop" / "t5" / "peft-prefix-shared"
    imported = import_task(golden_backbone(folder), "a", "peft", folder)
    assert imported.notes[0].startswith("PEFT gives block 1 the prefixes of block 0")
    first, second = imported.model.banks.values()
    np.testing.assert_array_equal(first.keys, second.keys)
    folder = GOLDEN / "interop" / "t5" / "peft-prefix"
    assert import_task(golden_backbone(folder), "a", "peft", folder).notes == ()


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_a_network_of_ours_is_written_as_what_it_makes(make_backbone, batch, tmp_path, depth):
    """No two blocks get the same, whatever the decoder's depth."""
    settings = {"length": 3, "hidden_width": 5, "placement": ("decoder",), "positions": "before"}
    make = partial(make_backbone, num_decoder_layers=depth)
    model = TaskModel(make(), ("x", "a"), read_methods("prefix", {"prefix": settings}), seed=4)
    export_task(model, "a", "peft", tmp_path / "out")
    again = import_task(make(), "b", "peft", tmp_path / "out")
    seen = again.model(batch | {"task": tf.zeros_like(batch["task"])})
    expected = model(batch | {"task": tf.ones_like(batch["task"])})
    np.testing.assert_allclose(seen, expected, atol=1e-5)
    assert again.notes == () and not again.model.methods[0].reparametrize


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


def edit_hub(folder, **fields):
    config = json.loads((folder / "adapter_config.json").read_text())["config"]
    edit(folder, config={**config, **fields})


def import_hub(folder):
    return import_task(load_backbone(str(GOLDEN / "t5")), "a", "adapterhub", folder)


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
