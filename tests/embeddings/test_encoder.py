"""Texts to vectors: shapes, batching, memory."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np

from embeddings.backends import Vectors
from embeddings.encoder import Encoder
from embeddings.matcher import Matcher
from embeddings.profiles import resolve


def test_vectors_are_float32_rows_of_unit_length_in_the_order_asked(matcher: Matcher) -> None:
    texts = ["a long sentence about a delayed train that did not come " * 3, "short", "короткий", "短い"]
    vectors = matcher.encoder.encode(texts, 96)
    assert vectors.shape == (4, 384)
    assert vectors.dtype == np.float32
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    one_by_one = np.concatenate([Encoder(matcher.profile, matcher.encoder.network).encode([t], 96) for t in texts])
    assert np.allclose(vectors, one_by_one, atol=1e-4)


def test_what_lies_beyond_the_token_limit_does_not_count(matcher: Matcher) -> None:
    start = "the payment page is broken " * 30
    assert np.array_equal(matcher.encoder.encode([start], 96), matcher.encoder.encode([start + "and so on"], 96))


def test_a_text_is_embedded_once_however_often_it_is_asked() -> None:
    backend = CountingBackend()
    encoder = Encoder(resolve("multilingual"), backend)
    encoder.encode(["same", "same", "other"], 96)
    encoder.encode(["other", "same"], 96)
    assert backend.seen == ["query: same", "query: other"]


def test_the_memory_forgets_what_was_used_longest_ago() -> None:
    backend = CountingBackend()
    encoder = Encoder(resolve("multilingual"), backend, remembered=2)
    for text in ["a", "b", "a", "c", "a", "b"]:
        encoder.encode([text], 96)
    assert backend.seen == ["query: a", "query: b", "query: c", "query: b"]


def test_the_memory_holds_no_customers_words(matcher: Matcher) -> None:
    encoder = Encoder(matcher.profile, CountingBackend())
    encoder.encode(["my name is Ada and my card fails"], 96)
    assert "Ada" not in repr(vars(encoder._memory))


def test_many_threads_get_the_vectors_of_their_own_texts(matcher: Matcher) -> None:
    texts = [f"order {n} has not arrived" for n in range(24)]
    expected = matcher.encoder.encode(texts, 96)
    fresh = Encoder(matcher.profile, matcher.encoder.network)
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda text: fresh.encode([text], 96)[0], texts))
    assert np.allclose(found, expected, atol=1e-4)


class CountingBackend:
    """Notes what it was asked; the vectors mean nothing."""

    dimensions = 4

    def __init__(self) -> None:
        self.seen: list[str] = []

    def embed(self, texts: list[str], max_tokens: int) -> Vectors:
        self.seen += texts
        return np.full((len(texts), 4), 0.5, np.float32)
