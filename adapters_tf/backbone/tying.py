"""What the embedding of a checkpoint, its copies and its head are to each other.

transformers 4 says in config.json whether the head is the embedding; if it is, its inputs are
scaled by D^-0.5. transformers 5 writes there that it is, for every model, and of T5 separately
whether it scales. So the tensors are compared, and none is left out unless another is equal to it.

TFT5 knows two of the four cases: the embedding with scaled inputs, and a head of its own with plain
ones. The other two are brought to the second, by a copy of the embedding or a scaled head.

Shape letters: D model width.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from adapters_tf.errors import WeightsError, say_note

SHARED, HEAD = "shared.weight", "lm_head.weight"
# Names that PyTorch gives the shared embedding too.
COPIES = ("encoder.embed_tokens.weight", "decoder.embed_tokens.weight")
_NEVER_SCALING = 5  # the version of transformers from which on mT5's inputs are not scaled


@dataclass(frozen=True)
class Tying:
    """Which tensors of a checkpoint are the embedding and the head.

    Attributes:
        embedding: The tensor that is the embedding.
        head: The tensor that is the head; None where the embedding is, with scaled inputs.
        head_factor: What the head's weights are multiplied by.
        copies: Tensors that are equal to the embedding and not read.
    """

    embedding: str = SHARED
    head: str | None = None
    head_factor: float = 1.0
    copies: tuple[str, ...] = ()

    @property
    def is_tied(self) -> bool:
        """Whether the embedding is the head, as TFT5 means it."""
        return self.head is None

    def describe(self, name: str) -> str:
        """Say what became of a tensor that is read.

        Args:
            name: Of the tensor.

        Returns:
            A few words.
        """
        roles = ["the embedding"] if name == self.embedding else []
        if name == self.head or (self.is_tied and name == self.embedding):
            roles.append("the head" if self.head_factor == 1 else "the head, times D^-0.5")
        return " and ".join(roles) or "read"


def scales_head_inputs(fields: Mapping[str, Any]) -> bool:
    """Tell from a config.json whether the head's inputs are scaled.

    Args:
        fields: Its fields.

    Returns:
        As the version of transformers that wrote it would do.
    """
    scales = fields.get("scale_decoder_outputs")
    if scales is not None:
        return bool(scales)
    version = str(fields.get("transformers_version") or "").split(".")[0]
    if fields.get("model_type") == "mt5" and version.isdecimal() and int(version) >= _NEVER_SCALING:
        return False
    return fields.get("tie_word_embeddings") is not False


def read_tying(fields: Mapping[str, Any], tensors: Mapping[str, np.ndarray]) -> Tying:
    """Find out which tensors are the embedding and the head.

    Args:
        fields: Of the config.json.
        tensors: PyTorch-named arrays; embeddings and head are read, where there are several.

    Returns:
        What they are.

    Raises:
        WeightsError: The encoder and the decoder have different embeddings.
    """
    says_tied = fields.get("tie_word_embeddings") is not False
    embeddings = [name for name in (SHARED, *COPIES) if name in tensors]
    if not embeddings and says_tied and HEAD in tensors:
        embeddings = [HEAD]  # PyTorch may keep only one of the tied names
    embedding = embeddings[0] if embeddings else SHARED
    for name in embeddings[1:]:
        if not _are_equal(tensors, embedding, name):
            raise WeightsError(
                f"{name} and {embedding} differ: this T5 reads inputs and targets by different "
                "embeddings, and here both read one"
            )
    copies = tuple(embeddings[1:])
    has_own_head = HEAD in tensors and embedding != HEAD
    if has_own_head and says_tied and _are_equal(tensors, embedding, HEAD):
        has_own_head, copies = False, (*copies, HEAD)
    scales = scales_head_inputs(fields)
    if not says_tied or has_own_head:
        if says_tied and scales and not _scales_own(fields):
            say_note(
                f"config.json says that the head is the embedding, and {HEAD} is another tensor: "
                "it is taken as the head, its inputs not scaled"
            )
        factor = float(fields["d_model"]) ** -0.5 if has_own_head and _scales_own(fields) else 1.0
        return Tying(embedding, HEAD, factor, copies)
    return Tying(embedding, None if scales else embedding, 1.0, copies)


def _scales_own(fields: Mapping[str, Any]) -> bool:
    """Tell whether the inputs of a head that is not the embedding are scaled.

    Only transformers 5 does that, of T5, and it says so: 4 would not read such a head as tied.
    """
    return fields.get("scale_decoder_outputs") is True


def _are_equal(tensors: Mapping[str, np.ndarray], first: str, second: str) -> bool:
    return np.array_equal(tensors[first], tensors[second])
