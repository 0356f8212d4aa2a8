"""Rows from Parquet, JSON documents, TensorFlow Datasets, Hugging Face, and Python iterables."""

import dataclasses
import gzip
import json
import sys
import types

import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from prep.build.dataset import build_dataset
from prep.build.options import BuildOptions
from prep.errors import DataError, UsageError
from prep.sources.blocks import columns_of, parse_block, read_blocks
from prep.sources.declarations import FileSpec, GeneratedSource, HubSource, TfdsSource
from prep.splits.finding import plan_task
from prep.tasks import ALL_TASKS, get_task
from prep.tasks.source_choice import read_from

# Importing TensorFlow and its datasets warns of what is theirs.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

RTE = get_task("rte")


def read(path, spec, rows_per_block=2):
    blocks = list(read_blocks(path, spec, rows_per_block))
    return blocks, [row for block in blocks for row in parse_block(block)]


def build(tmp_path, vocabulary, task, **changes):
    given = {"tasks": (task,), "vocabulary": vocabulary, "out": tmp_path / "out"}
    return build_dataset(BuildOptions(**(given | changes)), report=lambda line: None)


def test_parquet_is_streamed_across_its_row_groups(tmp_path):
    rows = [{"text": f"r{i}", "nested": {"n": [i, i + 1]}, "label": i % 2} for i in range(7)]
    parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "a.parquet", row_group_size=3)
    spec = FileSpec("a.parquet", "parquet", rename={"text": "sentence"})
    blocks, found = read(tmp_path / "a.parquet", spec, 4)
    assert [(block.first_row, block.first_index, block.count) for block in blocks] == [
        (1, 0, 4),
        (5, 4, 3),
    ]
    assert found[6] == {"sentence": "r6", "nested": {"n": [6, 7]}, "label": 0}
    assert columns_of(tmp_path / "a.parquet", spec) == ("sentence", "nested", "label")


def test_a_broken_parquet_file_is_a_data_error(tmp_path):
    path = tmp_path / "a.parquet"
    path.write_bytes(b"PAR1 not really")
    with pytest.raises(DataError, match=r"a\.parquet is not a sound Parquet file"):
        read(path, FileSpec("a.parquet", "parquet"))


def test_parquet_without_pyarrow(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(UsageError, match="pip install pyarrow"):
        read(tmp_path / "a.parquet", FileSpec("a.parquet", "parquet"))


def test_a_json_document_is_read_level_by_level(tmp_path):
    document = {
        "data": [{"title": "t", "parts": [{"x": 1}, {"x": 2}]}, {"title": "u", "parts": []}]
    }
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(json.dumps(document).encode()))
    _, rows = read(path, FileSpec("a.json", "json", records=("data", "parts")))
    assert rows == [{"title": "t", "x": 1}, {"title": "t", "x": 2}]
    (tmp_path / "b.json").write_text('[{"x": 1}, {"x": 2}, {"x": 3}]')
    assert len(read(tmp_path / "b.json", FileSpec("b.json", "json"))[1]) == 3


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "a.json is not a JSON document"),
        ('{"rows": []}', "expected an object with a list 'data'"),
        ('{"data": {"x": 1}}', "expected an object with a list 'data'"),
    ],
)
def test_a_json_document_of_another_form(tmp_path, content, message):
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=message):
        read(tmp_path / "a.json", FileSpec("a.json", "json", records=("data",)))


@pytest.mark.parametrize(
    ("file_format", "content"),
    [
        ("tsv", "a\tlabel\nx\t1\n"),
        ("csv", "a,label\nx,1\n"),
        ("jsonl", '{"a": "x", "label": "1"}\n'),
        ("json", '[{"a": "x", "label": "1"}]'),
    ],
)
def test_fields_are_renamed_in_every_format(tmp_path, file_format, content):
    path = tmp_path / "a"
    path.write_text(content)
    spec = FileSpec("a", file_format, rename={"a": "text"})
    assert read(path, spec)[1] == [{"text": "x", "label": "1"}]
    assert columns_of(path, spec) == ("text", "label")


