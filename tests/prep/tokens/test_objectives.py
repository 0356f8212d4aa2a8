"""Raw text → span corruption and prefix language modelling."""

import dataclasses

import numpy as np
import pytest

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.build.vocabulary_training import train_vocabulary
from prep.dataset.reading import read_split
from prep.dataset.verification import find_problems
from prep.errors import UsageError
from prep.tasks.tasks_file import load_tasks
from prep.tokens.objectives import draw_spans, longest_corruptible, make_pairs
from prep.tokens.vocabulary import Vocabulary

TASKS = """\
- name: spans
  kind: generation
  folder: {folder}
  files: {{train: input.txt}}
  inputs: "{{line}}"
  objective: span_corruption
  metrics: [bleu]
- name: prefixes
  kind: generation
  folder: {folder}
  files: {{train: input.txt}}
  inputs: "{{line}}"
  objective: prefix_lm
  metrics: [bleu]
"""


def restore(inputs, targets, vocabulary):
    """Puts what the sentinels hide back in their place."""
    hidden = {}
    for token in targets[:-1]:
        if token >= vocabulary.pieces:
            hidden[token] = span = []
        else:
            span.append(token)
    restored = []
    for token in inputs[:-1]:
        restored += hidden.pop(token) if token >= vocabulary.pieces else [token]
    assert not hidden
    return restored


@pytest.fixture(scope="module")
def vocabulary(small_vocabulary):
    return Vocabulary(small_vocabulary)


@pytest.mark.parametrize("length", [2, 3, 7, 20, 100, 568])
def test_spans_have_the_density_and_the_mean_of_t5(length):
    for seed in range(20):
        starts, ends = draw_spans(length, np.random.default_rng(seed))
        hidden = int((ends - starts).sum())
        assert hidden == min(max(round(length * 0.15), 1), length - 1)
        assert len(starts) == max(round(hidden / 3), 1)
        assert (ends > starts).all()
        assert starts[0] > 0
        assert (starts[1:] > ends[:-1]).all()
        assert ends[-1] == length


def test_span_lengths_vary_about_their_mean():
    lengths = np.concatenate(
        [np.subtract(*draw_spans(500, np.random.default_rng(seed))[::-1]) for seed in range(50)]
    )
    assert lengths.mean() == pytest.approx(3, abs=0.01)
    assert lengths.min() == 1
    assert lengths.max() > 6


def test_the_segment_of_t5():
    assert longest_corruptible(512, 114, 100) == 568


@pytest.mark.parametrize("objective", ["span_corruption", "prefix_lm"])
@pytest.mark.parametrize("limits", [(64, 64), (40, 12), (512, 512)])
def test_every_token_of_a_long_row_comes_back(vocabulary, objective, limits):
    ids = np.random.default_rng(1).integers(3, vocabulary.pieces, 700).tolist()
    pairs = list(make_pairs(objective, ids, 5, vocabulary, *limits))
    assert pairs == list(make_pairs(objective, ids, 5, vocabulary, *limits))
    assert pairs != list(make_pairs(objective, ids, 6, vocabulary, *limits))
    assert all(len(inputs) <= limits[0] and len(targets) <= limits[1] for inputs, targets in pairs)
    assert all(inputs[-1] == targets[-1] == 1 for inputs, targets in pairs)
    if objective == "span_corruption":
        parts = [restore(*pair, vocabulary) for pair in pairs]
    else:
        parts = [inputs[:-1] + targets[:-1] for inputs, targets in pairs]
    restored = [token for part in parts for token in part]
    assert restored == ids[: len(restored)]
    assert len(restored) >= len(ids) - 1


def build(tmp_path, data, folder, vocabulary, **changes):
    path = tmp_path / "mine.yaml"
    path.write_text(TASKS.format(folder=folder))
    options = BuildOptions(
        **({"tasks": load_tasks(path), "vocabulary": vocabulary, "data_dir": data} | changes)
    )
    return build_dataset(options, report=lambda line: None)


def check_shakespeare(table, lines, processor, is_corruption):
    """Compares what a table holds with the lines of the file; returns the share of noise."""
    parts = {}
    hidden = total = 0
    for row in range(len(table)):
        inputs, targets = table.input_ids(row).tolist(), table.target_ids(row).tolist()
        whole = inputs[:-1] + targets[:-1]
        part = restore(inputs, targets, processor) if is_corruption else whole
        hidden += sum(token < processor.pieces for token in targets[:-1])
        total += len(part)
        parts.setdefault(int(table.examples[row]), []).extend(part)
    for number, ids in parts.items():
        expected = processor.encode(lines[number])
        assert ids == expected[: len(ids)]
        assert len(ids) >= len(expected) - 1
    return hidden / total


def test_a_real_text(tmp_path, real_data):
    file = real_data / "tinyshakespeare" / "input.txt"
    if not file.is_file():
        pytest.skip(f"../shared/data is absent: {file}")
    text = file.read_text()
    # A row is a speech, since lines of a play are short.
    lines = [" ".join(speech.split()) for speech in text.split("\n\n") if speech.strip()]
    (tmp_path / "play").mkdir()
    (tmp_path / "play" / "input.txt").write_text("\n".join(lines) + "\n")
    model = tmp_path / "play.model"
    train_vocabulary(lines[:1000], model, 600, [])
    folders = [tmp_path / "one", tmp_path / "two"]
    manifests = [
        build(tmp_path, tmp_path, "play", model, out=folder, workers=workers)
        for folder, workers in zip(folders, (1, 2), strict=True)
    ]
    assert manifests[0] == manifests[1]
    assert list(find_problems(folders[0])) == []
    vocabulary = Vocabulary(model)
    shares = {}
    for name in ("spans", "prefixes"):
        split = manifests[0].task(name).split("train")
        assert split.truncated == split.rejected == 0
        assert split.examples + split.dropped - split.expanded == len(lines)
        table = read_split(folders[0], manifests[0], name, "train")
        shares[name] = check_shakespeare(table, lines, vocabulary, name == "spans")
    assert shares["spans"] == pytest.approx(0.15, abs=0.005)
    assert shares["prefixes"] == pytest.approx(0.5, abs=0.02)


def test_generated_text_with_rows_of_every_length(tmp_path, small_vocabulary):
    lines = ["a", *(" ".join(["cat"] * count) for count in range(1, 90))]
    (tmp_path / "text").mkdir()
    (tmp_path / "text" / "input.txt").write_text("\n".join(lines) + "\n")
    out = tmp_path / "dataset"
    limits = {"max_input_length": 40, "max_target_length": 40}
    manifest = build(tmp_path, tmp_path, "text", small_vocabulary, out=out, **limits)
    assert list(find_problems(out)) == []
    assert manifest.task("spans").split("train").expanded > 0
    assert manifest.task("spans").split("train").longest_input <= 40


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"objective": "span_coruption"}, "did you mean 'span_corruption'"),
        ({"kind": "classification"}, "kind is generation"),
        ({"targets": "{line}"}, "neither targets nor labels"),
        ({"labels": {"a": "b"}}, "neither targets nor labels"),
    ],
)
def test_what_cannot_be_an_objective(tmp_path, changes, message):
    path = tmp_path / "mine.yaml"
    path.write_text(TASKS.format(folder="text"))
    with pytest.raises(UsageError, match=message):
        dataclasses.replace(load_tasks(path)[0], **changes)
