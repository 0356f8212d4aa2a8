"""A TFT5 that knows its tasks: the model that trainer trains and eval scores.

Shape letters: B batch, C choices, S source length, T target length, D model width, V vocabulary,
K tasks, O outputs of the heads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager

import tensorflow as tf
import tf_keras

from adapters_tf.backbone.sites import backbone_path
from adapters_tf.banks.freezing import freeze_backbone, freeze_decoder, freeze_parts
from adapters_tf.banks.routing import route
from adapters_tf.banks.task_bank import TaskBank
from adapters_tf.errors import ConfigurationError, suggest
from adapters_tf.methods import AdapterMethod, method_name
from adapters_tf.model.forward import (
    Batch,
    decode,
    encode,
    has_several_targets,
    is_packed,
    project_logits,
)
from adapters_tf.model.heads import OF_DECODER, HeadOf, HeadShape, TaskHeads
from adapters_tf.model.heads import PATH as HEADS
from adapters_tf.model.lean_layers import use_lean_layers
from adapters_tf.runtime.dropout import axis_sizes

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
        heads: What heads on the encoder answer, by task; the other tasks answer in words. Where all
            have heads, the decoder is of no use and does not train.
        head_shape: How the heads are built.

    Raises:
        ConfigurationError: There is no task, a method changes nothing, two methods change the same
            layer, the routing is unknown, what is to be frozen is not there or all there is, or
            heads are of tasks there are not.
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
        heads: Mapping[str, HeadOf] | None = None,
        head_shape: HeadShape | None = None,
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
        self.heads: TaskHeads | None = None
        if heads:
            width = backbone.config.d_model
            shape = head_shape or HeadShape()
            self.heads = TaskHeads(self.task_names, heads, width, shape, seed)
        if self.heads and set(self.heads.tasks) == set(self.task_names):
            freeze_decoder(self, self.trainable_by_path())
        freeze_parts(self, freeze, self.trainable_by_path())
        self.built = True

    def call(self, batch: Batch, training: bool = False, *, scores: bool = True) -> tf.Tensor:
        """Score every target position, given the targets before it.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], `decoder_input_tokens` int32 [B, T],
                `task` int32 [B], all equal; where rows are packed also `encoder_segment_ids`
                int32 [B, S] and `decoder_segment_ids` int32 [B, T], the number of each
                position's example in its row, from 1, and 0 where padded. The decoder's inputs
                then begin with the start token at every example. `decoder_segment_ids` alone
                means several targets of one input.
            training: Whether dropout is on.
            scores: Whether the vocabulary is scored; otherwise the decoder's states are returned,
                for whoever projects them in parts.

        Returns:
            float32 [B, T, V] logits, or [B, T, D] states.

        Raises:
            ConfigurationError: Rows hold several examples, or several targets, and an adapter
                method cannot read them; or, in eager mode, a batch mixes tasks where routing is by
                batch.
        """
        self._refuse_what_no_method_reads(batch)
        with self.route(batch):
            states_BSD = encode(self.backbone, batch, training)
            hidden_BTD = decode(self.backbone, batch, states_BSD, training)
        return project_logits(self.backbone, hidden_BTD) if scores else hidden_BTD

    def has_head(self, task: str) -> bool:
        """Tell whether a head on the encoder answers for a task."""
        return self.heads is not None and task in self.heads.tasks

    def answer(self, batch: Batch, training: bool = False) -> tf.Tensor:
        """Score what the head of the batch's task can answer.

        Args:
            batch: `encoder_input_tokens` int32 [B, S], or of multiple choices [B, C, S], and
                `task` int32 [B], all equal.
            training: Whether dropout is on.

        Returns:
            float32 [B, C] scores of choices; or [B, O] scores of classes, very low for those that
            the task has not; of a regression, [B, O] with the number in the first column.

        Raises:
            ConfigurationError: The model has no heads; or, in eager mode, a batch mixes tasks where
                routing is by batch.
        """
        if self.heads is None:
            raise ConfigurationError("the model has no heads: name tasks with heads.tasks")
        tokens, task_B = map(tf.convert_to_tensor, (batch["encoder_input_tokens"], batch["task"]))
        choices = tokens.shape[1] if tokens.shape.rank == 3 else 0
        length = axis_sizes(tokens)[-1]
        if choices:
            tokens = tf.reshape(tokens, tf.stack([-1, length]))
            task_B = tf.repeat(task_B, choices)
        texts = {"encoder_input_tokens": tokens, "task": task_B}
        with self.route(texts):
            states = encode(self.backbone, texts, training)
            # With prompts, theirs come first.
            states = states[:, -length:]
            scores_BO = self.heads(states, tokens != 0, training, of_choices=choices > 0)
        if choices:
            return tf.reshape(scores_BO[:, 0], [-1, choices])
        return self.heads.mask_answers(scores_BO, task_B)

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
        has_rows = bool(self.banks) or self.heads is not None
        return route(batch["task"], self.is_routed_by_example or not has_rows)

    def _refuse_what_no_method_reads(self, batch: Batch) -> None:
        for method in self.methods:
            problem = method.packed_rows_problem() if is_packed(batch) else ""
            if not problem and has_several_targets(batch):
                problem = method.several_targets_problem()
            if problem:
                raise ConfigurationError(problem)

    def reads_several_targets(self) -> bool:
        """Tell whether several targets of one input may share a row."""
        return not any(method.several_targets_problem() for method in self.methods)

    def is_bank(self, variable: tf.Variable) -> bool:
        """Tell whether a variable has one row per task."""
        layers = [*self.banks.values(), *([self.heads] if self.heads else [])]
        return any(variable is bank for layer in layers for bank in layer.banks.values())

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
        if self.heads:
            adapters |= {id(one): f"{HEADS}.{name}" for name, one in self.heads.banks.items()}
        return {
            adapters.get(id(variable)) or backbone_path(variable): variable
            for variable in self.trainable_variables
        }

    def count_trainable(self) -> int:
        """Count the trainable parameters, all tasks together."""
        return sum(int(variable.shape.num_elements()) for variable in self.trainable_variables)

    def trained_shares(self) -> dict[str, float]:
        """Divide the parameters that train for each task by those of the backbone.

        What tasks share counts in equal parts, as in HyperFormer's tables (Mahabadi et al. 2021). A
        task that a head answers has no rows in the decoder, one in words no head.

        Returns:
            By task: 0 where nothing trains, 1 where the whole backbone does for a single task.
        """
        own, shared = dict.fromkeys(self.task_names, 0), 0
        unreached = {
            task: OF_DECODER if self.has_head(task) else (f"{HEADS}.",) for task in self.task_names
        }
        for path, variable in self.trainable_by_path().items():
            size = int(variable.shape.num_elements())
            if not self.is_bank(variable):
                shared += size
                continue
            for task in self.task_names:
                if not path.startswith(unreached[task]):
                    own[task] += size // variable.shape[0]
        ours = {id(variable) for layer in self.banks.values() for variable in layer.weights}
        plain = [one for one in self.backbone.weights if id(one) not in ours]
        backbone = sum(int(one.shape.num_elements()) for one in plain if one.dtype.is_floating)
        return {task: (rows + shared / len(own)) / backbone for task, rows in own.items()}


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
