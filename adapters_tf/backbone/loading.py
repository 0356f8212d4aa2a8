"""A TFT5 from a preset, from a folder in Hugging Face's format, or from the Hugging Face hub.

`TFT5ForConditionalGeneration.from_pretrained` can't read PyTorch's `model.safetensors` without
torch (transformers issue 40028), so the tensors are mapped here, by `huggingface`.
"""

import re
import warnings
import zlib
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from transformers import GenerationConfig, T5Config
from transformers.models.t5.modeling_tf_t5 import TFT5ForConditionalGeneration

from adapters_tf.backbone.generation import GENERATION_FILE, read_generation
from adapters_tf.backbone.huggingface import import_tensors, tensor_table
from adapters_tf.backbone.model_config import make_config, read_model_config
from adapters_tf.backbone.presets import PRESETS, check_overrides, embedding_rows, preset_config
from adapters_tf.backbone.tying import Tying, read_tying
from adapters_tf.errors import ConfigurationError, WeightsError, suggest
from adapters_tf.files.json_objects import read_json_object

_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*")
_TENSORS = "model.safetensors"
_INDEX = "model.safetensors.index.json"
_PYTORCH = "pytorch_model.bin"


def load_backbone(
    name_or_path: str,
    *,
    vocabulary_size: int | None = None,
    overrides: dict[str, Any] | None = None,
    seed: int = 0,
) -> TFT5ForConditionalGeneration:
    """Build a TFT5 and give it its weights, under any strategy scope and dtype policy.

    Args:
        name_or_path: A preset (random weights), a local folder, or a hub name
            `organisation/model` (downloaded by `huggingface_hub`, from `HF_ENDPOINT` if set).
        vocabulary_size: Token ids the model must have a row for. A preset's embedding gets that
            many rows rounded up to a multiple of 128, as T5's; a checkpoint's must have enough.
        overrides: Configuration fields to replace, such as `{"dropout_rate": 0.0}`.
        seed: Decides a preset's random weights, alone: not what ran before.

    Returns:
        A built model with float32 variables.

    Raises:
        ConfigurationError: No such preset, folder, hub model or configuration field.
        WeightsError: A checkpoint that can't be read or isn't a T5.
    """
    overrides = dict(overrides or {})
    if name_or_path in PRESETS:
        if vocabulary_size is not None:
            overrides.setdefault("vocab_size", embedding_rows(vocabulary_size))
        model = _build(preset_config(name_or_path, **overrides))
        _check_vocabulary(model, vocabulary_size, name_or_path)
        initialize(model, seed)
        return model
    check_overrides(overrides)
    folder = local_folder(name_or_path)
    model, _ = _load_folder(folder, overrides, vocabulary_size)
    if (folder / GENERATION_FILE).is_file():
        model.generation_config = GenerationConfig.from_pretrained(folder)
    return model


def trace_tensors(folder: str | Path) -> dict[str, str]:
    """Say what becomes of every tensor of a checkpoint.

    Args:
        folder: In Hugging Face's format.

    Returns:
        A few words by the tensor's name.

    Raises:
        WeightsError: A checkpoint that can't be read or isn't a T5.
    """
    return _load_folder(Path(folder), {}, None)[1]


def _load_folder(
    folder: Path, overrides: Mapping[str, Any], vocabulary_size: int | None
) -> tuple[TFT5ForConditionalGeneration, dict[str, str]]:
    """Build the model of a folder; tell what became of every tensor."""
    fields = read_model_config(folder)
    with open_tensors(tensor_files(folder), folder) as tensors:
        with _named(folder):
            tying = read_tying(fields, tensors)
        _check_tying(tying, overrides, folder)
        generation = read_generation(folder, fields)
        changes = {"tie_word_embeddings": tying.is_tied, **generation, **overrides}
        model = _build(make_config(folder, fields, changes))
        _check_vocabulary(model, vocabulary_size, str(folder))
        with _named(folder):
            return model, import_tensors(model, tensors, tying)


