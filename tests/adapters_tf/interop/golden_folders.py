"""The folders that PEFT and AdapterHub wrote, read, and copies of them to be spoiled."""

import json
import shutil
from pathlib import Path

import numpy as np
import tensorflow as tf
from safetensors.numpy import load_file

from adapters_tf import load_backbone
from adapters_tf.interop import LIBRARIES, import_task

GOLDEN = Path(__file__).parents[1] / "golden"
ROWS = 2


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


def edit(folder, **fields):
    file = folder / "adapter_config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))


def import_lora(folder):
    return import_task(load_backbone(str(GOLDEN / "t5")), "a", "peft", folder)


def copy_golden(name, target):
    shutil.copytree(GOLDEN / "interop" / "t5" / name, target)
    return target


def edit_hub(folder, **fields):
    config = json.loads((folder / "adapter_config.json").read_text())["config"]
    edit(folder, config={**config, **fields})


def import_hub(folder):
    return import_task(load_backbone(str(GOLDEN / "t5")), "a", "adapterhub", folder)
