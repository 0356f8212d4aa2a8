"""A model that answers tasks: which program of the device answers which task, and its texts.

A head answers where the task has one. Of the others, tasks with label words are answered with the
most probable of these, unless free answers are asked for; where every word is a token of its own,
one decoder step tells (`LabelWordModel`), else all words are scored in one decoder pass
(`LabelTextModel`). What is left is decoded, up to the task's decoding length: greedily
(`GreedyModel`; a single token by `ArgmaxModel`), with beams (`BeamModel`), or drawn
(`SamplingModel`).
"""

import dataclasses
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras

from adapters_tf import TaskModel
from eval.decoding.argmax import ArgmaxModel
from eval.decoding.beam import BeamAnswers, BeamModel
from eval.decoding.greedy import GreedyModel
from eval.decoding.heads import HeadModel, check_head, write_answers
from eval.decoding.labels import LabelTextModel, LabelTexts, LabelWordModel, share_out_scores
from eval.decoding.options import Decoding, Limits
from eval.decoding.predictor import Progress, TokenPredictor
from eval.decoding.replicas import check_batch_size, takes_any_shape
from eval.decoding.sampling import DRAWS, SamplingModel, draws_of
from prep import Manifest, TaskEntry, TokenTable, UsageError, Vocabulary, nearest

ARGMAX_LENGTH = 1  # tokens; any longer answer is decoded


@dataclass(frozen=True)
class Given:
    """Answers to all examples of a table, in its order.

    Attributes:
        texts: One to each example.
        token_ids: int32 [examples, T], those of the texts, 0 where padded; T is 0 of a head's.
        scores: float32 [examples, K], of each label word: log-probabilities of a head's classes and
            of words of one token, among one another; of longer words their log-likelihood, or its
            mean per token. None where an answer is no choice among label words.
        way: `head`, `labels` or `decoded`.
    """

    texts: list[str]
    token_ids: np.ndarray
    scores: np.ndarray | None
    way: str

    @property
    def probabilities(self) -> np.ndarray | None:
        """float32 [examples, K], of the label words among one another."""
        return None if self.scores is None else np.exp(share_out_scores(self.scores))


