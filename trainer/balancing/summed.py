"""The sum of the tasks' mean losses, as multitask-transformers trains (Shavrina et al. 2020)."""

from trainer.balancing.method import Balancing


class LossSum(Balancing):
    """Add up the microbatches' mean losses, as they are."""

    needs_shared = False