def _build(config: T5Config) -> TFT5ForConditionalGeneration:
    model = TFT5ForConditionalGeneration(config, name="backbone")
    with warnings.catch_warnings():
        # TFT5 shares unseeded initializers between layers; every value is replaced after this.
        warnings.filterwarnings("ignore", message="The initializer .* is unseeded")
        model.build(None)
    return model


def initialize(model: TFT5ForConditionalGeneration, seed: int) -> None:
    """Give every variable a random value that depends on nothing but its name and the seed.

    Scales are those of the original Mesh TensorFlow models, as PyTorch's `T5PreTrainedModel`
    states them; an untied head, whose input isn't scaled down, gets 1 / sqrt(D) as in T5X.

    Args:
        model: A built `TFT5ForConditionalGeneration`.
        seed: Any integer.
    """
    deviations = _standard_deviations(model.config)
    for name, slot in tensor_table(model).items():
        kind = name.split(".")[-2]
        if kind.endswith("layer_norm"):
            slot.write(np.ones(slot.shape, np.float32))
            continue
        generator = np.random.default_rng([seed & 0xFFFFFFFF, zlib.crc32(name.encode())])
        sample = generator.standard_normal(slot.shape, dtype=np.float32)
        slot.write(sample * np.float32(deviations[kind]))


def _standard_deviations(config: Any) -> dict[str, float]:
    factor, width = config.initializer_factor, config.d_model
    per_input = factor * width**-0.5
    return {
        "shared": factor,
        "lm_head": per_input,
        "q": factor * (width * config.d_kv) ** -0.5,
        "o": factor * (config.num_heads * config.d_kv) ** -0.5,
        "wo": factor * config.d_ff**-0.5,
        **dict.fromkeys(("k", "v", "wi", "wi_0", "wi_1", "relative_attention_bias"), per_input),
    }


def _check_vocabulary(model: Any, vocabulary_size: int | None, name: str) -> None:
    rows = model.config.vocab_size
    if vocabulary_size is not None and vocabulary_size > rows:
        raise WeightsError(
            f"the vocabulary has {vocabulary_size} token ids and the embedding of '{name}' only "
            f"{rows} rows; use the vocabulary this model was trained with"
        )


def local_folder(name_or_path: str) -> Path:
    """Find the folder of a checkpoint; one of the hub is fetched.

    Args:
        name_or_path: A folder, or a hub name.

    Returns:
        The folder.

    Raises:
        ConfigurationError: There is no such thing.
        WeightsError: The hub's model has no safetensors file.
    """
    folder = Path(name_or_path).expanduser()
    if folder.is_dir():
        return folder
    if _HUB_NAME.fullmatch(name_or_path):
        return _download(name_or_path)
    raise ConfigurationError(
        f"'{name_or_path}' is neither a preset, nor a folder that exists, nor a hub name of the "
        f"form organisation/model; for presets: {suggest(name_or_path, PRESETS)}"
    )


def _download(repository: str) -> Path:
    """Find a T5's files in the hub client's cache, fetching what is absent; return the folder."""
    # Imported here: the client reads HF_ENDPOINT and its other settings once, on import.
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import (
        EntryNotFoundError,
        HfHubHTTPError,
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
    )

    def fetch(filename: str, *, is_optional: bool = False) -> Path | None:
        try:
            return Path(hf_hub_download(repository, filename))
        except LocalEntryNotFoundError:
            raise
        except EntryNotFoundError:
            if is_optional:
                return None
            raise

    try:
        config = fetch("config.json")
        if fetch(_TENSORS, is_optional=True) is None:
            index = fetch(_INDEX, is_optional=True)
            if index is None:
                raise _no_safetensors(repository)
            for shard in _shard_names(index):
                fetch(shard)
        fetch(GENERATION_FILE, is_optional=True)
    except RepositoryNotFoundError:
        raise ConfigurationError(
            f"the hub has no model '{repository}' (or it is private: set HF_TOKEN); "
            f"for presets: {suggest(repository.split('/')[-1], PRESETS)}"
        ) from None
    except EntryNotFoundError as error:
        if isinstance(error, LocalEntryNotFoundError):
            raise _unreachable(repository, error) from None
        raise WeightsError(f"hub model '{repository}': {_first_line(error)}") from None
    except (HfHubHTTPError, OSError) as error:
        raise _unreachable(repository, error) from None
    if config is None:
        raise WeightsError(f"hub model '{repository}' has no config.json")
    return config.parent


