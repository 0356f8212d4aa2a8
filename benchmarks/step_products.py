"""The matrix products that a step with adapters, or an answer, can't do without.

Shape letters: B rows, S input length, T target length, D model width, I heads times their width,
F width of feed-forward layers, R bottleneck, V vocabulary, L layers of a stack.
"""

from collections import Counter
from collections.abc import Iterable, Iterator

Product = tuple[int, int, int, int]  # G, M, K, N: G products of [M, K] by [K, N]


def step_products(
    sizes: dict, factor: int, B: int, S: int, T: int, weighted: int
) -> list[tuple[int, int, int, int, int]]:
    """List the products of a step that trains bottleneck adapters and nothing else.

    Args:
        sizes: Of a T5, as its configuration names them; both stacks have as many layers.
        factor: R is D // factor; adapters are behind self-attention and feed-forward layers.
        B: Rows.
        S: Input positions of a row.
        T: Target positions of a row.
        weighted: Target positions of the batch that count in the loss: no other is scored.

    Returns:
        G, M, K, N and how often. Forward, and backward by the inputs from the last layer to the
        first adapter of a stack, and by the adapters' weights. No product is done twice.
    """
    L, D, V = sizes["num_layers"], sizes["d_model"], sizes["vocab_size"]
    counts: Counter[Product] = Counter()
    for length in (S, T):
        # Nothing has a gradient before the first adapter, which is behind the first of these.
        counts.update(_times(attention(sizes, B, length, length), L))
        counts.update(_times(attention_backward(sizes, B, length, length), L - 1))
        counts.update(_times(feed_forward(sizes, B * length), L))
        counts.update(_times(adapter(B * length, D, D // factor), 2 * L))
    counts.update(_times(attention(sizes, B, T, S), L))
    counts.update(_times(attention_backward(sizes, B, T, S), L))
    counts.update([(1, weighted, D, V), (1, weighted, V, D)])
    return _listed(counts)


def answer_products(
    sizes: dict, B: int, S: int, T: int
) -> tuple[list[tuple[int, int, int, int, int]], list[tuple[int, int, int, int, int]]]:
    """List the products of greedy answers, with keys and values kept.

    Args:
        sizes: Of a T5, as its configuration names them.
        B: Rows.
        S: Input length.
        T: Tokens of an answer.

    Returns:
        G, M, K, N and how often: once for the inputs, and for each token. Attention of a token to
        those before it is counted as to half of them.
    """
    L, D, V = sizes["num_layers"], sizes["d_model"], sizes["vocab_size"]
    H, W = sizes["num_heads"], sizes["d_kv"]
    once: Counter[Product] = Counter()
    once.update(_times(attention(sizes, B, S, S), L))
    once.update(_times(feed_forward_alone(sizes, B * S), L))
    each: Counter[Product] = Counter()
    kept = (T + 1) // 2
    layer = [(1, B, D, H * W)] * 4 + [(1, B, H * W, D)] * 2  # q, k, v; q across; both outputs
    layer += [(B * H, 1, W, kept), (B * H, 1, kept, W)]
    if T > 1:
        layer += [(B * H, 1, W, S), (B * H, 1, S, W)]
        once.update({(1, B * S, D, H * W): 2 * L})
    else:  # queries by the weights of keys, and states by those of values: S positions are spared
        layer += [(H, B, W, D), (B, H, D, S), (B, H, S, D), (H, B, D, W)]
    each.update(_times(layer, L))
    each.update(_times(feed_forward_alone(sizes, B), L))
    each.update([(1, B, D, V)])
    return _listed(once), _listed(each)


def flops(products: list[tuple[int, int, int, int, int]]) -> int:
    """Count floating-point operations, two for a multiplication with its addition."""
    return sum(2 * G * M * K * N * count for G, M, K, N, count in products)


def attention(sizes: dict, B: int, rows: int, keys: int) -> Iterator[Product]:
    """Queries and outputs of some positions, keys and values of others, scores and their use."""
    D, H, width = sizes["d_model"], sizes["num_heads"], sizes["d_kv"]
    yield 1, B * rows, D, H * width
    yield 1, B * rows, H * width, D
    yield from [(1, B * keys, D, H * width)] * 2
    yield B * H, rows, width, keys
    yield B * H, rows, keys, width


def attention_backward(sizes: dict, B: int, rows: int, keys: int) -> Iterator[Product]:
    """The same by its inputs; of scores and their use, both factors are inputs."""
    D, H, width = sizes["d_model"], sizes["num_heads"], sizes["d_kv"]
    yield 1, B * rows, H * width, D
    yield 1, B * rows, D, H * width
    yield from [(1, B * keys, H * width, D)] * 2
    yield B * H, rows, width, keys
    yield B * H, rows, keys, width
    yield from [(B * H, keys, rows, width)] * 2


def feed_forward(sizes: dict, M: int) -> Iterator[Product]:
    """A feed-forward layer, forward and by its inputs."""
    D, F = sizes["d_model"], sizes["d_ff"]
    gates = 2 if sizes["feed_forward_proj"].startswith("gated") else 1
    yield from [(1, M, D, F), (1, M, F, D)] * (gates + 1)


def feed_forward_alone(sizes: dict, M: int) -> list[Product]:
    """A feed-forward layer, forward."""
    D, F = sizes["d_model"], sizes["d_ff"]
    gates = 2 if sizes["feed_forward_proj"].startswith("gated") else 1
    return [*[(1, M, D, F)] * gates, (1, M, F, D)]


def adapter(M: int, D: int, R: int) -> Iterator[Product]:
    """An adapter: forward, by its inputs, and by its two matrices."""
    yield from [(1, M, D, R), (1, M, R, D)] * 2
    yield from [(1, D, M, R), (1, R, M, D)]


def _listed(counts: Counter[Product]) -> list[tuple[int, int, int, int, int]]:
    return [(*product, count) for product, count in counts.items()]


def _times(products: Iterable[Product], count: int) -> dict[Product, int]:
    return {product: count * times for product, times in Counter(products).items()}
