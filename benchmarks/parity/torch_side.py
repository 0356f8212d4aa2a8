"""The PyTorch side of `make parity`, in an environment of its own.

    python benchmarks/parity/torch_side.py make WORK     models, and adapters the libraries wrote
    python benchmarks/parity/torch_side.py check WORK    loads what our side wrote into WORK
    python benchmarks/parity/torch_side.py newer WORK    of it, plain T5s; and saves the models anew
    python benchmarks/parity/torch_side.py golden FOLDER the small files of the test-suite

Shapes: B batch, S source length, T target length, V vocabulary.
"""

import argparse
import json
import logging
import shutil
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
import transformers
from safetensors.torch import load_file, save_file
from transformers import (
    MT5Config,
    MT5ForConditionalGeneration,
    T5Config,
    T5ForConditionalGeneration,
)

sys.path.insert(0, str(Path(__file__).parent))

from cases import (
    CASES,
    DEVIATION,
    GOLDEN_CASES,
    LEARNING_RATE,
    MODELS,
    SIZES,
    STEPS,
    TASK,
    Case,
    chosen_case,
)

B, S, T = 4, 16, 8
LIBRARIES = ("peft", "adapterhub", "hf")
IGNORED_LABEL = -100
# Models that benchmarks/torch_golden.py wrote, and which of `MODELS` they are like.
GOLDEN_BASES = {"t5": "t5", "t5_v1_1": "v1_1"}
GOLDEN_ROWS = 2


def random_model(name: str) -> torch.nn.Module:
    """A T5 whose every weight, layer norms included, is random and not small."""
    torch.manual_seed(sorted(MODELS).index(name))
    fields = {**SIZES, **MODELS[name]}
    if name == "mt5":
        model = MT5ForConditionalGeneration(MT5Config(**fields))
    else:
        model = T5ForConditionalGeneration(T5Config(**fields))
    with torch.no_grad():
        for path, parameter in model.named_parameters():
            if path.endswith("layer_norm.weight"):
                parameter.copy_(1 + 0.3 * torch.randn_like(parameter))
            elif "relative_attention_bias" in path or path == "shared.weight":
                parameter.copy_(torch.randn_like(parameter))
            else:
                parameter.copy_(torch.randn_like(parameter) * parameter.shape[1] ** -0.5)
    return model.eval()


def random_batch(vocabulary: int) -> dict[str, torch.Tensor]:
    """Rows of varying lengths: input_ids and attention_mask [B, S], labels [B, T]."""
    generator = torch.Generator().manual_seed(0)
    input_ids = torch.randint(2, vocabulary, (B, S), generator=generator)
    labels = torch.randint(2, vocabulary, (B, T), generator=generator)
    attention_mask = (torch.arange(S)[None] < torch.tensor([S, 11, 5, 1])[:, None]).long()
    labels[torch.arange(T)[None] >= torch.tensor([3, T, 1, 6])[:, None]] = IGNORED_LABEL
    return {"input_ids": input_ids * attention_mask, "attention_mask": attention_mask} | {
        "labels": labels
    }


def load_model(folder: Path) -> torch.nn.Module:
    config = json.loads((folder / "config.json").read_text())
    kind = (
        MT5ForConditionalGeneration if config["model_type"] == "mt5" else T5ForConditionalGeneration
    )
    return kind.from_pretrained(folder).eval()


def outputs(model: torch.nn.Module, case: Case, batch: dict) -> dict[str, np.ndarray]:
    """Logits; where the case asks for them greedy tokens; logits after `STEPS` steps of SGD."""
    with torch.no_grad():
        found = {"logits": model(**batch).logits.numpy().copy()}
    if case.decodes:
        found["tokens"] = decode(model, batch)
    return found if case.library == "hf" else {**found, "stepped": train(model, batch)}


def decode(model: torch.nn.Module, batch: dict) -> np.ndarray:
    """Greedy tokens [B, T] without the start token, 0 after the end."""
    inputs = {key: batch[key] for key in ("input_ids", "attention_mask")}
    with torch.no_grad():
        made = model.generate(**inputs, max_new_tokens=T, do_sample=False, num_beams=1)[:, 1:]
    return np.pad(made.numpy(), [(0, 0), (0, T - made.shape[1])])


