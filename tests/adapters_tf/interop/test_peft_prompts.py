"""PEFT's prompts and prefixes."""

from functools import partial

import numpy as np
import pytest
import tensorflow as tf

from adapters_tf import TaskModel, WeightsError, read_methods
from adapters_tf.interop import export_task, import_task
from tests.adapters_tf.interop.golden_folders import (
    GOLDEN,
    copy_golden,
    edit,
    golden_backbone,
    import_lora,
)

pytestmark = pytest.mark.slow


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
