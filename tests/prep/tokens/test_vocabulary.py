import dataclasses
import io

import numpy as np
import pytest
import sentencepiece

from prep.build.dataset import build_dataset
from prep.build.vocabulary_training import train_vocabulary
from prep.dataset.manifest import load_manifest
from prep.dataset.reading import read_vocabulary
from prep.errors import DataError, UsageError
from prep.tasks import get_task
from prep.tokens.vocabulary import Vocabulary


@pytest.fixture(scope="module")
def t5(real_data):
    return Vocabulary(real_data / "t5_vocab" / "spiece.model")


def test_known_ids_of_the_published_vocabulary(t5):
    ids = [13959, 1566, 12, 2968, 10, 466, 19, 207, 5]
    assert t5.encode("translate English to German: That is good.") == ids


def test_sizes_of_the_published_vocabulary(t5):
    assert (t5.pieces, t5.size) == (32_000, 32_100)
    assert t5.sha256.startswith("d60acb128cf7b7f2")
    assert len(t5.tokens) == t5.size


def test_sentinels_are_counted_from_the_end(t5):
    ids = [37, 32099, 10681, 16, 32098, 2447]  # the example of the T5 documentation
    assert t5.encode("The <extra_id_0> walks in <extra_id_1> park") == ids
    assert t5.tokens[32099] == "<extra_id_0>"
    assert t5.tokens[32000] == "<extra_id_99>"
    assert t5.sentinel_id(99) == 32000


def test_decoding_drops_padding_stops_at_eos_and_shows_sentinels(t5):
    ids = np.array([0, 37, 32099, 10681, 0, 1, 5, 5])
    assert t5.decode(ids) == "The <extra_id_0> walks"


def test_decoding_shows_ids_that_no_token_has(t5):
    assert "⁇" in t5.decode([32127])


def test_a_batch_equals_one_by_one(t5):
    texts = ["a <extra_id_3> b", "plain", "", "<extra_id_100> is no sentinel"]
    assert t5.encode_batch(texts) == [t5.encode(text) for text in texts]


def test_a_file_that_is_no_model_is_named(tmp_path):
    path = tmp_path / "bad.model"
    path.write_bytes(b"nonsense")
    with pytest.raises(DataError, match=r"bad\.model is not a SentencePiece model"):
        Vocabulary(path)


def test_special_ids_other_than_t5s_are_refused(tmp_path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["some words to learn from"] * 10),
        model_writer=model,
        vocab_size=30,
        model_type="bpe",
        minloglevel=2,
    )
    path = tmp_path / "other.model"
    path.write_bytes(model.getvalue())
    with pytest.raises(DataError, match=r"expected T5's .* \(0, 1, 2\), found \(-1, 2, 0\)"):
        Vocabulary(path)


def test_training_keeps_whole_words_and_special_ids(tmp_path):
    texts = ["the entailment of A", "neutral: the B 3.8"] * 20
    vocabulary = train_vocabulary(texts, tmp_path / "v.model", 60, ["entailment", "A", "B"])
    assert vocabulary.tokens[:3] == ("<pad>", "</s>", "<unk>")
    for word in ("entailment", "A", "B"):
        assert len(vocabulary.encode(word)) == 1
        assert vocabulary.decode(vocabulary.encode(f"the {word} of")) == f"the {word} of"


def test_training_is_deterministic(tmp_path):
    texts = [f"word{i % 7} and other{i % 5}" for i in range(200)]
    first = train_vocabulary(texts, tmp_path / "a.model", 60)
    second = train_vocabulary(texts, tmp_path / "b.model", 60)
    assert first.sha256 == second.sha256


def test_a_size_too_small_for_the_characters_is_a_usage_error(tmp_path):
    with pytest.raises(UsageError, match="5 pieces has no room"):
        train_vocabulary(["abcdefghij"] * 5, tmp_path / "v.model", 5)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [-1, 0, 3, 2**31])
def test_no_size_of_a_vocabulary(tmp_path, size):
    with pytest.raises(UsageError, match="a vocabulary has 4 to 2,147,483,647 pieces, not"):
        train_vocabulary(["a b"], tmp_path / "v.model", size)


@pytest.mark.parametrize("texts", [[], ["", "  "]])
def test_no_text_is_a_data_error(tmp_path, texts):
    with pytest.raises(DataError, match="no text"):
        train_vocabulary(texts, tmp_path / "v.model", 50)


def test_what_is_wrong_with_the_texts_is_told_in_their_own_words(tmp_path):
    def texts():
        yield "a b"
        raise DataError("things.csv is cut")

    with pytest.raises(DataError, match=r"^things\.csv is cut$"):
        train_vocabulary(texts(), tmp_path / "v.model", 50)


