"""Requests of TensorFlow Serving's REST API, answered by a SavedModel in this process.

https://www.tensorflow.org/tfx/serving/api_rest: of it the status and the metadata of a model, and
`predict` in its row form (`instances`) and its column form (`inputs`). TensorFlow and
tensorflow-text are all that this needs.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf
import tensorflow_text  # noqa: F401  (registers the ops of SentencePiece)

DEFAULT = "serving_default"
MOST_LETTERS = 300  # of a message: it may repeat what was asked
_PLACE = re.compile(r"/v1/models/(?P<name>[^/:]+)(/versions/(?P<version>[0-9]+))?(?P<rest>.*)")


class RequestError(Exception):
    """A request that cannot be answered.

    Args:
        message: Why.
        status: Of HTTP.
    """

    def __init__(self, message: str, status: int = 400):
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Loaded:
    """A SavedModel that is served.

    Attributes:
        name: What it is called in addresses.
        version: Of its folder.
        signatures: Concrete functions by name.
        model: Keeps its resources.
    """

    name: str
    version: str
    signatures: Mapping[str, Any]
    model: Any


def newest_version(folder: Path) -> Path:
    """Find the version of a model that TensorFlow Serving would choose.

    Args:
        folder: With a folder for each version, named by its number.

    Returns:
        The folder of the highest number.

    Raises:
        FileNotFoundError: There is none with a model in it.
    """
    versions = [
        one.parent for one in folder.glob("*/saved_model.pb") if one.parent.name.isdecimal()
    ]
    if not versions:
        raise FileNotFoundError(
            f"{folder} has no <number>/saved_model.pb; `python -m eval export-serving` writes one"
        )
    return max(versions, key=lambda one: int(one.name))


def load_model(folder: Path, name: str) -> Loaded:
    """Load the newest version of a model.

    Args:
        folder: As `newest_version`.
        name: What it is called in addresses.

    Returns:
        The model.
    """
    version = newest_version(folder)
    model = tf.saved_model.load(str(version))
    return Loaded(name, version.name, dict(model.signatures), model)


def answer_get(served: Loaded, path: str) -> dict[str, Any]:
    """Answer a GET.

    Args:
        served: The model.
        path: Of the address.

    Returns:
        The status of the model, or its metadata.

    Raises:
        RequestError: There is nothing at that address.
    """
    rest = _rest_of(served, path)
    if not rest:
        state = {"version": served.version, "state": "AVAILABLE"}
        status = {"error_code": "OK", "error_message": ""}
        return {"model_version_status": [{**state, "status": status}]}
    if rest == "/metadata":
        definitions = {name: _describe(one) for name, one in served.signatures.items()}
        spec = {"name": served.name, "signature_name": "", "version": served.version}
        signature_def = {"signature_def": {"signature_def": definitions}}
        return {"model_spec": spec, "metadata": signature_def}
    raise RequestError(f"Malformed request: GET {path}", 404)


def answer_post(served: Loaded, path: str, body: bytes) -> dict[str, Any]:
    """Answer a POST.

    Args:
        served: The model.
        path: Of the address.
        body: JSON.

    Returns:
        `predictions`, one for each of `instances`, or `outputs`.

    Raises:
        RequestError: The request is none, or the model refuses it.
    """
    if _rest_of(served, path) != ":predict":
        raise RequestError(f"Malformed request: POST {path}", 404)
    try:
        request = json.loads(body)
    except ValueError as error:
        raise RequestError(f"JSON Parse error: {error}") from None
    except RecursionError:
        raise RequestError("JSON Parse error: nested too deeply") from None
    if not isinstance(request, dict) or ("instances" in request) == ("inputs" in request):
        raise RequestError("expected a JSON object with either 'instances' or 'inputs'")
    name = request.get("signature_name") or DEFAULT
    if not isinstance(name, str) or name not in served.signatures:
        known = ", ".join(served.signatures)
        raise RequestError(f"there is no signature {name!r:.40}; the model has {known}", 404)
    wanted = list(served.signatures[name].structured_input_signature[1])
    is_rows = "instances" in request
    read = _read_rows if is_rows else _read_columns
    columns = read(request["instances" if is_rows else "inputs"], wanted)
    tensors = {one: tf.constant(texts, tf.string) for one, texts in columns.items()}
    try:
        found = served.signatures[name](**tensors)
    except tf.errors.InvalidArgumentError as error:
        raise RequestError(_shorten(error.message)) from None
    except tf.errors.OpError as error:
        raise RequestError(_shorten(error.message), 500) from None
    outputs = {one: _as_json(value.numpy().tolist()) for one, value in found.items()}
    if not is_rows:
        return {"outputs": outputs if len(outputs) > 1 else next(iter(outputs.values()))}
    rows = [dict(zip(outputs, row, strict=True)) for row in zip(*outputs.values(), strict=True)]
    return {"predictions": rows if len(outputs) > 1 else [next(iter(row.values())) for row in rows]}


def _rest_of(served: Loaded, path: str) -> str:
    """Take the model's name and version off an address."""
    match = _PLACE.fullmatch(path)
    if match is None:
        raise RequestError(f"Malformed request: {path}", 404)
    name, version = match["name"], match["version"] or served.version
    if (name, version) != (served.name, served.version):
        asked = f"name: {name} version: {version}"
        raise RequestError(f"Servable not found for request: Specific({asked})", 404)
    return match["rest"]