def small_builder(rows):
    """The class of a dataset `small/one`; only its folder, not its code, is known to a reader."""
    import tensorflow_datasets as tfds

    features = {
        "premise": tfds.features.Text(),
        "sentence2": tfds.features.Text(),
        "label": tfds.features.ClassLabel(names=["entailment", "not_entailment"]),
        "spans": tfds.features.Sequence({"start": np.int32}),
    }

    class Small(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")
        BUILDER_CONFIGS = (tfds.core.BuilderConfig(name="one"),)
        name = "small"
        code_path = None  # a class of a test has no package to look for checksums in

        def _info(self):
            return self.dataset_info_from_configs(
                features=tfds.features.FeaturesDict(features), disable_shuffling=True
            )

        def _split_generators(self, manager):
            return {"train": enumerate(rows), "validation": enumerate(rows[:3])}

        def _generate_examples(self):
            raise NotImplementedError  # the generators are given above

    return Small


@pytest.fixture(scope="module")
def tfds_folder(tmp_path_factory):
    """A data folder with the dataset `small/one`, written by TFDS itself."""
    folder = tmp_path_factory.mktemp("tfds")
    rows = [
        {"premise": f"ein Haus {i} ü", "sentence2": "y", "label": i % 2, "spans": [{"start": i}]}
        for i in range(10)
    ]
    small_builder(rows)(data_dir=folder, config="one").download_and_prepare()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        TfdsSource("small", "one", rename={"premise": "sentence1"}),
        TfdsSource("small", folder="small/one/1.0.0", rename={"premise": "sentence1"}),
    ],
    ids=["by name", "by folder"],
)
def test_rows_of_tfds(source, tfds_folder, tmp_path, small_vocabulary):
    task = dataclasses.replace(RTE, tfds=source)
    manifest = build(
        tmp_path, small_vocabulary, task, source="tfds", data_dir=tfds_folder, shard_records=4
    )
    entry = manifest.task("rte")
    assert entry.split("train").label_counts == (5, 5)
    assert entry.split("validation").label_counts == (2, 1)
    assert len(entry.split("train").shards) == 3
    assert entry.sources[0].file == f"{source.full_name}, train"
    assert entry.sources[0].rows == 10
    again = plan_task(read_from(task, "tfds"), tfds_folder, 4)
    assert again.sources == entry.sources
    rows = [row for block in again.splits[0].open_blocks() for row in parse_block(block)]
    assert rows[3] == {
        "sentence1": "ein Haus 3 ü",
        "sentence2": "y",
        "label": 1,
        "spans": {"start": [3]},
    }


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"name": "nosuch"}, DataError, "'rte': nosuch/one could not be read"),
        ({"splits": {"train": "trian"}}, UsageError, "no split 'trian'; did you mean 'train'"),
        ({"folder": "nowhere"}, DataError, "could not be read"),
        ({"rename": {}}, DataError, "needs the column 'sentence1'"),
    ],
)
def test_what_tfds_does_not_have(tfds_folder, changes, error, message):
    source = TfdsSource("small", "one", rename={"premise": "sentence1"})
    task = dataclasses.replace(RTE, tfds=dataclasses.replace(source, **changes))
    with pytest.raises(error, match=message) as caught:
        plan_task(read_from(task, "tfds"), tfds_folder, 8)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "task", [task for task in ALL_TASKS if task.tfds], ids=lambda task: task.name
)
def test_tfds_knows_the_dataset_and_its_fields(task, tmp_path):
    import tensorflow_datasets as tfds

    source = task.tfds
    features = tfds.builder(source.full_name, data_dir=tmp_path, try_gcs=False).info.features
    names = {source.rename.get(name, name) for name in features}
    assert set(source.rename) <= set(features)
    made_by_functions = {"answer"} if task.name == "record" else set()
    assert set(task.fields) - made_by_functions <= names


