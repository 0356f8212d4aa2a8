"""The preflight of a small run, with a compiler that has its answers already."""

import functools
import json
import sys
from pathlib import Path

import pytest

from adapters_tf.errors import WeightsError
from prep import DataError, UsageError
from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.tasks import get_task
from tests.trainer.preflight.test_compiler import ONE_ARRAY, VERSIONS
from tests.trainer.preflight.test_program import PROGRAM
from trainer.preflight import command
from trainer.preflight.command import Preflight, write_figures
from trainer.preflight.compiler import VARIABLE, compile_step, find_python
from trainer.preflight.options import read_preflight_options
from trainer.preflight.stablehlo import read_stablehlo
from trainer.preflight.steps import Step

pytestmark = pytest.mark.slow

SMALL = {"num_layers": 1, "num_decoder_layers": 1, "d_model": 32, "d_ff": 64}
# It takes 1 GiB for each row of a replica, and has 15.75.
WORKER = f"""
import json, re, sys, pathlib
text = pathlib.Path(sys.argv[1]).read_text()
pathlib.Path(sys.argv[0]).with_name("step.mlir").write_text(text)
rows = int(re.search(r"@main\\(%arg0: tensor<(\\d+)x", text)[1])
answer = {{"compiler": {VERSIONS!r}, "seconds": 1.0}}
if rows > 15:
    answer["error"] = {ONE_ARRAY!r}
else:
    memory = dict(argument=0, output=0, alias=0, temp=rows * 2**30, generated_code=0)
    answer.update(memory=memory, flops=1e9)
    pathlib.Path(sys.argv[2]).write_text({PROGRAM!r})
print(json.dumps(answer))
"""


@pytest.fixture
def preflight(small_dataset, tmp_path, monkeypatch):
    """A function that runs a preflight: whether all fits, its lines, and the steps as JSON."""
    worker = tmp_path / "worker.py"
    worker.write_text(WORKER)
    monkeypatch.setattr(command, "compile_step", functools.partial(compile_step, worker=worker))
    monkeypatch.setenv(VARIABLE, sys.executable)

    def preflight(line, is_exported=True, dataset=small_dataset):
        if not is_exported:  # where the batch's rows are all that the compiler's answer depends on
            module = "func.func @main(%arg0: tensor<{}x32xi32>)"
            monkeypatch.setattr(Step, "export", lambda step, rows, _: module.format(rows))
        words = f"--dataset {dataset} --model.backbone t5-tiny {line}".split()
        words += ["--model.overrides", json.dumps(SMALL), "--json", str(tmp_path / "out.json")]
        lines = []
        fits = Preflight(read_preflight_options(words), lines.append).run()
        return fits, lines, json.loads((tmp_path / "out.json").read_text())

    return preflight


def test_every_step_of_a_run_is_judged(preflight):
    fits, lines, found = preflight("--topology v5e-1 --batch-size 4 --eval")
    assert fits
    assert [one["step"] for one in found] == [
        "train step",
        "scoring step",
        "argmax step",
        "greedy decoding of 2 tokens",
    ]
    assert all(one["verdict"] == "fits" and one["rows"] == 4 for one in found)
    assert all(len(line) <= 80 for line in lines)
    assert "for v5e:1x1 (1 replica)" in " ".join(lines[:2])
    assert any(line == "compiler: jax 0.6.1, jaxlib 0.6.1, libtpu 0.0.14" for line in lines)


def test_beams_are_compiled_where_evaluation_would_search(preflight):
    line = "--topology v5e-1 --batch-size 4 --eval --beams 3"
    _, _, found = preflight(line, is_exported=False)
    assert [one["step"] for one in found][2:] == [
        "argmax step",
        "beam search of 2 tokens, 3 beams",
    ]


def test_replicas_share_the_batch_and_add_up_what_trains(preflight, tmp_path):
    _, _, found = preflight("--topology v5e-8 --batch-size 16 --training.precision mixed_bfloat16")
    assert (found[0]["rows"], found[0]["replicas"]) == (16, 8)
    text = (tmp_path / "step.mlir").read_text()
    assert "%arg0: tensor<2x32xi32>" in text
    step = read_stablehlo(text)
    assert step.all_reduces > 2
    assert "dense<[[0, 1, 2, 3, 4, 5, 6, 7]]>" in text
    assert step.slow_parts(most_updates=3) == []
    with pytest.raises(UsageError, match="cannot be divided among 8 replicas; use 8 or 16"):
        preflight("--topology v5e-8 --batch-size 12")


def test_a_full_disk_is_told_with_the_file():
    with pytest.raises(DataError, match="--json /dev/full cannot be written: No space left"):
        write_figures(Path("/dev/full"), [])


def test_a_batch_that_does_not_fit_is_told(preflight):
    fits, lines, found = preflight("--topology v5e-1 --batch-size 32", False)
    assert not fits
    assert found[0]["verdict"] == "does not fit"
    assert "train step: does not fit, at least 32.00 GiB of 15.75 GiB" in lines
    assert any("f32[8192,4,512,512]" in line for line in lines)


def test_the_largest_batch_that_fits_is_searched_for(preflight):
    fits, lines, found = preflight("--topology v5e-4 --batch-size 128 --search", False)
    assert fits
    assert "the largest batch that fits: 48 rows" in lines
    assert [one["rows"] for one in found] == [128, 48, 64]


