# What `from eval import ...` offers; `__init__.py` reads this list.
from .decoding.answerer import Answerer
from .decoding.argmax import ArgmaxModel
from .decoding.beam import BeamAnswers, BeamModel
from .decoding.greedy import GreedyModel
from .decoding.options import Beams, Decoding, Limits, Sampling
from .decoding.sampling import SamplingModel
from .evaluator import Evaluator, Prediction, TaskResult
from .metrics.answers import Answers, pair_answers
from .metrics.intervals import Interval
from .metrics.registry import METRICS, score
from .report.baselines import trivial_answer, trivial_baseline
from .report.files import write_report
from .report.scored_task import ScoredTask
from .report.table import format_table
from .session import Session, open_session

__all__ = [
    "METRICS",
    "Answerer",
    "Answers",
    "ArgmaxModel",
    "BeamAnswers",
    "BeamModel",
    "Beams",
    "Decoding",
    "Evaluator",
    "GreedyModel",
    "Interval",
    "Limits",
    "Prediction",
    "Sampling",
    "SamplingModel",
    "ScoredTask",
    "Session",
    "TaskResult",
    "format_table",
    "open_session",
    "pair_answers",
    "score",
    "trivial_answer",
    "trivial_baseline",
    "write_report",
]
