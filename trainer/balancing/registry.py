"""The balancing methods by name."""

from collections.abc import Mapping

from trainer.balancing.famo import FAMO
from trainer.balancing.fixed import FixedWeights
from trainer.balancing.gradnorm import GradNorm
from trainer.balancing.method import Balancing
from trainer.balancing.pcgrad import PCGrad
from trainer.balancing.summed import LossSum
from trainer.balancing.tokens import TokenMean
from trainer.balancing.uncertainty import Uncertainty

BALANCINGS: Mapping[str, type[Balancing]] = {
    "tokens": TokenMean,
    "sum": LossSum,
    "weights": FixedWeights,
    "uncertainty": Uncertainty,
    "gradnorm": GradNorm,
    "pcgrad": PCGrad,
    "famo": FAMO,
}
