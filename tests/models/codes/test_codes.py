"""Codebooks, the ids made with them, and the tree of these."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from models.bundle.attributes import TEXT, Attribute
from models.bundle.bundle import ItemTable
from models.codes import rqvae
from models.codes.codebooks import METHODS, Codebooks, Kept, book_size, fit_kmeans, nearest
from models.codes.ids import collisions, fit, neighbours_kept, perplexities, semantic_ids
from models.codes.trie import NONE, Trie
from models.codes.vocabulary import as_array
from models.content.vectors import ContentSpace


@pytest.fixture(autouse=True)
def few_epochs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rqvae, "EPOCHS", 30)


def clusters(seed: int = 0) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    """Vectors in four far groups of three near ones each, and which group each is of."""
    rng = np.random.default_rng(seed)
    group, within = np.repeat(np.arange(4), 30), np.tile(np.arange(3), 40)
    vectors = 10 * np.eye(6)[group] + np.eye(6)[3 + within] + 0.01 * rng.normal(size=(120, 6))
    return vectors.astype(np.float32), group


def catalogue(n: int) -> ItemTable:
    genres = [[f"genre {i % 4}", f"mood {i % 3}", f"studio {i % 5}"] for i in range(n)]
    ids = ["", *(f"i{i}" for i in range(n))]
    return ItemTable(ids, ids, np.ones(n + 1, np.int64), {"genres": Attribute(TEXT, [None, *genres])})


@pytest.mark.parametrize("method", METHODS)
def test_the_first_code_is_the_group_and_what_is_made_again_is_equal(method: str) -> None:
    vectors, group = clusters()
    books = fit(vectors, method, 4)
    codes = books.assign(vectors)
    assert codes.shape == (120, 3)
    assert len({(g, c) for g, c in zip(group.tolist(), codes[:, 0].tolist(), strict=True)}) == 4
    again = fit(vectors, method, 4)
    assert all(np.array_equal(a, b) for a, b in zip(books.books, again.books, strict=True))


def test_each_level_codes_what_the_ones_before_have_left_over() -> None:
    vectors, _ = clusters()
    books = fit_kmeans(vectors, 4)
    codes, left = books.assign(vectors), vectors
    errors = []
    for level, book in enumerate(books.books):
        of = np.array([((row - book) ** 2).sum(axis=1).argmin() for row in left])
        assert (of == codes[:, level]).all()
        left = left - book[of]
        errors.append(float((left**2).sum()))
    assert errors == sorted(errors, reverse=True) and errors[-1] < 0.1 * errors[0]


def test_of_those_equally_near_the_first_counts() -> None:
    book = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    assert nearest(np.array([[1, 1], [2, 0], [0, 3]], dtype=np.float32), book).tolist() == [0, 0, 1]


def test_fewer_different_vectors_than_codes_are_a_book_of_them() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0]], dtype=np.float32)
    books = fit_kmeans(vectors, 8)
    assert len(books.books[0]) == 2 and len(set(map(tuple, books.assign(vectors).tolist()))) == 2


@pytest.mark.parametrize(("items", "size"), [(1, 8), (400, 32), (6_000, 128), (12_101, 256), (10**6, 256)])
def test_books_grow_with_the_catalogue(items: int, size: int) -> None:
    assert book_size(items) == size


@pytest.mark.parametrize("method", METHODS)
def test_kept_books_give_the_same_codes_and_code_what_comes_later(method: str, tmp_path: Path) -> None:
    path, items = tmp_path / "codes" / "books.npz", catalogue(60)
    space = ContentSpace.fit(items)
    assert space is not None
    kept = Kept(space, fit(space.vectors(items), method, 8))
    kept.write(path)
    read, later = Kept.read(path), catalogue(70)
    assert read.codebooks.method == method
    before = kept.codebooks.assign(space.vectors(items))
    assert np.array_equal(read.codebooks.assign(read.space.vectors(later))[:61], before)
    assert [file.name for file in path.parent.iterdir()] == ["books.npz"]


def test_a_file_that_holds_objects_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "books.npz"
    np.savez(path, method=np.array([{"a": 1}], dtype=object))
    with pytest.raises(ValueError, match="pickle"):
        Kept.read(path)


codes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=40)


@given(codes, st.integers(0, 40), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_known_items_keep_their_ids_and_no_two_are_the_same(
    rows: list[tuple[int, int]], first: int, random: object
) -> None:
    names = [f"i{i:02}" for i in range(len(rows))]
    known = semantic_ids(names[:first], np.array(rows[:first]).reshape(-1, 2), {})
    order = list(range(len(rows)))
    random.shuffle(order)  # type: ignore[attr-defined]
    moved = np.array([(a, 3 - b) if i < first else (a, b) for i, (a, b) in enumerate(rows)])
    ids = semantic_ids([names[i] for i in order], moved[order], known)
    assert {name: ids[name] for name in known} == known
    assert len(set(ids.values())) == len(ids) == len(rows)
    assert all(ids[name][:-1] == tuple(moved[i]) for i, name in enumerate(names) if i >= first)


def test_an_id_that_is_taken_is_not_given_though_its_item_is_gone() -> None:
    known = {"gone": (1, 0), "here": (1, 2)}
    assert semantic_ids(["b", "a"], np.array([[1], [1]]), known) == {**known, "a": (1, 1), "b": (1, 3)}


def test_ids_of_a_vocabulary_need_all_its_items() -> None:
    ids = {"a": (0, 1), "b": (2, 0)}
    found = as_array(["", "b", "a"], ids)
    assert found is not None and found.tolist() == [[0, 0], [2, 0], [0, 1]]
    assert as_array(["", "b", "c"], ids) is None


def test_what_is_said_of_ids() -> None:
    ids = np.array([[0, 0, 0], [0, 0, 1], [0, 1, 0], [1, 0, 0]])
    assert collisions(ids) == (0.5, 2)
    assert perplexities(np.array([[0, 0], [1, 0], [2, 0], [3, 0]])) == pytest.approx([4])
    vectors, group = clusters()
    kept, chance = neighbours_kept(vectors, np.stack([group, group], axis=1))
    assert kept == 1 and chance == pytest.approx(29 / 119)
    assert np.isnan(neighbours_kept(vectors[:1], ids[:1])).all()


def test_the_tree_holds_each_beginning_once() -> None:
    trie = Trie.of(np.array([[0, 0], [2, 1], [0, 5], [2, 0], [1, 1]]))
    first, second = trie.levels
    assert first.codes.tolist() == [[0], [1], [2]] and first.of_item.tolist() == [NONE, 2, 0, 2, 1]
    assert second.codes.tolist() == [[0, 5], [1, 1], [2, 0], [2, 1]]
    assert second.parent.tolist() == [0, 1, 2, 2] and second.starts.tolist() == [0, 1, 2, 4]
    assert second.siblings.tolist() == [2, 3]
    with pytest.raises(ValueError, match="1 items"):
        Trie.of(np.array([[0, 0], [1, 1], [1, 1]]))


def test_an_item_of_which_nothing_is_known_has_an_id_too() -> None:
    vectors, _ = clusters()
    books: Codebooks = fit(np.concatenate([vectors, np.zeros((2, 6), np.float32)]), "kmeans", 4)
    ids = semantic_ids(["a", "b"], books.assign(np.zeros((2, 6), np.float32)), {})
    assert ids["a"][:-1] == ids["b"][:-1] and ids["a"] != ids["b"]
