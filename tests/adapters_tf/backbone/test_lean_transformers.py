"""TFT5 comes without a second search through transformers' files, and its names are the same."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[3]
LOOK = """
import json
from transformers.utils import import_utils
import transformers.models as models
from transformers.models.bert import BertConfig
import transformers
search = import_utils.create_import_structure_from_path
print(json.dumps({
    "names": sorted(models._class_to_module.items()),
    "is_bert": transformers.BertConfig is BertConfig,
    "searches": search.cache_info().misses,
}))
"""


def look(begin):
    python = [sys.executable, "-c", begin + LOOK]
    result = subprocess.run(python, cwd=ROOT, capture_output=True, text=True, check=True)
    return json.loads(result.stdout.splitlines()[-1])


def test_transformers_has_the_same_names_after_one_search_of_its_folders():
    ours = look("from adapters_tf.backbone.lean_transformers import modeling_tf_t5\n")
    plain = look("from transformers.models.t5 import modeling_tf_t5\n")
    assert ours["names"] == plain["names"] and ours["is_bert"]
    assert plain["searches"] > 1.9 * ours["searches"]


LOOK_AT_METRICS = """
import sys
import adapters_tf.backbone.lean_transformers
import eval.metrics.registry
loaded = [name for name in ("sklearn", "scipy.stats", "matplotlib") if name in sys.modules]
assert not loaded, loaded
import numpy as np
from transformers.data.metrics import acc_and_f1, pearson_and_spearman
from transformers.utils import is_sklearn_available
assert is_sklearn_available()
found = acc_and_f1(np.array([1, 1, 0, 0]), np.array([1, 0, 0, 0]))
assert found == {"acc": 0.75, "f1": 2 / 3, "acc_and_f1": (0.75 + 2 / 3) / 2}, found
found = pearson_and_spearman([1.0, 2.0, 3.0], [2.0, 4.0, 8.0])
assert abs(found["spearmanr"] - 1) < 1e-6 and 0.98 < found["pearson"] < 0.99, found
"""


def test_metrics_of_transformers_and_ours_load_scikit_learn_and_scipy_when_they_are_asked():
    python = [sys.executable, "-W", "ignore::FutureWarning", "-c", LOOK_AT_METRICS]
    result = subprocess.run(python, cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
