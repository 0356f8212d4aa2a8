"""Scoring: token ids on the device, then texts, metrics and reports. Always `from eval import`."""

from eval.argmax import ArgmaxModel
from eval.baselines import trivial_answer, trivial_baseline
from eval.decoding import GreedyModel, decode_greedily
from eval.evaluator import Evaluator, Prediction, TaskResult
from eval.metrics import METRICS, score
from eval.report import ScoredTask, format_table, write_report
from eval.session import Session, open_session

__all__ = [
    "METRICS",
    "ArgmaxModel",
    "Evaluator",
    "GreedyModel",
    "Prediction",
    "ScoredTask",
    "Session",
    "TaskResult",
    "decode_greedily",
    "format_table",
    "open_session",
    "score",
    "trivial_answer",
    "trivial_baseline",
    "write_report",
]