def train(model: torch.nn.Module, batch: dict) -> np.ndarray:
    """Logits after the steps on what trains."""
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.SGD(trained, lr=LEARNING_RATE)
    for _ in range(STEPS):
        optimizer.zero_grad()
        model(**batch).loss.backward()
        optimizer.step()
    with torch.no_grad():
        return model(**batch).logits.numpy().copy()


def add_adapter(model: torch.nn.Module, case: Case) -> torch.nn.Module:
    """The model with a new adapter of the case's library, its weights moved from their start."""
    torch.manual_seed(1)
    if case.library == "peft":
        import peft

        kinds = {"lora": peft.LoraConfig, "ia3": peft.IA3Config}
        kinds |= {"layer_norm": peft.LNTuningConfig, "prompt": peft.PromptTuningConfig}
        kinds |= {"prefix": peft.PrefixTuningConfig}
        config = kinds[case.method](task_type="SEQ_2_SEQ_LM", **case.theirs)
        model = peft.get_peft_model(model, config)
    else:
        import adapters

        kinds = {"lora": "LoRAConfig", "ia3": "IA3Config", "bottleneck": "BnConfig"}
        kinds |= {"prefix": "PrefixTuningConfig", "prefix_flat": "PrefixTuningConfig"}
        adapters.init(model)
        config = getattr(adapters, case.config_class or kinds[case.method])(**case.theirs)
        model.add_adapter(TASK, config=config)
        model.train_adapter(TASK)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.requires_grad:
                parameter.add_(DEVIATION * torch.randn(parameter.shape, generator=generator))
    return model.eval()


def save_adapter(model: torch.nn.Module, case: Case, folder: Path) -> None:
    if case.library == "peft":
        model.save_pretrained(folder)
        (folder / "README.md").unlink()
        return
    model.save_adapter(str(folder), TASK, with_head=False)
    # The library's own way to safetensors fails on a norm before the bottleneck, which it
    # registers twice: what our refusal of pickles says works for all.
    pickled = folder / "pytorch_adapter.bin"
    tensors = torch.load(pickled, weights_only=True)
    copies = {
        name: tensor.clone().contiguous()
        for name, tensor in tensors.items()
        if ".pool." not in name
    }
    # The library leaves these out where the model has none of its own heads.
    if TASK in model.shared_parameters:
        for name, tensor in model.shared_parameters[TASK].items():
            copies[f"shared_parameters.{TASK}.{name}"] = tensor.detach().clone()
    save_file(copies, folder / "adapter.safetensors")
    pickled.unlink()


def load_adapter(model: torch.nn.Module, library: str, folder: Path) -> torch.nn.Module:
    """The model with an adapter of ours, ready to train; anything missing or unused is an error."""
    if library == "peft":
        import peft

        with warnings.catch_warnings():
            warnings.filterwarnings("error", message=".*missing.*|.*unexpected.*")
            is_prompt = peft.PeftConfig.from_pretrained(folder).is_prompt_learning
            model = peft.PeftModel.from_pretrained(model, folder, is_trainable=not is_prompt)
        if is_prompt:  # it refuses to load these for training; nothing else is in the way of it
            model.prompt_encoder.requires_grad_(True)
        return model.eval()
    import adapters

    adapters.init(model)
    report: dict = {}
    name = model.load_adapter(str(folder), use_safetensors=True, loading_info=report)
    stored = set(load_file(folder / "adapter.safetensors"))
    parameters = dict(model.named_parameters(remove_duplicate=False))
    loaded = {id(parameters[key]) for key in stored}
    # A prefix is one parameter under many names, of which a file needs one.
    missing = [key for key in report.pop("missing_keys") if id(parameters[key]) not in loaded]
    problems = {kind: keys for kind, keys in {**report, "missing": missing}.items() if keys}
    if problems:
        raise SystemExit(f"{folder}: {problems}")
    model.train_adapter(name)
    return model.eval()


