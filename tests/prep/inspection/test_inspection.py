"""What a person is shown of a dataset folder."""

import dataclasses
import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

from prep.__main__ import main
from prep.build.dataset import build_dataset
from prep.errors import UsageError, run_command
from prep.inspection.length_plots import plot_lengths
from prep.inspection.page import render_page
from prep.inspection.survey import DecodedExample, Mixture, percentile_length, survey_dataset
from prep.inspection.templating import name_dataset
from prep.inspection.text import describe_dataset, describe_lengths
from prep.tasks import get_task


@pytest.fixture
def dataset(rte_options, rte_data):
    """Two tasks; RTE has texts that are cut and a rejected row with markup in it."""
    path = rte_data / "rte" / "train.tsv"
    path.write_text(path.read_text() + "x\ta\tb\t<b>maybe</b>\n")
    tasks = (get_task("rte"), get_task("synthetic_choice"))
    options = rte_options(tasks=tasks, max_input_length=24, shard_records=5000)
    build_dataset(options)
    return options.out


def page_of(text):
    """The page without what only HTML allows, as XML."""
    body = re.sub(r"<!doctype html>|<(?:meta|link) [^>]*>|<style>.*?</style>", "", text, flags=re.S)
    return ElementTree.fromstring(body)


def test_percentiles_are_those_of_numpy():
    lengths = np.random.default_rng(0).integers(1, 60, 237)
    counts = np.bincount(lengths)
    for percent in (0, 1, 50, 90, 99, 100):
        expected = np.percentile(lengths, percent, method="inverted_cdf")
        assert percentile_length(counts, percent) == expected


def test_lengths_are_those_of_the_records(dataset):
    (task,) = survey_dataset(dataset, "rte").tasks
    for split in task.splits:
        tokens = np.arange(len(split.input_lengths)) @ split.input_lengths
        assert tokens == split.entry.input_tokens
        assert split.input_lengths.sum() == split.entry.examples
        assert len(split.target_lengths) - 1 == split.entry.longest_target


def test_the_mixture_is_computed_from_the_sizes(dataset):
    survey = survey_dataset(dataset, "rte", mixture=Mixture(2.0, 3_000, steps=100, batch_size=6))
    sizes = {share.task: share.size for share in survey.shares}
    assert sizes == {"rte": 30, "synthetic_choice": 6_000}
    rate = 1 / (1 + (3_000 / 30) ** 0.5)
    assert survey.shares[0].probability == pytest.approx(rate)
    assert survey.shares[0].epochs == pytest.approx(100 * rate * 6 / 30)
    lines = list(describe_dataset(survey))
    assert (
        lines[-4]
        == "mixture: temperature 2, cap 3,000 examples; epochs after 100 steps with batches of 6"
    )
    assert lines[-2].split() == ["rte", "30", "9.09%", "1.82"]
    without_steps = list(describe_dataset(survey_dataset(dataset, "rte")))
    assert without_steps[-4] == "mixture: temperature 1, no cap"
    assert without_steps[-3].split() == ["task", "examples", "rate"]


def test_a_packed_dataset_shows_how_full_its_rows_are(rte_options):
    options = rte_options(pack=True, max_input_length=128)
    manifest = build_dataset(options)
    survey = survey_dataset(options.out, mixture=Mixture(steps=10, batch_size=3))
    split = manifest.task("rte").split("train")
    rows = sum(shard.records for shard in split.shards)
    assert rows < split.examples == survey.tasks[0].splits[0].input_lengths.sum()
    assert survey.shares[0].epochs == pytest.approx(10 * 3 / rows)
    line = f"packed: {rows} rows of 128 input"
    assert any(line in text for text in describe_dataset(survey))
    assert line in "\n".join(page_of(render_page(survey)).itertext())


def test_the_page_shows_every_split_and_escapes_what_is_in_them(dataset):
    survey = survey_dataset(dataset, records=3, mixture=Mixture(steps=10))
    text = render_page(survey)
    page = page_of(text)
    assert [heading.text for heading in page.iter("h2")] == ["Mixture", "rte", "synthetic_choice"]
    splits = [summary.text for summary in page.iter("summary")]
    assert splits[0].startswith("train: 30 examples, 1 shard,")
    assert len(splits) == sum(len(task.splits) for task in survey.tasks)
    sides = [
        lengths
        for task in survey.tasks
        for split in task.splits
        for lengths in (split.input_lengths, split.target_lengths)
    ]
    count = len(list(page.iter("{http://www.w3.org/2000/svg}svg")))
    assert 0 < count == len(sides) - text.count('<p class="sentence">') < len(sides)
    assert "<b>" not in text
    shown = "\n".join(page.itertext())
    assert "'<b>maybe</b>' is none of 'entailment', 'not_entailment'" in shown
    assert "train.tsv:32" in shown
    assert "5 examples have the inputs of one in train" in shown
    rules = [line for line in shown.splitlines() if line.startswith("truncated: ")]
    assert len(rules) == len(splits)
    without_names = re.sub(r'xmlns(:xlink)?="[^"]*"|http-equiv', "", text)
    assert "http" not in without_names  # it needs nothing else
    assert (
        page.findtext(".//title")
        == page.findtext(".//h1")
        == f"{survey.directory.split('/')[-2]}/dataset"
    )


