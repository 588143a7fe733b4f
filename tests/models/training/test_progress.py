"""How long a training will probably take, and the bar that shows it."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.training.progress import Progress, likely_epochs


@pytest.mark.parametrize(
    ("done", "best", "usual", "likely", "why"),
    [
        (1, 0, None, 5, "nothing is known: the least that a training takes"),
        (7, 7, None, 12, "validation still rises: patience from here"),
        (9, 7, None, 12, "it has not risen for two epochs: three are left"),
        (2, 2, 30, 30, "the last training took 30"),
        (29, 29, 30, 34, "this one goes on longer than the last"),
        (97, 97, None, 100, "no more than the most"),
    ],
)
def test_the_likely_epochs(done: int, best: int, usual: int | None, likely: int, why: str) -> None:
    assert likely_epochs(epochs=100, patience=5, done=done, best=best, usual=usual) == likely, why


@given(
    st.integers(1, 50),
    st.integers(1, 9),
    st.lists(st.floats(0, 1), min_size=1),
    st.none() | st.integers(1, 60),
)
def test_a_training_never_takes_more_than_was_likely_at_its_last_epoch(
    epochs: int, patience: int, ndcg: list[float], usual: int | None
) -> None:
    done, best = 0, 0
    while done < min(epochs, len(ndcg)) and done - best < patience:
        likely = likely_epochs(epochs, patience, done + 1, best, usual)
        assert done + 1 <= likely <= epochs
        best = done + 1 if ndcg[done] > max([0.0, *ndcg[:done]]) else best
        done += 1


def test_the_bar_ends_full_where_training_stops_early(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress("sasrec", shown=True) as bar:
        for epoch in (1, 2):
            bar.begin(epoch, likely=4, steps=3, ndcg=None if epoch == 1 else 0.25)
            for _ in range(3):
                bar.step(loss=2.5)
    last = capfd.readouterr().err.split("\r")[-1]
    assert re.search(r"sasrec: 100%.* 6/6 .*epoch=2 of about 4, loss=2.500, ndcg=0.2500", last)


def test_a_bar_that_is_not_wanted_writes_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with Progress("sasrec", shown=False) as bar:
        bar.begin(1, likely=4, steps=3, ndcg=None)
        bar.step(loss=2.5)
    assert capfd.readouterr().err == ""