def _read_rows(instances: Any, wanted: list[str]) -> dict[str, list[bytes]]:
    """Read the row form: an object for each row, or a value where there is one input."""
    if not isinstance(instances, list) or not instances:
        raise RequestError("'instances' must be a list with a row or more")
    columns: dict[str, list[bytes]] = {one: [] for one in wanted}
    for number, row in enumerate(instances):
        if len(wanted) == 1 and (not isinstance(row, dict) or set(row) == {"b64"}):
            row = {wanted[0]: row}
        if not isinstance(row, dict) or set(row) != set(wanted):
            raise RequestError(f"instance {number} must have {', '.join(wanted)} and nothing else")
        for one in wanted:
            columns[one].append(_read_text(row[one], f"instance {number}, {one}"))
    return columns


def _read_columns(inputs: Any, wanted: list[str]) -> dict[str, list[bytes]]:
    """Read the column form: a list for each input, or a list alone where there is one input."""
    if len(wanted) == 1 and isinstance(inputs, list):
        inputs = {wanted[0]: inputs}
    if not isinstance(inputs, dict) or set(inputs) != set(wanted):
        raise RequestError(f"'inputs' must have {', '.join(wanted)} and nothing else")
    columns = {}
    for one in wanted:
        if not isinstance(inputs[one], list) or not inputs[one]:
            raise RequestError(f"'inputs', {one}: expected a list with a text or more")
        columns[one] = [_read_text(text, f"'inputs', {one}") for text in inputs[one]]
    if len({len(column) for column in columns.values()}) > 1:
        raise RequestError("'inputs': expected lists of one length")
    return columns


def _read_text(value: Any, where: str) -> bytes:
    if isinstance(value, dict) and set(value) == {"b64"} and isinstance(value["b64"], str):
        try:
            decoded = base64.b64decode(value["b64"], validate=True)
            decoded.decode()
        except UnicodeDecodeError as error:
            raise RequestError(f"{where}: no UTF-8: {error.reason}") from None
        except ValueError as error:
            raise RequestError(f"{where}: {error}") from None
        return decoded
    if not isinstance(value, str):
        raise RequestError(f"{where}: expected a string, got {json.dumps(value)[:40]}")
    try:
        return value.encode()
    except UnicodeEncodeError as error:
        raise RequestError(f"{where}: no UTF-8: {error.reason}") from None


def _as_json(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_json(one) for one in value]
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _describe(function: Any) -> dict[str, Any]:
    """Describe a signature as TensorFlow Serving's metadata do."""
    inputs = function.structured_input_signature[1]
    return {
        "inputs": {name: _tensor_info(one) for name, one in inputs.items()},
        "outputs": {name: _tensor_info(one) for name, one in function.structured_outputs.items()},
        "method_name": "tensorflow/serving/predict",
    }


def _tensor_info(one: Any) -> dict[str, Any]:
    sizes = [{"size": str(-1 if size is None else size), "name": ""} for size in one.shape]
    kind = f"DT_{ {'float32': 'FLOAT'}.get(one.dtype.name, one.dtype.name.upper()) }"
    return {"dtype": kind, "tensor_shape": {"dim": sizes, "unknown_rank": False}, "name": one.name}


def _shorten(message: str) -> str:
    """Take what an assertion says out of TensorFlow's account of where it is."""
    said = re.search(r"assertion failed: \[(.*)\]", message)
    text = said[1].replace("] [", " ") if said else message.strip().splitlines()[0]
    return text[:MOST_LETTERS]
