"""A few rows of each task that a config trains, in files of that task's own format."""

import itertools
import json

from tests.prep.tasks.catalogue.task_files import CASES


def _table(separator, *rows):
    return "".join(separator.join(row) + "\n" for row in rows)


def _objects(*rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


_PAIRS = (("0", "It rained.", "It was wet."), ("1", "It rained.", "It was dry."))
_RTE = _table(
    "\t",
    ("index", "sentence1", "sentence2", "label"),
    (*_PAIRS[0], "entailment"),
    (*_PAIRS[1], "not_entailment"),
)
_STSB = _table(",", ("A cat sat.", "The cat sat down.", "4.2"), ("A cat sat.", "Buy milk.", "0.4"))
_SST2 = _table("\t", ("sentence", "label"), ("a joy", "1"), ("a bore", "0"))
_COLA = _table("\t", ("gj04", "1", "", "They left."), ("gj04", "0", "*", "They leaves."))
_TERRA = _objects(
    {"premise": "Шёл дождь.", "hypothesis": "Было мокро.", "label": "entailment", "idx": 0},
    {"premise": "Шёл дождь.", "hypothesis": "Было сухо.", "label": "not_entailment", "idx": 1},
)
_HEADLINES = _table(
    "\t",
    ("left_title", "right_title", "result", "confidence", "id", "left_url", "right_url"),
    ("Шёл дождь", "Река вышла из берегов", "left_right_cause", "1.0", "1", "u", "v"),
    ("Шёл дождь", "Команда победила", "rel", "1.0", "2", "u", "w"),
)
_CHOICES = [{"label": label, "text": text} for label, text in zip("ABCDE", "vwxyz", strict=True)]
_COMMONSENSE = _objects(
    *(
        {
            "answerKey": key,
            "id": key,
            "question": {"question_concept": "c", "choices": _CHOICES, "stem": "Which?"},
        }
        for key in "AD"
    )
)
_CAUSES = _objects(
    *(
        {
            "index": f"dev-{label}",
            "premise": "It rained.",
            "ask-for": asked,
            "hypothesis1": "Clouds came.",
            "hypothesis2": "Streets were wet.",
            "label": label,
        }
        for label, asked in enumerate(("cause", "effect"))
    )
)
_REASONS = _objects(
    {
        "index": "dev-0",
        "cause": "Clouds came.",
        "effect": "It rained.",
        "conceptual_explanation": "Clouds hold water.",
    }
)
OWN = {
    "rte": dict.fromkeys(("RTE/train.tsv", "RTE/dev.tsv"), _RTE),
    "stsb": dict.fromkeys(("stsb/stsb-en-train.csv", "stsb/stsb-en-dev.csv"), _STSB)
    | {"stsb/stsb-en-test.csv": _STSB},
    "sst2": dict.fromkeys(("SST-2/train.tsv", "SST-2/dev.tsv"), _SST2),
    "cola": dict.fromkeys(("CoLA/train.tsv", "CoLA/dev.tsv"), _COLA),
    "terra": dict.fromkeys(("TERRa/train.jsonl", "TERRa/val.jsonl"), _TERRA),
    "headline_cause": {
        f"headline_cause/{split}.tsv": _HEADLINES for split in ("train", "validation", "test")
    },
    "commonsense_qa": {
        f"commonsenseqa/{split}_rand_split.jsonl": _COMMONSENSE for split in ("train", "dev")
    },
    "e_care": {f"e_care/cr_{split}.jsonl": _CAUSES for split in ("train", "dev")},
    "e_care_explanation": {f"e_care/eg_{split}.jsonl": _REASONS for split in ("train", "dev")},
}


def write_rows(folder, tasks):
    """Write the files of some tasks below a folder, as `--data-dir` takes it."""
    of_tasks = [OWN[task] if task in OWN else CASES[task][0] for task in tasks]
    for name, content in itertools.chain(*(files.items() for files in of_tasks)):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
