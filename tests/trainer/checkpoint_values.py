"""What a run's checkpoints hold, for tests that compare runs bit by bit."""

from pathlib import Path

import tensorflow as tf


def weights_of(run, step=None):
    """Every number of a checkpoint, the newest by default; the optimizer's slots among them."""
    folder = Path(run) / "checkpoints"
    file = folder / f"ckpt-{step}" if step else tf.train.latest_checkpoint(str(folder))
    reader = tf.train.load_checkpoint(str(file))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if not name.startswith(("_CHECKPOINTABLE", "save_counter"))
    }
