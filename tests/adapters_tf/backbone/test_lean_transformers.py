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
