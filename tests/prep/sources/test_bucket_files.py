"""Raw files in a bucket."""

import dataclasses
import gzip

import google_crc32c
import pytest

from prep.build.dataset import build_dataset
from prep.errors import DataError
from prep.sources.bucket_files import cache_folder
from prep.storage.bucket import BucketFolder
from prep.tasks import get_task


@pytest.fixture
def raw(bucket, rte_data, small_vocabulary, tmp_path, monkeypatch):
    """A bucket with the small RTE and a vocabulary, and an empty cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for path in (*sorted((rte_data / "rte").iterdir()), small_vocabulary):
        put(f"{bucket}/raw/rte", path.name, path.read_bytes(), tmp_path)
    return f"{bucket}/raw"


def put(address, name, content, folder):
    path = folder / "sent"
    path.write_bytes(content)
    with BucketFolder(address) as bucket:
        replaced = bucket.list_objects().get(name)
        bucket.upload(name, path, f"{google_crc32c.value(content):08x}", replaced)


def silent(line):
    """Nobody reads along."""


def test_the_dataset_is_that_of_local_files(raw, rte_options, tmp_path):
    here = build_dataset(rte_options(out=tmp_path / "here"), report=silent)
    options = rte_options(out=tmp_path / "there", data_dir=raw)
    assert build_dataset(options, report=silent) == here
    for path in (path for path in (tmp_path / "here").rglob("*") if path.is_file()):
        same = tmp_path / "there" / path.relative_to(tmp_path / "here")
        assert same.read_bytes() == path.read_bytes()


def test_the_vocabulary_may_lie_there_too(raw, rte_options, small_vocabulary):
    options = rte_options(data_dir=raw, vocabulary=f"{raw}/rte/{small_vocabulary.name}")
    build_dataset(options, report=silent)
    assert (options.out / "spiece.model").read_bytes() == small_vocabulary.read_bytes()


def test_a_file_is_copied_once_and_again_when_it_changed(raw, rte_options, tmp_path):
    build_dataset(rte_options(out=tmp_path / "first", data_dir=raw), report=silent)
    copies = {path: path.stat().st_mtime_ns for path in cache_folder(raw).rglob("*.tsv")}
    assert {path.name for path in copies} == {"train.tsv", "val.tsv", "dev.tsv"}
    changed = (cache_folder(raw) / "rte" / "dev.tsv").read_bytes().replace(b"cat", b"dog")
    put(f"{raw}/rte", "dev.tsv", changed, tmp_path)
    build_dataset(rte_options(out=tmp_path / "second", data_dir=raw), report=silent)
    again = {path.name for path, time in copies.items() if path.stat().st_mtime_ns != time}
    assert again == {"dev.tsv"}
    assert (cache_folder(raw) / "rte" / "dev.tsv").read_bytes() == changed


def test_a_damaged_copy_is_replaced(raw, rte_options, tmp_path):
    build_dataset(rte_options(out=tmp_path / "first", data_dir=raw), report=silent)
    copy = cache_folder(raw) / "rte" / "train.tsv"
    content = copy.read_bytes()
    copy.write_bytes(content.replace(b"man", b"men"))
    build_dataset(rte_options(out=tmp_path / "second", data_dir=raw), report=silent)
    assert copy.read_bytes() == content


def test_files_that_are_not_there(raw, rte_options):
    options = rte_options(tasks=(get_task("cola"),), data_dir=raw)
    with pytest.raises(DataError, match=r"'cola': its files are not below gs://.*cola/"):
        build_dataset(options, report=silent)


def test_a_bucket_that_is_not_there(bucket, rte_options):
    options = rte_options(data_dir="gs://no-such-bucket/raw")
    with pytest.raises(DataError, match="no such bucket: gs://no-such-bucket"):
        build_dataset(options, report=silent)


def test_copies_of_what_was_removed_or_packed_are_forgotten(
    raw, rte_options, rte_data, tmp_path, emulator
):
    layout = get_task("rte").source.layouts[0]
    files = {**layout.files, "train": dataclasses.replace(layout.files["train"], name="tra*.tsv")}
    source = dataclasses.replace(
        get_task("rte").source, layouts=(dataclasses.replace(layout, files=files),)
    )
    task = dataclasses.replace(get_task("rte"), source=source)
    more = (rte_data / "rte" / "train.tsv").read_bytes()
    put(f"{raw}/rte", "train-2.tsv", more, tmp_path)
    options = {"data_dir": raw, "tasks": (task,)}
    manifest = build_dataset(rte_options(out=tmp_path / "first", **options), report=silent)
    assert manifest.task("rte").split("train").examples == 60
    with BucketFolder(f"{raw}/rte") as bucket:
        bucket.remove(bucket.list_objects()["train-2.tsv"])
        bucket.remove(bucket.list_objects()["dev.tsv"])
    changed = (rte_data / "rte" / "dev.tsv").read_bytes().replace(b"cat", b"dog")
    put(f"{raw}/rte", "dev.tsv.gz", gzip.compress(changed), tmp_path)
    manifest = build_dataset(rte_options(out=tmp_path / "second", **options), report=silent)
    assert manifest.task("rte").split("train").examples == 30
    assert manifest.task("rte").sources[-1].file == "rte/dev.tsv.gz"