def make(work: Path) -> None:
    for name in MODELS:
        model = random_model(name)
        model.save_pretrained(work / name / "backbone")
        batch = random_batch(MODELS[name]["vocab_size"])
        arrays = {key: value.numpy().astype(np.int32) for key, value in batch.items()}
        np.savez(work / name / "batch.npz", **arrays)
        for case_name in CASES:
            case = chosen_case(case_name, name)
            if case.theirs is None:
                continue
            folder = work / name / "theirs" / case_name
            adapted = add_adapter(load_model(work / name / "backbone"), case)
            save_adapter(adapted, case, folder)
            np.savez(folder / "expected.npz", **outputs(adapted, case, batch))


def check(
    work: Path, name: str = "differences.json", libraries: tuple[str, ...] = LIBRARIES
) -> None:
    differences = {}
    for model_name in MODELS:
        batch = random_batch(MODELS[model_name]["vocab_size"])
        for folder in sorted((work / model_name / "ours").iterdir()):
            if folder.name not in CASES:  # a T5 that an adapter's folder belongs on
                continue
            case = chosen_case(folder.name, model_name)
            if case.library not in libraries:
                continue
            expected = np.load(folder / "expected.npz")
            if case.library == "hf":
                model = load_model(folder)
            else:
                beside = folder.with_name(f"{folder.name}-t5")
                own = beside if beside.exists() else work / model_name / "backbone"
                base = load_model(own)
                model = load_adapter(base, case.library, folder)
            seen = outputs(model, case, batch)
            differences[f"{model_name}/{folder.name}"] = {
                key: float(np.abs(seen[key] - expected[key]).max()) for key in expected
            }
    found = {"version": transformers.__version__, "differences": differences}
    (work / name).write_text(json.dumps(found))


def resave(work: Path) -> None:
    """The backbones as this version of transformers writes them, and what it computes."""
    for name in MODELS:
        folder = work / name / "newer"
        model = load_model(work / name / "backbone")
        model.save_pretrained(folder)
        with torch.no_grad():
            logits = model(**random_batch(MODELS[name]["vocab_size"])).logits.numpy()
        np.savez(folder / "expected.npz", logits=logits, version=transformers.__version__)


def tidy_config(file: Path, base: str) -> None:
    """Without the paths of this machine, and with sets in one order."""
    config = json.loads(file.read_text())
    for field in ("base_model_name_or_path", "model_name"):
        if field in config:
            config[field] = base
    for field, value in config.items():
        config[field] = sorted(value) if isinstance(value, list) else value
    file.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n")


def golden(folder: Path) -> None:
    """Adapters for the golden models of the test-suite, without the paths of this machine."""
    for base, kind in GOLDEN_BASES.items():
        stored = np.load(folder / base / "expected.npz")
        batch = {
            "input_ids": torch.tensor(stored["input_ids"][:GOLDEN_ROWS]).long(),
            "attention_mask": torch.tensor(stored["attention_mask"][:GOLDEN_ROWS]),
            "labels": torch.tensor(stored["labels"][:GOLDEN_ROWS]).long(),
        }
        for name in GOLDEN_CASES:
            case = chosen_case(name, kind)
            target = folder / "interop" / base / name
            shutil.rmtree(target, ignore_errors=True)
            target.parent.mkdir(parents=True, exist_ok=True)
            model = add_adapter(load_model(folder / base), case)
            save_adapter(model, case, target)
            tidy_config(target / "adapter_config.json", base)
            with torch.no_grad():
                np.savez_compressed(target / "expected.npz", logits=model(**batch).logits.numpy())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("make", "check", "newer", "golden"))
    parser.add_argument("folder", type=Path)
    arguments = parser.parse_args()
    logging.disable(logging.WARNING)  # of what the libraries will change one day
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)  # for models as tiny as these, more threads wait for each other
    if arguments.what == "newer":
        check(arguments.folder, "newer.json", ("hf",))
        resave(arguments.folder)
    else:
        {"make": make, "check": check, "golden": golden}[arguments.what](arguments.folder)


if __name__ == "__main__":
    main()
