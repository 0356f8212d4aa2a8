"""Scoring: token ids on the device, then texts, metrics and reports. Always `from eval import`.

What this package offers is listed in `__init__.pyi`, and loaded when it is first asked for.
"""

import lazy_loader

# `python -m eval` imports this file first: silence TensorFlow before anything loads it.
from prep.quiet import quiet_libraries

quiet_libraries()

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)
