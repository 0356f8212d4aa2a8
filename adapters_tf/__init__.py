"""TFT5 with per-task adapters, for TensorFlow.

What this package offers is listed in `__init__.pyi`, and loaded when it is first asked for: to read
a run's settings or to print a command's help takes no TensorFlow, which takes seconds.
"""

import lazy_loader

# `python -m adapters_tf` imports this file first: silence TensorFlow before anything loads it.
from adapters_tf.quiet import quiet_libraries

quiet_libraries()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
