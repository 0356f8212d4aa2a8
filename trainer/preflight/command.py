"""The preflight from its options to its last line."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import tf_keras

from adapters_tf.backbone.presets import PRESETS
from adapters_tf.runs.settings import ResolvedRun
from prep import DataError, Manifest, UsageError, load_manifest
from trainer.batches.padding import count_row_tokens
from trainer.preflight.compiler import MARGIN, compile_step, refuse_hopeless
from trainer.preflight.options import Options, share_batch
from trainer.preflight.printing import (
    CALIBRATION,
    describe_comparison,
    describe_compiler,
    describe_verdict,
    plural,
    wrap,
)
from trainer.preflight.search import LARGEST, find_largest
from trainer.preflight.steps import Step, make_steps
from trainer.preflight.verdict import Verdict, Workload, reach_verdict
from trainer.run.folder import keep_lengths
from trainer.settings.checks import check_config, check_run
from trainer.settings.mixture import batch_shares
from trainer.settings.resolving import resolve

Report = Callable[[str], None]


class Preflight:
    """Compiles a run's steps and collects verdicts.

    Args:
        options: What is asked for.
        report: Called with every line, none of them wider than the terminal.
    """

    def __init__(self, options: Options, report: Report):
        self.options = options

        def report_wrapped(line: str) -> None:
            for part in wrap(line):
                report(part)

        self.report = report_wrapped
        self.found: list[Verdict] = []
        check_config(options.config)
        self.manifest = load_manifest(options.config.dataset)
        settings = resolve(options.config, self.manifest)
        self.settings = keep_lengths(settings, options.config.data)
        check_run(self.settings, self.manifest)
        self.compared = [self._with_method(method) for method in options.methods]
        replicas = options.topology.replicas
        self.rows = share_batch(self.settings.data.batch_size, replicas)

    def run(self) -> bool:
        """Do what the options ask for.

        Returns:
            Whether everything fits, if barely.
        """
        options = self.options
        self._say(self.settings)
        if options.methods:
            self._compare()
        elif options.is_search:
            self._search()
        else:
            steps = self._steps(self.settings)
            for line in describe_shapes([step for step in steps if step.is_training]):
                self.report(line)
            for step in steps:
                self._tell(self.check(step, self.settings, self.rows))
        last = self.found[-1]
        self.report(describe_compiler(last.compilation))
        if any(one.speed for one in self.found):
            self.report(CALIBRATION)
        if options.json:
            write_figures(options.json, self.found)
        if options.is_search:
            return any(one.is_good for one in self.found)
        return all(one.verdict in ("fits", "borderline") for one in self.found)

    def check(self, step: Step, settings: ResolvedRun, rows: int) -> Verdict:
        """Compile one step.

        Args:
            step: Of the run.
            settings: Of the run.
            rows: Of one replica.

        Returns:
            The verdict, which is also kept.
        """
        topology = self.options.topology
        answer = refuse_hopeless(step.least_memory(rows), topology)
        if answer is None:
            name = f"the {step.name}, {rows:,} rows of {step.shape} a replica"
            if self.options.methods:
                name = f"{settings.adapters.method}: {name}"
            self.report(f"tracing {name}")
            text = step.export(rows, topology.replicas)
            answer = compile_step(text, topology, self.options.python, self.report, name)
            # The compiler counts a loop's body once; nearly all of a step is in it.
            answer = dataclasses.replace(answer, flops=answer.flops * step.batches)
        examples, tokens = count_tokens(step, settings, self.manifest)
        work = Workload(
            step.name,
            settings.adapters.method,
            rows,
            step.input_length,
            step.target_length,
            step.count_flops(rows),
            examples * step.batches,
            tokens * step.batches,
        )
        self.found.append(reach_verdict(work, answer, topology))
        return self.found[-1]

    def _steps(self, settings: ResolvedRun) -> list[Step]:
        tf_keras.backend.clear_session()
        options = self.options
        try:
            return make_steps(
                settings, self.manifest, with_eval=options.is_eval, beams=options.beams
            )[1]
        except ValueError as error:
            backbone = settings.model.backbone
            preset = backbone.rpartition("/")[2]
            if preset == backbone or preset not in PRESETS:
                raise
            advice = f"its sizes are enough here: --model.backbone {preset}"
            raise type(error)(f"{error}; {advice}") from None

    def _with_method(self, method: str) -> ResolvedRun:
        adapters = dataclasses.replace(self.settings.adapters, method=method)
        settings = dataclasses.replace(self.settings, adapters=adapters)
        check_run(settings, self.manifest)
        return settings

    def _compare(self) -> None:
        for settings in self.compared:
            for step in self._steps(settings):
                self.check(step, settings, self.rows)
        tables: dict[tuple[str, int, int], list[Verdict]] = {}
        for one in self.found:
            tables.setdefault((one.step, one.input_length, one.target_length), []).append(one)
        for (name, S, T), found in tables.items():
            rows = self.rows * self.options.topology.replicas
            self.report(f"{name}, {rows:,} rows of {S} input and {T} target tokens:")
            for line in describe_comparison(found):
                self.report(line)

    def _search(self) -> None:
        step, *others = self._steps(self.settings)
        if any(other.is_training for other in others):
            self.report(
                f"searched with the largest shape, {step.shape} tokens ({', '.join(step.tasks)}): "
                "where it fits, the others do"
            )

        def fits(rows: int) -> tuple[bool, float]:
            one = self.check(step, self.settings, rows)
            if one.compilation.refusal:
                raise UsageError(f"the train step cannot be compiled: {one.compilation.refusal}")
            share = one.needed / one.limit
            self.report(f"{one.rows:,} rows: {one.verdict}, {share:.0%} of the memory")
            return one.is_good, share / (1 - MARGIN)

        largest = find_largest(fits, self.rows)
        replicas = self.options.topology.replicas
        if not largest:
            self.report("not even one row a replica fits")
            return
        limit = " (larger ones were not tried)" if largest == LARGEST else ""
        self.report(f"the largest batch that fits: {largest * replicas:,} rows{limit}")
        self._tell(next(one for one in self.found if one.rows == largest * replicas))

    def _tell(self, found: Verdict) -> None:
        for line in describe_verdict(found):
            self.report(line)

    def _say(self, settings: ResolvedRun) -> None:
        topology = self.options.topology
        method = settings.adapters.method
        trained = "all of it" if method == "none" else method
        if self.options.methods:
            trained = f"{len(self.options.methods)} methods"
        replicas = plural(topology.replicas, "replica")
        self.report(
            f"{settings.model.backbone}, {trained}, {plural(len(settings.tasks), 'task')}, "
            f"{settings.training.precision}, for {topology.name} ({replicas})"
        )


def describe_shapes(steps: Sequence[Step]) -> list[str]:
    """Say whose batches have which shape, where train steps have several.

    Args:
        steps: The train steps, the largest first.

    Returns:
        Lines; none where there is one shape.
    """
    if len(steps) < 2:
        return []
    shapes = "; ".join(f"{step.shape} tokens: {', '.join(step.tasks)}" for step in steps)
    lines = [f"train steps of {len(steps)} shapes, the largest first: {shapes}"]
    if steps[0].batches > 1:
        lines.append(
            f"a step takes {steps[0].batches} batches, of several shapes, one after the other: "
            "each shape is judged as a step of it alone, and the largest needs the most"
        )
    return lines


def write_figures(file: Path, found: Sequence[Verdict]) -> None:
    """Write all figures as JSON.

    Args:
        file: To write.
        found: The verdicts.

    Raises:
        DataError: It cannot be written; it is named.
    """
    try:
        file.write_text(json.dumps([one.as_dict() for one in found], indent=1))
    except OSError as error:
        raise DataError(f"--json {file} cannot be written: {error.strerror}") from None


def count_tokens(step: Step, settings: ResolvedRun, manifest: Manifest) -> tuple[float, float]:
    """Count what is in a row of a step's batches, on average over the tasks that it is of.

    Args:
        step: Of the run.
        settings: Of the run, whose mixture weighs the tasks.
        manifest: Of its dataset.

    Returns:
        Examples, and tokens without padding, as the training splits have them. Where examples are
        cut, and an earlier version built the dataset, the tokens are the most there can be.
    """
    splits = [manifest.task(task).split(settings.data.train_split) for task in settings.tasks]
    records = [split.records for split in splits]
    sizes = [split.examples for split in splits]
    shares = batch_shares(settings, sizes, records)
    rows = records if step.is_packed else sizes
    is_headed = not step.target_length
    shape = (step.input_length, step.target_length, *([step.choices] if is_headed else []))
    total = examples = tokens = 0.0
    for task, share, split, count in zip(settings.tasks, shares, splits, rows, strict=True):
        if step.tasks and task not in step.tasks:
            continue
        total += share
        examples += share * split.examples / count
        alone = split if step.is_packed else dataclasses.replace(split, packing=None)
        tokens += share * count_row_tokens(alone, shape).tokens
    return float(examples / total), float(tokens / total)