def _unreachable(repository: str, error: Exception) -> ConfigurationError:
    from huggingface_hub import constants

    return ConfigurationError(
        f"'{repository}' is not a folder here, and the hub at {constants.ENDPOINT} could not be "
        f"reached for it: {_first_line(error)}"
    )


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _no_safetensors(where: object) -> WeightsError:
    return WeightsError(
        f"'{where}' has no {_TENSORS}; where torch is installed, convert its weights with: "
        f'python -c "from transformers import T5ForConditionalGeneration as T; '
        f"T.from_pretrained('{where}').save_pretrained('converted')\""
    )


def _check_tying(tying: Tying, overrides: Mapping[str, Any], folder: Path) -> None:
    asked = overrides.get("tie_word_embeddings", tying.is_tied)
    if asked != tying.is_tied:
        held = "the embedding, scaled" if tying.is_tied else "one of its own"
        raise WeightsError(
            f"tie_word_embeddings: {asked} does not fit the weights of {folder}: their head is "
            f"{held}"
        )


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise WeightsError(f"{path.parent} has no {path.name}: not a Hugging Face model folder")
    return read_json_object(path)


def _shard_names(index: Path) -> list[str]:
    weight_map = _read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise WeightsError(f"{index} has no weight_map")
    return sorted(set(weight_map.values()))


def tensor_files(folder: Path) -> list[Path]:
    """List the safetensors files of a checkpoint.

    Args:
        folder: Of the checkpoint.

    Returns:
        One file, or those its index names.

    Raises:
        WeightsError: There are none.
    """
    if (folder / _TENSORS).is_file():
        return [folder / _TENSORS]
    if (folder / _INDEX).is_file():
        return [folder / name for name in _shard_names(folder / _INDEX)]
    if (folder / _PYTORCH).exists() or (folder / f"{_PYTORCH}.index.json").exists():
        raise _no_safetensors(folder)
    raise WeightsError(f"{folder} has no {_TENSORS} (nor {_INDEX})")


class LazyTensors(Mapping[str, np.ndarray]):
    """Tensors of several safetensors files, each read when asked for.

    Args:
        files: From `safetensors.safe_open`, open for as long as tensors are asked for.
    """

    def __init__(self, files: list[Any]):
        self._owner = {name: file for file in files for name in file.keys()}  # noqa: SIM118
        self.shapes = {
            name: tuple(file.get_slice(name).get_shape()) for name, file in self._owner.items()
        }

    def __getitem__(self, name: str) -> np.ndarray:
        return self._owner[name].get_tensor(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._owner)

    def __len__(self) -> int:
        return len(self._owner)


@contextmanager
def open_tensors(paths: list[Path], folder: Path) -> Iterator[LazyTensors]:
    """Open the files of a checkpoint.

    Args:
        paths: From `tensor_files`.
        folder: Of the checkpoint, for messages.

    Yields:
        Tensors by name, each read when it is asked for.

    Raises:
        WeightsError: A file is absent or torn.
    """
    with ExitStack() as stack:
        try:
            files = [stack.enter_context(safe_open(path, framework="numpy")) for path in paths]
        except FileNotFoundError as error:
            raise WeightsError(f"{folder}: a shard is absent: {_first_line(error)}") from None
        except SafetensorError as error:
            raise WeightsError(f"{folder}: not a whole safetensors file: {error}") from None
        yield LazyTensors(files)


@contextmanager
def _named(folder: Path) -> Iterator[None]:
    """Say whose tensors are wrong."""
    try:
        yield
    except WeightsError as error:
        raise WeightsError(f"{folder}: {error}") from None
