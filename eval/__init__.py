"""Scoring: token ids on the device, then texts, metrics and reports. Always `from eval import`."""

# `python -m eval` imports this file first, and with it TensorFlow: silence it before that.
from prep.quiet import quiet_libraries

quiet_libraries()

from eval.decoding.argmax import ArgmaxModel
from eval.decoding.greedy import GreedyModel, decode_greedily
from eval.evaluator import Evaluator, Prediction, TaskResult
from eval.metrics.answers import Answers, pair_answers
from eval.metrics.registry import METRICS, score
from eval.report.baselines import trivial_answer, trivial_baseline
from eval.report.files import write_report
from eval.report.table import ScoredTask, format_table
from eval.session import Session, open_session

__all__ = [
    "METRICS",
    "Answers",
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
    "pair_answers",
    "score",
    "trivial_answer",
    "trivial_baseline",
    "write_report",
]
