"""The page of players who play again: which figures stand beside each other."""

from benchmarks.repeats import line


def row(model: str, role: str, validation: float, test: float) -> dict[str, object]:
    return {"model": model, "role": role, "validation_ndcg_at_10": validation, "ndcg_at_10": test}


def test_the_network_is_chosen_on_validation_and_the_baseline_on_test() -> None:
    rows = [
        row("optimum", "optimum", 0.5, 0.5),
        row("sasrec", "candidate", 0.41, 0.40),
        row("gru4rec", "candidate", 0.40, 0.42),
        row("blend", "candidate", 0.43, 0.44),
        row("markov", "baseline", 0.30, 0.25),
        row("most_recent", "baseline", 0.29, 0.32),
    ]
    assert line({"seed": 1, "rows": rows}) == (
        "| 1 | 0.5000 | sasrec | 0.4000 | most_recent | 0.3200 | 1.250 | 0.4400 |"
    )


def test_a_sample_without_a_known_optimum_or_a_blend_has_empty_cells() -> None:
    rows = [row("sasrec", "candidate", 0.41, 0.40), row("markov", "baseline", 0.30, 0.25)]
    assert line({"seed": 2, "rows": rows}) == "| 2 |  | sasrec | 0.4000 | markov | 0.2500 | 1.600 |  |"