class StandIn(types.ModuleType):
    """In place of Hugging Face's library, which this project does not depend on."""

    def __init__(self, splits):
        super().__init__("datasets")
        self.calls = []
        self._splits = splits

    def load_dataset(self, *names, **options):
        self.calls.append((names, options))
        if names[0] == "nosuch":
            raise FileNotFoundError("Couldn't find 'nosuch' on the Hub\nsecond line")
        return self._splits


@pytest.fixture
def hub(monkeypatch):
    rows = [{"sentence1": f"a{i}", "sentence2": "b", "label": i % 2} for i in range(6)]
    library = StandIn({"train": rows, "validation": rows[:2]})
    monkeypatch.setitem(sys.modules, "datasets", library)
    return library


def test_rows_of_hugging_face_without_remote_code(hub, tmp_path, small_vocabulary):
    manifest = build(tmp_path, small_vocabulary, RTE, source="hf")
    assert manifest.task("rte").split("train").label_counts == (3, 3)
    (names, options) = hub.calls[0]
    assert names == ("nyu-mll/glue", "rte")
    assert options["trust_remote_code"] is False


def test_what_hugging_face_does_not_have(hub):
    task = dataclasses.replace(RTE, hf=HubSource("nosuch"))
    with pytest.raises(DataError, match="nosuch could not be read: FileNotFoundError: Couldn't"):
        plan_task(read_from(task, "hf"), None, 8)


def test_hugging_face_is_optional(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(UsageError, match="optional: `pip install datasets`"):
        plan_task(read_from(RTE, "hf"), None, 8)


def test_a_source_must_be_one_there_is():
    with pytest.raises(UsageError, match="no source 'tdfs'; did you mean 'tfds'"):
        read_from(RTE, "tdfs")
    with pytest.raises(UsageError, match="task 'e_care' has no `source=tfds`"):
        read_from(get_task("e_care"), "tfds")
    assert read_from(get_task("synthetic_choice"), "hf") is get_task("synthetic_choice")


def numbers():
    return {"train": ({"n": i} for i in range(1_000)), "validation": [{"n": 5000}]}


def test_an_iterable_is_streamed(tmp_path, small_vocabulary):
    task = dataclasses.replace(
        RTE,
        kind="generation",
        fields=("n",),
        inputs="{n}",
        targets="{n}",
        labels={},
        source=GeneratedSource(numbers, note="counted"),
    )
    manifest = build(tmp_path, small_vocabulary, task, shard_records=300)
    entry = manifest.task("rte")
    assert [shard.records for shard in entry.split("train").shards] == [300, 300, 300, 100]
    assert [source.rows for source in entry.sources] == [1_000, 1]
    assert entry.sources[0].sha256 != entry.sources[1].sha256


def test_a_file_in_parts_is_read_as_one(rte_options, rte_data):
    lines = (rte_data / "rte" / "train.tsv").read_text().splitlines(keepends=True)
    (rte_data / "rte" / "train.tsv").write_text("".join(lines[:11]))
    (rte_data / "rte" / "more.tsv").write_text("".join([lines[0], *lines[11:]]))
    layout = RTE.source.layouts[0]
    spec = dataclasses.replace(layout.files["train"], parts=("more.tsv",))
    layout = dataclasses.replace(layout, files={**layout.files, "train": spec})
    task = dataclasses.replace(RTE, source=dataclasses.replace(RTE.source, layouts=(layout,)))
    entry = build_dataset(rte_options(tasks=(task,)), lambda line: None).task("rte")
    assert entry.split("train").examples == 30
    assert [source.rows for source in entry.sources] == [10, 20, 5, 4]
    (rte_data / "rte" / "more.tsv").unlink()
    with pytest.raises(DataError, match=r"missing rte/more\.tsv"):
        plan_task(task, rte_data, 8)
