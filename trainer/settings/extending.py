"""How the learning rate of a run goes on where more steps are asked for than it was begun with."""

from __future__ import annotations

import itertools

from adapters_tf.runs.settings import ResolvedRun
from prep import UsageError
from trainer.optimizers.learning_rate import OPEN_ENDED
from trainer.settings.durations import SCHEDULE_STEPS, STEPS
from trainer.settings.mixture import OF_A_KNOWN_END


def schedule_ends(run: ResolvedRun) -> tuple[int, ...]:
    """List the steps where a run's schedule has fallen to its end.

    Args:
        run: Its settings.

    Returns:
        Rising; from each but the last the schedule begins anew.
    """
    named = run.optimizer.schedule_steps
    return tuple(named) if isinstance(named, list) else (named or run.training.steps,)


def check_schedule(run: ResolvedRun) -> None:
    """Refuse steps that no schedule can be laid out for, or after which nothing would be learned.

    Args:
        run: Its settings.

    Raises:
        UsageError: Naming what would do.
    """
    chosen, ends, steps = run.optimizer, schedule_ends(run), run.training.steps
    if not chosen.schedule_steps:
        if isinstance(chosen.schedule_steps, list):
            raise UsageError(f"{SCHEDULE_STEPS} is an empty list; 0 takes {STEPS}")
        return
    if chosen.schedule in OPEN_ENDED:
        raise UsageError(
            f"{SCHEDULE_STEPS} is {chosen.schedule_steps}, and the schedule {chosen.schedule!r} "
            "has no end; leave it out"
        )
    if any(later <= earlier for earlier, later in itertools.pairwise((0, *ends))):
        raise UsageError(f"{SCHEDULE_STEPS} must rise from above 0, got {chosen.schedule_steps}")
    if ends[-1] < steps and not chosen.end_rate:
        raise UsageError(
            f"{SCHEDULE_STEPS} ends at {ends[-1]} of {steps} steps, and after it the learning rate "
            f"would be 0 (optimizer.end_rate): name {steps} or more at its end, such as "
            f"{[*ends, steps]} to begin the schedule anew"
        )


def may_extend(old: ResolvedRun, new: ResolvedRun) -> set[str]:
    """Tell which of the settings that a run's length depends on may change.

    Args:
        old: What the run folder's config holds.
        new: What is asked for now.

    Returns:
        Their names.
    """
    if old.data.mixture in OF_A_KNOWN_END:
        return set()
    if old.optimizer.schedule in OPEN_ENDED:
        return {STEPS}
    is_named = bool(new.optimizer.schedule_steps)
    is_longer = new.training.steps > old.training.steps
    may_change = {STEPS} if is_named else set()
    if (is_named and is_longer) or schedule_ends(old) == schedule_ends(new):
        may_change.add(SCHEDULE_STEPS)
    return may_change


def why_not(old: ResolvedRun, new: ResolvedRun) -> str:
    """Say why a run's length may not change, and how it could.

    Args:
        old: What the run folder's config holds.
        new: What is asked for now.

    Returns:
        In brackets, to stand behind what differs.
    """
    if old.data.mixture in OF_A_KNOWN_END:
        return f" (data.mixture {old.data.mixture} shares all steps out from the start)"
    ends, steps, schedule = schedule_ends(old), new.training.steps, old.optimizer.schedule
    if steps < ends[-1]:
        return f" (its learning rate follows {schedule!r}, laid out for {ends[-1]} steps)"
    hold = f", {ends[-1]} to stay at optimizer.end_rate" if old.optimizer.end_rate else ""
    return (
        f" (its learning rate follows the schedule {schedule!r}, which ends at step {ends[-1]}; "
        f"say how it goes on: --{SCHEDULE_STEPS} '{[*ends, steps]}' to begin anew there, {steps} "
        f"to take the rates of a schedule of so many steps{hold})"
    )
