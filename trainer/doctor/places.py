"""Whether the folders of a run can be read and written from where it would run."""

from __future__ import annotations

import re
import tempfile
import uuid
from collections.abc import Collection, Iterator
from pathlib import Path

from adapters_tf.errors import ConfigurationError
from adapters_tf.files.local_paths import BUCKET, dataset_place, local_path
from prep.dataset.manifest import load_manifest
from prep.errors import DataError, UsageError, nearest
from trainer.doctor.finding import FAULT, OK, Finding
from trainer.doctor.subprocesses import run_stages

WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "tf_model.h5", "pytorch_model*.bin")
_HUB_NAME = re.compile(r"[\w.-]+/[\w.-]+")
_TRIED_BYTES = 1 << 16
_PATIENCE = 20.0  # seconds for a bucket to answer
_LOGIN = "gcloud auth application-default login"


def check_dataset(where: str, seconds: float) -> Finding:
    """Read the manifest of a dataset: one object, for who may read need not be allowed to list.

    Args:
        where: As a person typed it, local or in a bucket.
        seconds: After which a bucket is given up.

    Returns:
        The finding.
    """
    try:
        place = dataset_place(where, "--dataset")
        said = _read_remotely(place, seconds) if place.startswith(BUCKET) else _describe(place)
    except ConfigurationError as error:
        return Finding(FAULT, "--dataset", str(error), "--dataset=FOLDER or gs://bucket/folder")
    except (DataError, UsageError, OSError) as error:
        mend = (
            "getent hosts storage.googleapis.com  # or a proxy that is not set"
            if "resolve host" in str(error)
            else f"{_LOGIN}; gcloud storage cat {where.rstrip('/')}/dataset.json | head"
            if where.startswith(BUCKET)
            else f"python -m prep build --tasks … --vocabulary spiece.model --out {where}"
        )
        return Finding(FAULT, "--dataset", str(error), mend)
    return Finding(OK, "--dataset", said)


def _describe(place: str) -> str:
    manifest = load_manifest(place)
    return f"{place} has {_list_tasks(manifest.tasks)}"


def _list_tasks(names: Collection[str]) -> str:
    return f"{len(names)} task{'s' if len(names) > 1 else ''}: {', '.join(names)}"


def _read_remotely(address: str, seconds: float) -> str:
    """Read a bucket in a process of its own: TensorFlow's client tries again for minutes."""
    outcome = run_stages("bucket", [address], seconds)
    if outcome.said.get("tasks"):
        return f"{address} is read; it has {_list_tasks(outcome.said['tasks'])}"
    if outcome.is_late:
        raise DataError(f"{address} was not read within {seconds:.0f} s: the network or the bucket")
    raise DataError(outcome.said.get("error") or outcome.last_line())


def check_run(where: str) -> Finding:
    """Make sure that a run folder can be written.

    Args:
        where: As a person typed it.

    Returns:
        The finding.
    """
    if where.startswith(BUCKET):
        return _check_bucket_run(where)
    try:
        folder = local_path(where, "--run")
    except ConfigurationError as error:
        return Finding(FAULT, "--run", str(error), "--run=runs/NAME, or gs://BUCKET/runs/NAME")
    if (folder / "dataset.json").exists():
        what = f"{folder} is a dataset folder"
        return Finding(FAULT, "--run", what, "--run=another folder")
    place = folder.absolute()
    while not place.exists():
        place = place.parent
    if problem := _try_to_write(place):
        what = f"{folder} cannot be made or written: {place} {problem}"
        return Finding(FAULT, "--run", what, f"sudo chown -R $USER {place}, or another --run")
    begun = (folder / "config.yaml").exists()
    return Finding(OK, "--run", f"{folder} can be written" + (", and goes on" if begun else ""))


def _check_bucket_run(where: str) -> Finding:
    """Write a small object where the run would lie, and remove it; a run lists objects too."""
    from prep.storage.bucket import BucketFolder  # loads Google's client

    try:
        with BucketFolder(where, give_up_after=_PATIENCE) as folder:
            begun = "config.yaml" in folder.list_objects()
            name = f".doctor-{uuid.uuid4().hex}"
            folder.write(name, b"")
            written = folder.find(name)
            if written is not None:
                folder.remove(written)
    except (UsageError, DataError) as error:
        return Finding(FAULT, "--run", str(error), f"{_LOGIN}; or another --run")
    return Finding(OK, "--run", f"{where} can be written" + (", and goes on" if begun else ""))


def _try_to_write(place: Path) -> str:
    """Write a file without a name, which is gone at once; say why that cannot be."""
    if not place.is_dir():
        return "is a file"
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(bytes(_TRIED_BYTES))
    except OSError as error:
        return f"is not writable ({error.strerror})"
    return ""


def check_backbone(where: str) -> Finding:
    """Make sure that a backbone's folder holds a T5.

    Args:
        where: A preset, a folder, or a name of the Hugging Face hub.

    Returns:
        The finding.
    """
    try:
        folder = local_path(where, "--backbone")
    except ConfigurationError as error:
        mend = f"gcloud storage cp -r {where} . and name the copy"
        return Finding(FAULT, "--backbone", str(error), mend)
    if not folder.is_dir():
        looks_local = where.startswith(("/", ".", "~")) or where.count("/") > 1
        if looks_local:
            what = f"there is no folder {folder}"
            return Finding(FAULT, "--backbone", what, f"ls {folder.parent}")
        return _check_name(where)
    missing = [*_missing(folder)]
    if missing:
        what = f"{folder} lacks {' and '.join(missing)}"
        return Finding(FAULT, "--backbone", what, f"ls {folder}, and copy the whole model")
    return Finding(OK, "--backbone", f"{folder} has its configuration and weights")


def _check_name(name: str) -> Finding:
    """Tell a preset from a hub's name, and both from a slip of the pen."""
    try:
        from adapters_tf.backbone.presets import PRESETS
    except ImportError:  # which the other checks explain
        return Finding(OK, "--backbone", f"{name} is no folder; presets cannot be read")
    if name in PRESETS:
        return Finding(OK, "--backbone", f"{name} is a preset; its weights are random")
    if _HUB_NAME.fullmatch(name):
        what = f"{name} is no folder here; a run looks for it on the Hugging Face hub"
        return Finding(OK, "--backbone", f"{what} (not tried)")
    what = f"{name} is no preset, no folder, and no organisation/model of a hub"
    return Finding(FAULT, "--backbone", what, nearest(name, PRESETS))


def _missing(folder: Path) -> Iterator[str]:
    if not (folder / "config.json").is_file():
        yield "config.json"
    if not any(any(folder.glob(pattern)) for pattern in WEIGHTS):
        yield "weights (model.safetensors)"
