"""An example as bytes, and back: what a shard holds.

A record is a serialized `tf.train.Example`. With one example it has these features, each a list of
int64 but for `references`:

| feature | what it holds |
|---|---|
| `inputs`, `targets` | token ids with EOS, no padding |
| `label` | index of the label word, −1 if the task has none |
| `example` | row number in the split; the examples of one row share it |
| `references` | bytes, every right answer as UTF-8 text; only where a split is scored by the best |
| `group` | 63 bits, equal for examples that are scored together; only where the task has groups |
| `document` | 63 bits, equal for examples about one document; only where the task says which |

A packed record, of a split whose manifest entry has `packing`, holds several examples of one task:
their `inputs` and `targets` one after the other; `inputs_segments` and `targets_segments`, for each
token the number of its example in the record, from 1; and in `label` and `example` one number per
example, in the same order. It has no references, groups or
documents: only training splits are packed.
"""
