"""A task's adapter folded into the backbone: a plain T5 in Hugging Face's format.

What scales or adds to a weight leaves another weight of the same shape; what adds a layer does not.

Shape letters: I inputs, O outputs, D model width.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from adapters_tf.backbone.huggingface import export_tensors, save_backbone
from adapters_tf.errors import ConfigurationError, WeightsError
from adapters_tf.methods import METHODS, method_name
from adapters_tf.methods.ia3 import Ia3Bank
from adapters_tf.methods.layer_norm import LayerNormBank
from adapters_tf.methods.lora import LoraBank
from adapters_tf.model.task_model import TaskModel
from adapters_tf.task_adapters.composing import refuse_frozen
from adapters_tf.task_adapters.folder import row_of

MANIFEST_FILE = "dataset.json"
_UNFINISHED = ".tokenizer-"  # the folder where its files are made
NOT_UNIGRAM = (
    "the vocabulary is not a unigram model as T5's own is; transformers 5 would take it for one and"
    " split words otherwise: read its tokenizer with transformers 4, or spiece.model itself"
)


def _fold_lora(bank: LoraBank, row: int, kernel_IO: np.ndarray) -> np.ndarray:
    a, b = bank.a[row].numpy(), bank.b[row].numpy()
    changed_IO = kernel_IO + bank.config.scaling * a @ b
    if not bank.config.dora:
        return changed_IO
    return changed_IO * (bank.magnitude[row].numpy() / np.linalg.norm(changed_IO, axis=0))


def _fold_ia3(bank: Ia3Bank, row: int, kernel_IO: np.ndarray) -> np.ndarray:
    scale = bank.scale[row].numpy()
    return kernel_IO * (scale[:, None] if bank.at_input else scale)


def _fold_layer_norm(bank: LayerNormBank, row: int, weight_D: np.ndarray) -> np.ndarray:
    return bank.weight[row].numpy()


# What a bank makes of the weight it sits at, as Keras lays it out; by method.
FOLDS: Mapping[str, Callable[[Any, int, np.ndarray], np.ndarray]] = {
    "lora": _fold_lora,
    "ia3": _fold_ia3,
    "layer_norm": _fold_layer_norm,
}
_METHOD_OF_BANK = {LoraBank: "lora", Ia3Bank: "ia3", LayerNormBank: "layer_norm"}


def check_foldable(model: TaskModel) -> None:
    """Refuse adapters that no plain T5 can hold.

    Args:
        model: With adapters.

    Raises:
        ConfigurationError: A method adds layers of its own.
    """
    refuse_frozen(model.backbone, "a plain T5")
    for method in model.methods:
        if method_name(method) not in FOLDS:
            raise ConfigurationError(
                f"the method {method_name(method)!r} adds layers, so it cannot be folded into T5's"
                f" weights; {', '.join(name for name in METHODS if name in FOLDS)} can"
            )


def folded_tensors(model: TaskModel, task: str) -> dict[str, np.ndarray]:
    """Compute the weights of the T5 that computes what the model computes for one task.

    Args:
        model: With adapters that can be folded, or none.
        task: One of its tasks.

    Returns:
        float32 arrays as PyTorch names and lays them out.

    Raises:
        ConfigurationError: A method adds layers of its own.
    """
    row = row_of(model, task)
    check_foldable(model)
    tensors = export_tensors(model.backbone)
    for path, bank in model.banks.items():
        fold, name = FOLDS[_METHOD_OF_BANK[type(bank)]], f"{path}.weight"
        tensors[name] = np.ascontiguousarray(fold(bank, row, tensors[name].T).T)
    return tensors


def export_folded(model: TaskModel, task: str, folder: str | Path) -> Path:
    """Write a plain T5 that PyTorch's `transformers` loads.

    Args:
        model: With adapters that can be folded, or none.
        task: One of its tasks.
        folder: Where to; files of an earlier export are replaced.

    Returns:
        The folder.

    Raises:
        ConfigurationError: A method adds layers of its own.
    """
    save_backbone(model.backbone, folder, folded_tensors(model, task))
    return Path(folder)


def export_tokenizer(dataset: str, sha256: str, folder: str | Path) -> tuple[str, ...]:
    """Write the tokenizer files of a dataset's vocabulary, for `T5Tokenizer.from_pretrained`.

    Args:
        dataset: The dataset folder, local or gs://.
        sha256: Of the vocabulary the model was trained with.
        folder: Of the model.

    Returns:
        What a person should know, one line each.

    Raises:
        WeightsError: The dataset has another vocabulary.
    """
    manifest_file = os.path.join(dataset, MANIFEST_FILE)  # noqa: PTH118 - it may be gs://
    if not tf.io.gfile.exists(manifest_file):
        return (f"no tokenizer files, for there is no dataset {dataset}",)
    entry = json.loads(tf.io.gfile.GFile(manifest_file).read())["vocabulary"]
    content = tf.io.gfile.GFile(os.path.join(dataset, entry["file"]), "rb").read()  # noqa: PTH118
    if hashlib.sha256(content).hexdigest() != sha256:
        raise WeightsError(f"the vocabulary of {dataset} is not the one the run was trained with")
    _write_tokenizer(content, entry["sentinels"], Path(folder))
    return () if _is_unigram(content) else (NOT_UNIGRAM,)


def _is_unigram(content: bytes) -> bool:
    from sentencepiece import SentencePieceProcessor

    vocabulary = SentencePieceProcessor(model_proto=content)
    scores = [vocabulary.get_score(piece) for piece in range(vocabulary.get_piece_size())]
    # Logarithms of probabilities; where pieces are merged (BPE), they are whole: the merges' ranks.
    return any(score != int(score) for score in scores)


def _write_tokenizer(content: bytes, sentinels: int, folder: Path) -> None:
    from sentencepiece import SentencePieceProcessor
    from transformers import T5Tokenizer

    vocabulary = SentencePieceProcessor(model_proto=content)
    first = map(vocabulary.piece_to_id, ("<extra_id_0>", "▁<extra_id_0>"))
    added = sentinels if set(first) == {vocabulary.unk_id()} else 0  # mT5's holds its own
    folder.mkdir(parents=True, exist_ok=True)
    for leftover in folder.glob(f"{_UNFINISHED}*"):  # of a program that was killed
        shutil.rmtree(leftover, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=_UNFINISHED, dir=folder) as place:
        file = Path(place) / "spiece.model"
        file.write_bytes(content)
        # As the published T5 tokenizers; the other way needs protobuf to load.
        tokenizer = T5Tokenizer(str(file), extra_ids=added, legacy=True)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            written = tokenizer.save_pretrained(Path(place) / "whole")
        for name in sorted({Path(one).name for one in written if Path(one).is_file()}):
            (Path(place) / "whole" / name).replace(folder / name)
