"""The audit of a finished run."""

import base64

from assets.evaluation.sequence_audit import read_figures
from models.evaluation.audit import describe


def test_a_run_publishes_its_audit_and_says_it_in_words(tiny_run) -> None:
    figures = {figure.name: figure for figure in read_figures(tiny_run.home.lake())}
    assert figures["gain_from_order"].low > 0, "the sample's process is sequential"
    assert figures["markov_real_order"].low < figures["markov_real_order"].value
    event = tiny_run.materialization("sequence_audit")
    assert event.metadata["in words"].text == describe(list(figures.values()))
    picture = event.metadata["NDCG@10 by order"].md_str
    assert picture.startswith("![What the order tells](data:image/svg+xml;base64,")
    drawn = base64.b64decode(picture.partition("base64,")[2].rstrip(")")).decode()
    assert f"{figures['markov_real_order'].value:.4f}" in drawn
