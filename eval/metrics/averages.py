"""The averages that GLUE and SuperGLUE are reported by."""

from collections.abc import Mapping, Sequence

import numpy as np

# Of each task, the metrics whose mean is its score (Wang et al. 2018 and 2019).
GLUE: Mapping[str, tuple[str, ...]] = {
    "cola": ("matthews",),
    "sst2": ("accuracy",),
    "mrpc": ("f1", "accuracy"),
    "stsb": ("pearson", "spearman"),
    "qqp": ("f1", "accuracy"),
    "mnli": ("accuracy",),
    "qnli": ("accuracy",),
    "rte": ("accuracy",),
}
SUPERGLUE: Mapping[str, tuple[str, ...]] = {
    "boolq": ("accuracy",),
    "cb": ("f1", "accuracy"),
    "copa": ("accuracy",),
    "multirc": ("f1", "group_exact_match"),
    "record": ("squad_f1", "squad_em"),
    "superglue_rte": ("accuracy",),
    "wic": ("accuracy",),
    "wsc": ("accuracy",),
}
AVERAGES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "glue": {**GLUE, "wnli": ("accuracy",)},
    "glue_without_wnli": GLUE,  # as BERT's authors and most after them
    "superglue": SUPERGLUE,
}


def average_tasks(tasks: Mapping[str, Mapping[str, float | np.ndarray]]) -> dict[str, np.ndarray]:
    """Average the scores of GLUE's and SuperGLUE's tasks, where all of them are there.

    Args:
        tasks: Figures by metric, by task; numbers, or [R] of resamples.

    Returns:
        By average: the mean over tasks of the mean over each one's metrics.
    """
    return {
        name: np.mean([_score(tasks[task], metrics) for task, metrics in of.items()], 0)
        for name, of in AVERAGES.items()
        if all(set(metrics) <= set(tasks.get(task, ())) for task, metrics in of.items())
    }


def _score(figures: Mapping[str, float | np.ndarray], metrics: Sequence[str]) -> np.ndarray:
    mean: np.ndarray = np.mean([np.asarray(figures[metric]) for metric in metrics], 0)
    return mean