def test_methods_are_compared(preflight):
    fits, lines, found = preflight("--topology v5e-1 --batch-size 13 --compare lora,none", False)
    assert [one["method"] for one in found] == ["lora", "none"]
    assert fits and all(one["verdict"] == "borderline" for one in found)
    rows = [line for line in lines if line.endswith("borderline")]
    assert [row.split()[0] for row in rows] == ["lora", "none"]
    assert found[1]["defined_flops"] > found[0]["defined_flops"]


def test_shapes_of_tasks_have_tables_and_tokens_of_their_own(preflight):
    """A shape's real tokens are those of its tasks: no more than its batches hold."""
    line = "--topology v5e-1 --batch-size 8 --data.lengths per_task --compare lora,none --eval"
    _, lines, found = preflight(line, is_exported=False)
    heads = [line for line in lines if line.startswith("train step, ")]
    assert heads == [f"train step, 8 rows of {S} input and 8 target tokens:" for S in (32, 24)]
    tokens = [one["speed"]["tokens"][1] / one["speed"]["examples"][1] for one in found]
    assert all(
        real <= one["input_length"] + one["target_length"]
        for real, one in zip(tokens, found, strict=True)
    )
    assert [one["input_length"] for one in found[:2]] == [32, 24]
    assert tokens[0] > tokens[1]


def test_shapes_are_named_where_a_step_takes_several(preflight):
    line = "--topology v5e-1 --batch-size 8 --data.lengths per_task --data.mixture round"
    _, lines, found = preflight(f"{line} --training.tasks_per_step 3", is_exported=False)
    said = " ".join(lines)
    assert "train steps of 2 shapes, the largest first: 32/8 tokens: " in said
    assert "a step takes 3 batches, of several shapes" in said
    assert [one["step"] for one in found] == ["train step of 3 batches"] * 2
    assert [one["input_length"] for one in found] == [32, 24]
    _, lines, found = preflight(f"{line} --search", is_exported=False)
    assert "searched with the largest shape, 32/8 tokens (" in " ".join(lines)
    assert {one["input_length"] for one in found} == {32}


def test_a_step_of_several_batches_has_the_tokens_of_all(preflight):
    line = "--topology v5e-1 --batch-size 4 --training.tasks_per_step"
    one, two = (preflight(f"{line} {count}", is_exported=False)[2][0] for count in (1, 2))
    for what in ("examples", "tokens"):
        assert two["speed"][what] == pytest.approx([2 * rate for rate in one["speed"][what]])


def test_evaluations_rows_are_no_packed_ones(preflight, small_dataset, tmp_path):
    """Of a packed dataset, rows of training hold several examples, and those of evaluation one."""
    options = BuildOptions(
        tasks=(get_task("synthetic_entailment"),),
        vocabulary=small_dataset / "spiece.model",
        out=tmp_path / "packed",
        max_input_length=64,
        max_target_length=16,
        pack=True,
        workers=1,
    )
    build_dataset(options)
    line = "--topology v5e-1 --batch-size 4 --eval"
    _, _, found = preflight(line, is_exported=False, dataset=options.out)
    examples = [one["speed"]["examples"][0] / 1e3 * one["speed"]["worst"] / 4 for one in found]
    assert examples[0] > 1.5
    assert examples[1:] == pytest.approx([1.0] * len(examples[1:]))


def test_a_run_that_cannot_be_is_refused_as_by_the_trainer(preflight):
    with pytest.raises(UsageError, match=r"optimizer.name 'adam' is unknown; did you mean"):
        preflight("--topology v5e-1 --optimizer.name adam")


@pytest.mark.parametrize("name", ["google-t5/t5-small", "someone/else"])
def test_where_no_hub_is_reached_a_preset_of_the_same_sizes_is_named(preflight, name, monkeypatch):
    def unreachable(*_, **__):
        raise WeightsError("the hub could not be reached")

    monkeypatch.setattr(command, "make_steps", unreachable)
    with pytest.raises(ValueError, match="could not be reached") as caught:
        preflight(f"--topology v5e-1 --model.backbone {name}")
    assert ("--model.backbone t5-small" in str(caught.value)) == name.endswith("t5-small")


def test_a_method_that_cannot_be_is_refused_before_the_first_is_compiled(preflight, tmp_path):
    with pytest.raises(ValueError, match="'bottlneck' is unknown; did you mean 'bottleneck'"):
        preflight("--topology v5e-1 --compare lora,bottlneck")
    assert not (tmp_path / "step.mlir").exists()


def test_a_real_compiler_compiles_the_train_step(small_dataset, monkeypatch):
    """The smallest of runs through the real thing, on four replicas."""
    monkeypatch.delenv("XLA_FLAGS", raising=False)  # those of the tests are for this machine
    try:
        find_python()
    except UsageError as missing:
        pytest.skip(f"no TPU compiler here: {missing}")
    words = f"--dataset {small_dataset} --model.backbone t5-tiny --topology v5e-4 --batch-size 8"
    options = read_preflight_options(
        [*words.split(), "--model.overrides", json.dumps(SMALL), "--data.input_length", "32"]
    )
    preflight = Preflight(options, lambda line: None)
    assert preflight.run()
    (found,) = preflight.found
    assert found.compilation.step.loops == found.compilation.step.sorts == ()
    assert len(found.compilation.step.collectives) == 2
    assert 0.95 < found.compilation.flops / found.defined_flops < 1.3
    assert Path(options.python).is_file()