class Answerer:
    """Answers tasks; its compiled programs are kept from call to call.

    Args:
        model: With or without adapters; its weights may change between calls.
        manifest: Of the dataset the examples come from.
        vocabulary: Of that dataset.
        batch_size: Examples per global batch.
        input_length: Static length of inputs in tokens.
        strategy: What the model's variables live under; the current one by default.
        jit_compile: Whether to compile with XLA; by default where that is faster.
        decoding: How answers are found.

    Raises:
        UsageError: The batch can't be divided among the replicas, or XLA can't be had.
    """

    def __init__(
        self,
        model: TaskModel,
        manifest: Manifest,
        vocabulary: Vocabulary,
        *,
        batch_size: int,
        input_length: int,
        strategy: tf.distribute.Strategy | None = None,
        jit_compile: bool | None = None,
        decoding: Decoding | None = None,
    ):
        self.model, self.manifest, self.vocabulary = model, manifest, vocabulary
        self.batch_size, self.input_length = batch_size, input_length
        self.strategy = strategy or tf.distribute.get_strategy()
        self.jit_compile, self.decoding = jit_compile, decoding or Decoding()
        self._predictors: dict[Hashable, TokenPredictor] = {}
        words = [entry.label_token_ids for entry in manifest.tasks.values()]
        # Tasks share one program, whose labels are as many as any of them has.
        self._most_words = max((len(ids) for ids in words if have_words(ids)), default=0)
        check_batch_size(batch_size, self.strategy)

    def answer(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> Given:
        """Answer every example of a table.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            The answers.

        Raises:
            UsageError: The model doesn't know the task, or its head another one of that name.
        """
        way = self.way_of(entry)
        if way == "head":
            return self._answer_by_head(entry, table, report)
        if way == "labels":
            return self._answer_with_labels(entry, table, report)
        token_ids = self.predict_tokens(entry, table, report)
        texts = [self.vocabulary.decode(ids) for ids in token_ids]
        return Given(texts, token_ids, None, way)

    def way_of(self, entry: TaskEntry) -> str:
        """Tell how a task is answered: `head`, `labels` or `decoded`."""
        return way_of(entry, self.model, self.decoding)

    def check_lengths(self, entries: Iterable[TaskEntry]) -> None:
        """Refuse answers that cannot end within the task's length.

        Args:
            entries: The tasks; those that nothing is decoded for are passed over.

        Raises:
            UsageError: Answers of one of them may not have as many tokens as they must.
        """
        least = self.decoding.limits.min_new_tokens
        for entry in entries:
            if self.way_of(entry) == "decoded" and least >= answer_length(entry):
                raise UsageError(
                    f"--min-new-tokens is {least}, and an answer of task {entry.name!r} has at "
                    f"most {answer_length(entry)} tokens, its end included"
                )

    def predict_tokens(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> np.ndarray:
        """Decode an answer to every example of a table.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            int32 [examples, T], the best answer's.
        """
        found = self.predict_answers(entry, table, report)
        return found.tokens[:, 0] if isinstance(found, BeamAnswers) else found

    def predict_answers(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> np.ndarray | BeamAnswers:
        """Decode all the answers that were asked for to every example of a table.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            int32 [examples, T]; of beams and samples int32 [examples, n, T] and scores
            [examples, n].

        Raises:
            UsageError: The model doesn't know the task, or its answers are too short for the
                limits.
        """
        row, length, decoding = row_of(self.model, entry), answer_length(entry), self.decoding
        self.check_lengths([entry])
        leave = takes_any_shape(self.strategy, self.jit_compile)
        predictor = self._predictor(
            length, lambda: make_decoder(self.model, length, decoding, examples_leave=leave)
        )
        sampling = decoding.sampling
        if sampling is None:
            return predictor.predict(table, row, report)

        def take_draws(examples: np.ndarray) -> dict[str, np.ndarray]:
            found = draws_of(sampling.seed, entry.name, examples, sampling.samples, length)
            return {DRAWS: found}

        return predictor.predict(table, row, report, of_each=take_draws)

    def score_labels(
        self, entry: TaskEntry, table: TokenTable, report: Progress = lambda done: None
    ) -> np.ndarray:
        """Score the label words of a task for every example of a table.

        Args:
            entry: The task.
            table: The examples; their targets aren't looked at.
            report: Told how many examples are done, after each batch.

        Returns:
            float32 [examples, K], as `Given.scores`.

        Raises:
            UsageError: The model doesn't know the task.
        """
        row, words = row_of(self.model, entry), entry.label_token_ids
        if have_words(words):
            tokens = np.zeros(max(self._most_words, len(words)), np.int32)
            tokens[: len(words)] = [ids[0] for ids in words]
            predictor = self._predictor("words", lambda: LabelWordModel(self.model))
            scores = predictor.predict(table, row, report, also={"label_tokens": tokens})
            return np.asarray(scores).reshape(len(table), len(tokens))[:, : len(words)]
        predictor = self._predictor("texts", lambda: LabelTextModel(self.model))
        together = [words] if self.model.reads_several_targets() else [[ids] for ids in words]
        parts = []
        for some in together:
            texts = LabelTexts.of(some)
            also = {"label_tokens": texts.tokens, "label_numbers": texts.numbers}
            scores = predictor.predict(table, row, report, also=also)
            scores = np.asarray(scores).reshape(len(table), len(texts.tokens))
            parts.append(texts.add_up(scores, per_token=self.decoding.per_token))
        return np.concatenate(parts, 1)

    def _answer_with_labels(self, entry: TaskEntry, table: TokenTable, report: Progress) -> Given:
        scores = self.score_labels(entry, table, report)
        best = scores.argmax(-1)
        longest = max(map(len, entry.label_token_ids))
        token_ids = np.zeros((len(entry.label_words), longest), np.int32)
        for number, ids in enumerate(entry.label_token_ids):
            token_ids[number, : len(ids)] = ids
        texts = [entry.label_words[number] for number in best.tolist()]
        return Given(texts, token_ids[best], scores, "labels")

    def _answer_by_head(self, entry: TaskEntry, table: TokenTable, report: Progress) -> Given:
        assert self.model.heads is not None
        head = self.model.heads.tasks[entry.name]
        check_head(head, entry)
        task = self.model.task_names.index(entry.name)
        predictor = self._predictor("head", lambda: HeadModel(self.model))
        found = predictor.predict(table, task, report, head.choices)
        texts = write_answers(head, found, entry.label_words)
        is_number = head.kind == "regression"
        scores = None if is_number else share_out_scores(found[:, : head.answers])
        return Given(texts, np.zeros((len(texts), 0), np.int32), scores, "head")

    def _predictor(self, key: Hashable, make: Callable[[], tf_keras.Model]) -> TokenPredictor:
        if key not in self._predictors:
            with self.strategy.scope():
                model = make()
            self._predictors[key] = TokenPredictor(
                model,
                self.strategy,
                batch_size=self.batch_size,
                input_length=self.input_length,
                jit_compile=self.jit_compile,
            )
        return self._predictors[key]


def way_of(entry: TaskEntry, model: TaskModel, decoding: Decoding) -> str:
    """Tell how a task is answered: `head`, `labels` or `decoded`."""
    if model.has_head(entry.name):
        return "head"
    return "labels" if entry.label_words and decoding.restricted else "decoded"


def row_of(model: TaskModel, entry: TaskEntry) -> int:
    """Find the bank row of a task that is answered in words.

    Args:
        model: The model to ask.
        entry: The task.

    Returns:
        The row.

    Raises:
        UsageError: The model has no such task, or only a head could answer it.
    """
    names = model.task_names
    if entry.name not in names:
        raise UsageError(f"the model has no task {entry.name!r}; {nearest(entry.name, names)}")
    if entry.choices:
        raise UsageError(
            f"task {entry.name!r} has a text for each choice, which only a head can score, and "
            "the model has none; evaluate on a dataset built without --format encoder"
        )
    return names.index(entry.name)


def make_decoder(
    model: TaskModel, length: int, decoding: Decoding, *, examples_leave: bool = False
) -> tf_keras.Model:
    """Make the program that decodes answers.

    Args:
        model: The model to ask.
        length: The most tokens of an answer.
        decoding: How to decode.
        examples_leave: Whether batches may shrink, as `LoopModel` has it.

    Returns:
        A model of token ids, or of `BeamAnswers`. Of one token and one answer, the best is the
        most probable however it is searched for.
    """
    beams, limits = decoding.beams, decoding.limits
    if decoding.sampling is not None:
        return SamplingModel(
            model,
            length=length,
            sampling=decoding.sampling,
            limits=limits,
            examples_leave=examples_leave,
        )
    if length == ARGMAX_LENGTH and decoding.answers == 1 and limits == Limits():
        return ArgmaxModel(model)
    if beams is None:
        return GreedyModel(model, length=length, limits=limits, examples_leave=examples_leave)
    return BeamModel(model, length=length, limits=limits, **dataclasses.asdict(beams))


def answer_length(entry: TaskEntry) -> int:
    """Count the decoder steps of a task's answers: 1 if each label word is a token of its own."""
    return ARGMAX_LENGTH if have_words(entry.label_token_ids) else entry.decoding_length


def have_words(label_token_ids: Sequence[Sequence[int]]) -> bool:
    """Tell whether every label word there is is a token of its own."""
    firsts = {tuple(ids) for ids in label_token_ids}
    all_single = all(len(ids) == 1 for ids in label_token_ids)
    return bool(firsts) and all_single and len(firsts) == len(label_token_ids)
