"""What is compared: tiny models, and adapters in our words and in the other library's.

Both sides of the comparison read this file, so it imports neither TensorFlow nor PyTorch.
"""

from dataclasses import dataclass
from typing import Any

LIMIT = 1e-4
STEPS = 3
# Both small: where steps overshoot, each multiplies the rounding errors of the one before. With a
# deviation of 0.2, PyTorch in float32 differs from itself in float64 by 3e-3 after three steps.
LEARNING_RATE = 0.01
DEVIATION = 0.1  # of what moves the adapters' weights from their start
# What training must change the logits by, or comparing them would show nothing.
LEAST_CHANGE = 1e-3
TASK = "task"
# Heads times head width differs from the model width, and the decoder's depth from the encoder's,
# so that no two shapes agree by chance.
SIZES = {
    "d_model": 24,
    "d_kv": 8,
    "d_ff": 40,
    "num_heads": 4,
    "num_layers": 3,
    "num_decoder_layers": 2,
    "relative_attention_num_buckets": 8,
    "relative_attention_max_distance": 16,
    "decoder_start_token_id": 0,
}
_GATED = {"feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}
MODELS: dict[str, dict[str, Any]] = {
    "t5": {"vocab_size": 96, "feed_forward_proj": "relu", "tie_word_embeddings": True},
    "v1_1": {"vocab_size": 96, **_GATED},
    "mt5": {"vocab_size": 250, **_GATED},
}


@dataclass(frozen=True)
class Case:
    """One adapter, in both libraries' words.

    Attributes:
        library: peft, adapterhub or hf.
        method: ours; several joined by commas.
        settings: of our method, where there is one.
        theirs: arguments of their configuration; None where only exporting makes sense.
        gated: the gated models' own settings, where they differ.
        config_class: of their configuration, where the method alone does not say it.
        trains_alike: whether both libraries train the same parameters by the same gradient.
        is_written: whether ours is written too, or only theirs read.
        decodes: whether greedy decoding, with a cache, is compared too.
        train_layer_norms: whether T5's own layer norms train beside the adapters.
    """

    library: str
    method: str
    settings: dict[str, Any]
    theirs: dict[str, Any] | None = None
    gated: "Case | None" = None
    config_class: str | None = None
    trains_alike: bool = True
    is_written: bool = True
    decodes: bool = False
    train_layer_norms: bool = False


_ALL = ("q", "k", "v", "o", "wi", "wo")
_ALL_PLAIN = ["q", "k", "v", "o", "wi", "wo"]
_ALL_GATED = ["q", "k", "v", "o", "wi_0", "wi_1", "wo"]


_EVERYWHERE = ("self_attention", "cross_attention", "feed_forward")
_INNER_WIDTH = SIZES["num_heads"] * SIZES["d_kv"]
_PEFT_PREFIX = {"length": 3, "placement": ("decoder",), "positions": "before"}
_HOULSBY = {"mh_adapter": True, "output_adapter": True, "reduction_factor": 4}
_HUB_LORA = {
    "r": 2,
    "attn_matrices": ["q", "k", "v"],
    "intermediate_lora": True,
    "output_lora": True,
}


def _peft_lora(ours: dict[str, Any], theirs: dict[str, Any]) -> Case:
    """LoRA on every projection: the gated feed-forward has two where the plain one has wi."""
    settings = {"rank": 2, "alpha": 3.0, "targets": _ALL, **ours}
    fields = {"r": 2, "lora_alpha": 3, **theirs}
    gated = Case("peft", "lora", settings, {**fields, "target_modules": _ALL_GATED})
    return Case("peft", "lora", settings, {**fields, "target_modules": _ALL_PLAIN}, gated)


def chosen_case(name: str, model: str) -> Case:
    """The case as it is for a model: gated feed-forwards may need other settings."""
    case = CASES[name]
    return case.gated if case.gated and model != "t5" else case


CASES: dict[str, Case] = {
    "peft-lora": Case(
        "peft",
        "lora",
        {"rank": 2, "alpha": 3.0},
        {"r": 2, "lora_alpha": 3, "target_modules": ["q", "v"]},
    ),
    "peft-lora-all": _peft_lora({}, {}),
    "peft-lora-rslora": _peft_lora({"rank_stabilised": True}, {"use_rslora": True}),
    "peft-lora-decoder": Case(
        "peft",
        "lora",
        {"rank": 2, "alpha": 4.0, "targets": ("k", "o"), "stacks": ("decoder",)},
        {"r": 2, "lora_alpha": 4, "target_modules": r"(decoder)\.(.*\.)?(k|o)"},
    ),
    "peft-dora": _peft_lora({"dora": True}, {"use_dora": True}),
    "peft-ia3": Case(
        "peft",
        "ia3",
        {},
        {"target_modules": ["k", "v", "wo"], "feedforward_modules": ["wo"]},
    ),
    "peft-layer_norm": Case(
        "peft", "layer_norm", {}, {"target_modules": ["layer_norm", "final_layer_norm"]}
    ),
    "peft-prompt": Case("peft", "prompt", {"length": 3}, {"num_virtual_tokens": 3}, decodes=True),
    # Not decoded: PEFT's `generate` gives other tokens than its own forward pass, which is trained.
    "peft-prefix": Case(
        "peft",
        "prefix",
        {**_PEFT_PREFIX, "reparametrize": False},
        {"num_virtual_tokens": 3, "token_dim": _INNER_WIDTH},
    ),
    "peft-prefix-network": Case(
        "peft",
        "prefix",
        {**_PEFT_PREFIX, "hidden_width": 5},
        {
            "num_virtual_tokens": 3,
            "token_dim": _INNER_WIDTH,
            "prefix_projection": True,
            "encoder_hidden_size": 5,
        },
        # It saves what the network made, without the network, and so do we.
        trains_alike=False,
    ),
    "peft-prefix-shared": Case(
        "peft",
        "prefix",
        {},
        # With an even number of layers it hands the same prefixes to two blocks.
        {"num_virtual_tokens": 3, "token_dim": _INNER_WIDTH, "num_layers": 2},
        trains_alike=False,
        is_written=False,
    ),
    "adapterhub-houlsby": Case(
        "adapterhub",
        "bottleneck",
        {"reduction_factor": 4, "post_norm": False},
        {**_HOULSBY, "non_linearity": "swish"},
    ),
    "adapterhub-norms": Case(
        "adapterhub",
        "bottleneck",
        {"reduction_factor": 4, "pre_norm": True, "activation": "gelu"},
        {**_HOULSBY, "non_linearity": "gelu", "ln_before": True, "ln_after": True},
    ),
    "adapterhub-bottleneck": Case(
        "adapterhub",
        "bottleneck",
        {
            "reduction_factor": 4,
            "reduction_factors": {1: 2},
            "leave_out": (0,),
            "post_norm": False,
            "activation": "relu",
            "placement": ("cross_attention", "feed_forward"),
            "scaling": 0.5,
        },
        {
            "mh_adapter": False,
            "output_adapter": True,
            "cross_adapter": True,
            "reduction_factor": {"1": 2, "4": 2, "default": 4},
            "leave_out": [0, 3],
            "non_linearity": "relu",
            "scaling": 0.5,
        },
    ),
    "adapterhub-seq_bn": Case(
        "adapterhub",
        "pfeiffer",
        {"reduction_factor": 4, "reads_residual_stream": True},
        {"reduction_factor": 4},
        config_class="SeqBnConfig",
    ),
    "adapterhub-seq_bn-norms": Case(
        "adapterhub",
        "bottleneck",
        {
            "reduction_factor": 4,
            "pre_norm": True,
            "placement": _EVERYWHERE,
            "reads_residual_stream": True,
        },
        # Another way to say the same: the adapter's own residual already holds the stream.
        {
            "original_ln_before": True,
            "original_ln_after": False,
            "residual_before_ln": False,
            "ln_before": True,
            "ln_after": True,
            **_HOULSBY,
            "cross_adapter": True,
            "non_linearity": "swish",
        },
    ),
    "adapterhub-par_bn": Case(
        "adapterhub",
        "parallel",
        {"reduction_factor": 4, "reads_residual_stream": True},
        {"reduction_factor": 4},
        config_class="ParBnConfig",
    ),
    "adapterhub-par_bn-learned": Case(
        "adapterhub",
        "parallel",
        {"reduction_factor": 4, "reads_residual_stream": True, "scaling": "learned"},
        {"reduction_factor": 4, "scaling": "learned"},
        config_class="ParBnConfig",
    ),
    "adapterhub-compacter": Case(
        "adapterhub",
        "compacter",
        {"reduction_factor": 3},
        {"reduction_factor": 3},
        config_class="CompacterConfig",
    ),
    "adapterhub-compacter++": Case(
        "adapterhub",
        "compacter++",
        {
            "reduction_factor": 6,
            "dimension": 2,
            "rank": 2,
            "share_rule": False,
            "reads_residual_stream": True,
        },
        {"reduction_factor": 6, "phm_dim": 2, "phm_rank": 2, "shared_phm_rule": False},
        config_class="CompacterPlusPlusConfig",
    ),
    "adapterhub-prefix": Case(
        "adapterhub",
        "prefix",
        {"length": 3, "hidden_width": 5, "positions": "shifted"},
        {"prefix_length": 3, "bottleneck_size": 5},
        decodes=True,
    ),
    "adapterhub-prefix_flat": Case(
        "adapterhub",
        "prefix_flat",
        {"length": 3, "placement": ("decoder",), "positions": "shifted"},
        {"prefix_length": 3, "flat": True, "encoder_prefix": False, "cross_prefix": False},
        decodes=True,
    ),
    "adapterhub-prefix-encoder": Case(
        "adapterhub",
        "prefix_flat",
        {"length": 3, "placement": ("encoder",), "positions": "shifted"},
        {"prefix_length": 3, "flat": True, "leave_out": [3, 4]},
        decodes=True,
    ),
    "adapterhub-lora": Case(
        "adapterhub",
        "lora",
        {"rank": 2, "alpha": 3.0, "targets": ("q", "k", "v", "wi", "wo")},
        {**_HUB_LORA, "alpha": 3},
        Case(
            "adapterhub",
            "lora",
            {"rank": 2, "alpha": 3.0, "targets": ("q", "k", "v", "wo")},
            {**_HUB_LORA, "alpha": 3, "intermediate_lora": False},
        ),
    ),
    "adapterhub-lora-rslora": Case(
        "adapterhub",
        "lora",
        {"rank": 2, "alpha": 3.0, "rank_stabilised": True, "stacks": ("decoder",)},
    ),
    "adapterhub-dora": Case(
        "adapterhub",
        "lora",
        {"rank": 2, "alpha": 2.0, "dora": True},
        {"r": 2, "alpha": 2, "use_dora": True},
        # Its gradient goes through the lengths that the DoRA paper takes as constants.
        trains_alike=False,
    ),
    "adapterhub-ia3": Case(
        "adapterhub",
        "ia3",
        {"targets": ("k", "v", "wi")},
        {},
        Case("adapterhub", "ia3", {}, {}),
    ),
    "peft-lora-norms": Case(
        "peft",
        "lora",
        {"rank": 2, "alpha": 3.0},
        trains_alike=False,  # T5's norms train on our side alone
        train_layer_norms=True,
    ),
    "adapterhub-bottleneck-norms": Case(
        "adapterhub",
        "bottleneck",
        {"reduction_factor": 4},
        trains_alike=False,
        train_layer_norms=True,
    ),
    "hf-none": Case("hf", "none", {}, decodes=True),
    "hf-lora": Case(
        "hf",
        "lora",
        {"rank": 2, "alpha": 3.0, "targets": _ALL},
        train_layer_norms=True,
        decodes=True,
    ),
    "hf-dora": Case(
        "hf", "lora", {"rank": 2, "alpha": 3.0, "targets": _ALL, "dora": True}, decodes=True
    ),
    "hf-ia3,layer_norm": Case("hf", "ia3,layer_norm", {}, decodes=True),
}


# Those whose folders are in tests/adapters_tf/golden/interop.
GOLDEN_CASES = (
    "peft-lora-rslora",
    "peft-lora-decoder",
    "peft-dora",
    "peft-ia3",
    "peft-layer_norm",
    "peft-prompt",
    "peft-prefix",
    "peft-prefix-shared",
    "adapterhub-houlsby",
    "adapterhub-norms",
    "adapterhub-bottleneck",
    "adapterhub-seq_bn",
    "adapterhub-seq_bn-norms",
    "adapterhub-par_bn",
    "adapterhub-par_bn-learned",
    "adapterhub-compacter",
    "adapterhub-compacter++",
    "adapterhub-prefix",
    "adapterhub-prefix_flat",
    "adapterhub-lora",
    "adapterhub-dora",
    "adapterhub-ia3",
)

# Whose adapters a decoder's cache or the inputs hold something of: searched with beams, too.
BEAM_CASES = (
    "peft-prompt",
    "peft-lora-all",
    "peft-ia3",
    "adapterhub-prefix",
    "adapterhub-prefix_flat",
    "adapterhub-prefix-encoder",
    "adapterhub-lora",
    "adapterhub-ia3",
    "adapterhub-houlsby",
)