def test_what_a_picture_cannot_add_is_a_sentence(dataset):
    survey = survey_dataset(dataset, "rte", mixture=Mixture(steps=10))
    (task,) = survey.tasks
    split = task.splits[0]
    entry = dataclasses.replace(split.entry, label_counts=(30, 0))
    split = dataclasses.replace(split, entry=entry, input_lengths=np.bincount([7] * 30))
    tasks = (dataclasses.replace(task, splits=(split,)),)
    changed = dataclasses.replace(survey, tasks=tasks, shares=survey.shares[:1])
    shown = "".join(page_of(render_page(changed)).itertext())
    assert "inputs: all of 7 tokens" in shown
    assert "labels: entailment 100.0%, not_entailment 0.0%" in shown
    share = survey.shares[0]
    assert f"Mixture: rte alone, with 30 training examples, each seen {share.epochs:.2f}" in shown


def test_a_bar_alone_is_not_drawn():
    # 512 tokens in 47 bars of 11, which end with it: 1 to 6 are in the first.
    assert plot_lengths("inputs", np.bincount([500, 495]), 512) == ""
    assert plot_lengths("inputs", np.bincount([500, 485]), 512)
    assert describe_lengths(np.bincount([1, 1])) == "all of 1 token"


def test_texts_cannot_become_markup(dataset):
    survey = survey_dataset(dataset, "rte")
    (task,) = survey.tasks
    example = DecodedExample(0, "<script>alert(1)</script>", "<i>&amp;</i>")
    split = dataclasses.replace(task.splits[0], examples=(example,))
    changed = dataclasses.replace(survey, tasks=(dataclasses.replace(task, splits=(split,)),))
    text = render_page(changed)
    assert "<script>" not in text
    assert [value.text for value in page_of(text).iter("dd")] == [example.inputs, example.targets]


@pytest.mark.slow
def test_the_page_is_the_same_each_time(dataset):
    assert render_page(survey_dataset(dataset)) == render_page(survey_dataset(dataset))


@pytest.mark.parametrize(("longest", "arrow"), [(512, False), (171, False), (170, True), (2, True)])
def test_the_maximum_is_marked(longest, arrow):
    counts = np.bincount([1, longest])
    text = plot_lengths("inputs", counts, 512)
    assert ElementTree.fromstring(text).tag.endswith("svg")
    assert ("maximum 512 →" in text) == arrow
    assert "maximum 512" in text


@pytest.mark.slow
def test_the_command_writes_the_page(dataset, tmp_path, capsys):
    page = tmp_path / "page.html"
    arguments = ["inspect", str(dataset), "--html", str(page), "--records", "0"]
    assert run_command(main, [*arguments, "--temperature", "4", "--steps", "50"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == f"page: {page}"
    assert "mixture: temperature 4, no cap; epochs after 50 steps with batches of 32" in out
    assert page.read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "inputs of example" not in page.read_text(encoding="utf-8")


@pytest.mark.slow
def test_a_dataset_in_a_bucket(dataset, bucket, rte_options, capsys):
    from prep.dataset.staging import stage_dataset

    there = f"{bucket}/{dataset.name}"
    stage_dataset(dataset, there)
    expected = list(describe_dataset(survey_dataset(dataset)))
    found = list(describe_dataset(survey_dataset(there)))
    assert found[1:] == expected[1:]
    here, page = (render_page(survey_dataset(place)) for place in (dataset, there))
    names = name_dataset(str(dataset)), name_dataset(there)
    assert page == here.replace(str(dataset), there).replace(*names)


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--temperature", "-1"], 2, "--temperature is -1.0; it must be > 0"),
        (["--temperature", "nan"], 2, "--temperature is nan; it must be > 0"),
        (["--cap", "0"], 2, "--cap is 0; it must be >= 1"),
        (["--steps", "-3"], 2, "--steps is -3; it must be >= 1"),
        (["--batch-size", "0"], 2, "--batch-size is 0; it must be >= 1"),
        (["--task", "ret"], 2, "the dataset has no task 'ret'; did you mean 'rte'?"),
        (
            ["--html", "nowhere/page.html"],
            2,
            "--html nowhere/page.html: expected a file in a folder",
        ),
    ],
)
def test_bad_input_is_one_line(dataset, capsys, arguments, code, message):
    assert run_command(main, ["inspect", str(dataset), *arguments]) == code
    error = capsys.readouterr().err
    assert error.startswith("error: ")
    assert message in error
    assert error.count("\n") == 1


def test_an_unknown_folder_is_one_line(tmp_path, capsys):
    assert run_command(main, ["inspect", str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.startswith("error: no dataset folder at")


def test_a_mixture_is_checked_before_anything_is_read():
    with pytest.raises(UsageError, match=r"`temperature` is 0; it must be > 0"):
        Mixture(temperature=0)


@pytest.mark.parametrize("place", ["nowhere/page.html", "."])
def test_a_page_that_cannot_be_written_is_told_before_the_report(place, tmp_path, capsys):
    code = run_command(main, ["inspect", str(tmp_path), "--html", str(tmp_path / place)])
    captured = capsys.readouterr()
    assert (code, captured.out) == (2, "") and "expected a file in a folder" in captured.err
