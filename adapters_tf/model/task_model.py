"""A TFT5 that knows its tasks: the model that trainer trains and eval scores.

Shape letters: B batch, S source length, T target length, D model width, V vocabulary, K tasks.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import backbone_path
from adapters_tf.banks.freezing import freeze_backbone, freeze_parts
from adapters_tf.banks.routing import route
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.methods import AdapterMethod, method_name
from adapters_tf.model.forward import Batch, decode, encode, is_packed, project_logits
from adapters_tf.model.lean_layers import use_lean_layers

ROUTINGS = ("batch", "example")


class TaskModel(tf_keras.Model):
    """A TFT5 with one adapter per task, or with none.

    Args:
        backbone: A built TFT5ForConditionalGeneration; adapters are injected into it.
        task_names: The tasks; a batch's `task` is an index into them.
        adapters: An adapter method's settings, or several methods'; None, or no method, trains the
            whole backbone.
        train_layer_norms: Whether T5's own layer norms train beside the adapters.
        freeze: Parts that do not train, out of `adapters_tf.banks.freezing.PARTS`.
        seed: Of the adapters' initial weights.
        routing: `batch`: all examples of a batch are of one task, the cheaper way; `example`: a
            batch may mix tasks.

    Raises:
        ConfigurationError: There is no task, a method changes nothing, two methods change the same
            layer, the routing is unknown, or what is to be frozen is not there or all there is.
    """

    def __init__(
        self,
        backbone: tf_keras.Model,
        task_names: tuple[str, ...],
        adapters: AdapterMethod | Sequence[AdapterMethod] | None = None,
        *,
        train_layer_norms: bool = False,
        freeze: Sequence[str] = (),
        seed: int = 0,
        routing: str = "batch",
    ):
        super().__init__(name="task_model")
        if routing not in ROUTINGS:
            raise ConfigurationError(
                f"routing {routing!r} is unknown; {suggest(routing, ROUTINGS)}"
            )
        self.backbone, self.task_names = backbone, tuple(task_names)
        use_lean_layers(backbone)
        self.is_routed_by_example = routing == "example"
        given = adapters if isinstance(adapters, Sequence) else [adapters]
        self.methods = tuple(method for method in given if method is not None)
        self.banks: dict[str, TaskBank] = {}
        for method in self.methods:
            self.banks.update(inject_method(backbone, method, self.task_names, seed))
        if self.methods:
            freeze_backbone(backbone, self.banks.values(), train_layer_norms=train_layer_norms)
        freeze_parts(self, freeze, self.trainable_by_path())
        self.built = True

    def call(self, batch: Batch, training: bool = False, *, scores: bool = True) -> tf.Tensor:
        """Score every target position, given the targets before it.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], `decoder_input_tokens` int32 [B, T],
                `task` int32 [B], all equal; where rows are packed also `encoder_segment_ids`
                int32 [B, S] and `decoder_segment_ids` int32 [B, T], the number of each
                position's example in its row, from 1, and 0 where padded. The decoder's inputs
                then begin with the start token at every example.
            training: Whether dropout is on.
            scores: Whether the vocabulary is scored; otherwise the decoder's states are returned,
                for whoever projects them in parts.

        Returns:
            float32 [B, T, V] logits, or [B, T, D] states.

        Raises:
            ConfigurationError: Rows are packed and an adapter method cannot read them; or, in
                eager mode, a batch mixes tasks where routing is by batch.
        """
        if is_packed(batch):
            self._refuse_packed_rows()
        with self.route(batch):
            states_BSD = encode(self.backbone, batch, training)
            hidden_BTD = decode(self.backbone, batch, states_BSD, training)
        return project_logits(self.backbone, hidden_BTD) if scores else hidden_BTD

    def route(self, batch: Batch) -> AbstractContextManager[None]:
        """Run the enclosed forward pass with the adapters of a batch's tasks.

        Args:
            batch: With `task` int32 [B].

        Returns:
            A context, inside which the backbone may be called.

        Raises:
            ConfigurationError: In eager mode, the batch mixes tasks where routing is by batch. A
                model without banks answers every task alike, so there it may.
        """
        return route(batch["task"], self.is_routed_by_example or not self.banks)

    def _refuse_packed_rows(self) -> None:
        for method in self.methods:
            if problem := method.packed_rows_problem():
                raise ConfigurationError(problem)

    def is_bank(self, variable: tf.Variable) -> bool:
        """Tell whether a variable has one row per task."""
        return any(
            variable is bank for layer in self.banks.values() for bank in layer.banks.values()
        )

    def trains_rows_only(self) -> bool:
        """Tell whether nothing that tasks share trains."""
        return all(map(self.is_bank, self.trainable_variables))

    def trainable_by_path(self) -> dict[str, tf.Variable]:
        """Name every trainable variable by where it sits in the model.

        Adapters are named by module path and the backbone's variables as TFT5 scopes them, so
        that the names are the same in every process.

        Returns:
            Variables by path, in a fixed order.
        """
        adapters = {
            id(variable): f"{path}.{layer.name}.{name}"
            for path, layer in self.banks.items()
            for name, variable in {**layer.banks, **layer.shared}.items()
        }
        return {
            adapters.get(id(variable)) or backbone_path(variable): variable
            for variable in self.trainable_variables
        }

    def count_trainable(self) -> int:
        """Count the trainable parameters, all tasks together."""
        return sum(int(variable.shape.num_elements()) for variable in self.trainable_variables)


def inject_method(
    backbone: tf_keras.Model, method: AdapterMethod, task_names: tuple[str, ...], seed: int
) -> dict[str, TaskBank]:
    """Put one adapter method into a backbone.

    Args:
        backbone: A built TFT5ForConditionalGeneration.
        method: Its settings.
        task_names: One per bank row, in row order.
        seed: Of the initial weights.

    Returns:
        The banks by module path, such as `encoder.block.0.layer.0.SelfAttention`.

    Raises:
        ConfigurationError: There is no task, no layer matches the settings, or a layer has an
            adapter already.
    """
    name = method_name(method)
    if not task_names:
        raise ConfigurationError("adapters need at least one task; the list of tasks is empty")
    banks = method.inject(backbone, task_names, seed)
    if not banks:
        raise ConfigurationError(f"{name}: no layer of the model matches {method}")
    return banks