def test_eos_in_a_text_is_a_separator(small_vocabulary):
    vocabulary = Vocabulary(small_vocabulary)
    parts = [vocabulary.encode(part) for part in ("a man", "the cat")]
    expected = [*parts[0], vocabulary.eos_id, *parts[1]]
    assert vocabulary.encode("a man</s>the cat") == expected
    assert vocabulary.encode("a man </s> the cat") == expected
    assert vocabulary.encode_batch(["a man", "a man</s>the cat"]) == [parts[0], expected]


def model_with(path, symbols):
    """A model that holds some symbols as pieces, its last ones, as mT5's holds its sentinels."""
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(["the cat walks in the park . , hello"] * 10),
        model_writer=model,
        model_type="bpe",
        vocab_size=60,
        hard_vocab_limit=False,
        pad_id=0,
        eos_id=1,
        unk_id=2,
        bos_id=-1,
        user_defined_symbols=symbols,
        minloglevel=2,
    )
    path.write_bytes(model.getvalue())
    return path


@pytest.mark.parametrize("spelling", ["▁<extra_id_{}>", "<extra_id_{}>"])
def test_a_model_that_holds_the_sentinels_keeps_their_ids(tmp_path, spelling):
    symbols = [spelling.format(number) for number in reversed(range(5))]
    path = model_with(tmp_path / "own.model", symbols)
    own = sentencepiece.SentencePieceProcessor(model_file=str(path))
    vocabulary = Vocabulary(path)
    assert vocabulary.size == vocabulary.pieces == own.vocab_size() == len(vocabulary.tokens)
    assert vocabulary.extra_ids == 5
    for number in range(5):
        assert vocabulary.sentinel_id(number) == own.piece_to_id(spelling.format(number))
    text = "the <extra_id_0> cat <extra_id_1>"
    ids = vocabulary.encode(text)
    assert [one for one in ids if one in own.encode(text)] == ids
    assert vocabulary.decode(ids) == text
    assert vocabulary.sentinel_id(3) not in vocabulary.encode("<extra_id_7>")


@pytest.mark.parametrize("numbers", [(0,), (0, 2), (1, 2)])
def test_some_sentinels_without_the_others_are_refused(tmp_path, numbers):
    path = model_with(tmp_path / "own.model", [f"<extra_id_{number}>" for number in numbers])
    with pytest.raises(DataError, match="holds sentinels of its own, and not all of them"):
        Vocabulary(path)


def test_what_follows_a_sentinel_has_a_blank_or_not(t5, real_data):
    newer = Vocabulary(real_data / "t5_vocab" / "spiece.model", blank_after_sentinels=False)

    def tokens(vocabulary, text):
        return [vocabulary.tokens[token] for token in vocabulary.encode(text)]

    text = "<extra_id_0>. Hello<extra_id_1> you</s>and"
    middle = [".", "▁Hello", "<extra_id_1>", "▁you", "</s>"]
    assert tokens(t5, text) == ["<extra_id_0>", "▁", *middle, "▁and"]
    assert tokens(newer, text) == ["<extra_id_0>", *middle, "and"]
    for plain in ("a b", "a <extra_id_0> b", "<extra_id_0>", "<extra_id_0><extra_id_1>"):
        assert newer.encode(plain) == t5.encode(plain)


@pytest.mark.slow
def test_the_blank_is_that_of_the_published_tokenizers(real_data):
    """The other way needs a protobuf that transformers can read the model with."""
    transformers = pytest.importorskip("transformers")
    path = real_data / "t5_vocab" / "spiece.model"
    theirs = transformers.T5Tokenizer(str(path), extra_ids=100, legacy=True)
    for text in ("<extra_id_0>. Hello", "The <extra_id_0>, walks<extra_id_1>ing in."):
        assert Vocabulary(path).encode(text) == theirs.encode(text, add_special_tokens=False)


def test_a_dataset_remembers_which_way_it_was_built(rte_options, tmp_path):
    path = model_with(tmp_path / "own.model", ["<extra_id_0>", "<extra_id_1>", "entailment", "_"])
    task = dataclasses.replace(get_task("rte"), labels={"entailment": "in", "x": "the"})
    given = {"vocabulary": path, "tasks": (task,), "accept_rejects": True}
    manifest = build_dataset(rte_options(**given, blank_after_sentinels=False), lambda line: None)
    assert manifest.vocabulary.sentinels == 2
    folder = rte_options().out
    assert not read_vocabulary(folder, load_manifest(folder)).blank_after_sentinels
    with pytest.raises(UsageError, match=r"other options \(vocabulary differ"):
        build_dataset(rte_options(**given), lambda line: None)
    older = dataclasses.replace(manifest.vocabulary, size=manifest.vocabulary.size + 100)
    with pytest.raises(DataError, match="by an earlier version that added sentinels"):
        read_vocabulary(folder, dataclasses.replace(manifest, vocabulary=older))
