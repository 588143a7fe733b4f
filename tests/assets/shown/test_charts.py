"""Charts: what a reader must find in them; that they are whole, the same again, and of one palette."""

import base64
import re
from itertools import pairwise
from math import nan
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import Markup

from assets.shown.axis import Axis
from assets.shown.charts import (
    ROLES,
    STYLE,
    Interval,
    Line,
    Notes,
    Plane,
    alone,
    bar_chart,
    beside,
    interval_chart,
    line_chart,
    markdown_image,
)
from assets.shown.plots import (
    audit_chart,
    drift_chart,
    leaderboard_chart,
    learning_curve,
    online_chart,
    size_chart,
)
from assets.shown.sparkline import BARS, sparkline
from models.evaluation.audit import Figure

SVG = "{http://www.w3.org/2000/svg}"
OKABE_ITO = {"#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7"}
NASTY = "<script>alert(1)</script> & \"Ünï\" 'code'"
CURVE = [{"epoch": 1.0, "ndcg": 0.1, "loss": 7.0}, {"epoch": 2.0, "ndcg": 0.3, "loss": 5.5}]


def tree(chart: Markup) -> ElementTree.Element:
    """The chart as a file of its own, which has to be well-formed XML."""
    return ElementTree.fromstring(alone(chart))


def texts(chart: Markup) -> list[str]:
    return [node.text or "" for node in tree(chart).iter(f"{SVG}text")]


def classes(chart: Markup) -> list[str]:
    return [node.get("class", "") for node in tree(chart).iter()]


def row(model: str, role: str, value: float) -> dict[str, object]:
    interval = {"ndcg_at_10_low": value - 0.01, "ndcg_at_10_high": value + 0.01}
    return {"model": model, "role": role, "ndcg_at_10": value} | interval


def days(n: int, **more: object) -> list[dict[str, object]]:
    return [{"day": f"2026-11-{1 + day:02d}", "value": 0.1 * day, "bound": 0.2} | more for day in range(n)]


CHARTS = {
    "leaderboard": lambda: leaderboard_chart([row("a", "champion", 0.2), row("b", "candidate", 0.1)]),
    "audit": lambda: audit_chart(
        [Figure("popularity", 0.1, 0.09, 0.11), Figure("id_correlation", 0.6, 0.5, 0.7)]
    ),
    "curve": lambda: learning_curve(CURVE, "ndcg", "validation NDCG@10"),
    "loss": lambda: learning_curve(CURVE[:1], "loss", "training loss"),
    "drift": lambda: drift_chart(days(3, measure="popularity moved") + days(1, measure="unknown games")),
    "online": lambda: online_chart(
        [{"day": "2026-11-01", "model_version": "7", "hit_rate": 0.2, "low": 0.1, "high": 0.3}]
    ),
    "sizes": lambda: size_chart({1: 5, 8: 1}),
    "nothing": lambda: size_chart({}),
}  # fmt: skip


@pytest.mark.parametrize("chart", CHARTS)
def test_every_chart_is_whole_and_the_same_again(chart: str) -> None:
    drawn = CHARTS[chart]()
    page = alone(drawn)
    assert page == alone(CHARTS[chart]())
    assert "nan" not in page.lower().replace("domin", "") and "inf" not in page
    root = ElementTree.fromstring(page)
    assert root.tag == f"{SVG}svg" and float(root.get("width", "0")) > float(root.get("height", "0")) > 0
    assert "http" not in page.replace("http://www.w3.org/2000/svg", ""), "it needs nothing from elsewhere"


@pytest.mark.parametrize("chart", CHARTS)
def test_every_class_has_its_style_and_no_colour_stands_elsewhere(chart: str) -> None:
    drawn = CHARTS[chart]()
    assert "#" not in re.sub(r"&#\d+;", "", drawn)
    styled = set(re.findall(r"\.([a-z]+)", STYLE.read_text()))
    layout = {"chart", "learning", "row", "tick", "spare"}  # they get their place from the page
    used = {name for names in classes(drawn) for name in names.split()}
    assert used - layout <= styled


def test_colours_are_those_of_okabe_and_ito_one_a_role() -> None:
    light, dark = STYLE.read_text().split("@media")
    colours = dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", light))
    assert [colours[role] in OKABE_ITO for role in ROLES] == [True] * 4 + [False]
    red, green, blue = (colours["other"][n : n + 2] for n in (1, 3, 5))
    assert red == green == blue, "baselines are grey"
    assert len({colours[role] for role in ROLES}) == len(ROLES)
    assert dict(re.findall(r"--([a-z]+): (#[0-9a-f]{6})", dark))["champion"] in OKABE_ITO


def test_a_leaderboard_names_and_places_every_model_with_its_interval() -> None:
    models = [row("sasrec", "candidate", 0.3), row("old", "champion", 0.2), row("markov", "baseline", 0.1)]
    chart = leaderboard_chart(models)
    said = texts(chart)
    for model in models:
        value = model["ndcg_at_10"]
        assert f"{model['model']} ({model['role']})" in said
        assert f"{value:.4f} ({value - 0.01:.4f} to {value + 0.01:.4f})" in said
    marks = [name for name in classes(chart) if name.startswith("mark")]
    assert marks == ["mark candidate", "mark champion", "mark other"]
    spans = [node for node in tree(chart).iter(f"{SVG}line") if node.get("class", "").startswith("span")]
    places = [(float(span.get("x1")[:-1]), float(span.get("x2")[:-1])) for span in spans]
    assert all(low < high for low, high in places) and places == sorted(places, reverse=True)
    assert "test NDCG@10, full catalogue, 95 % interval over users" in said


def test_a_value_without_an_interval_is_a_mark_alone() -> None:
    chart = interval_chart([Interval("a", "other", nan, 0.5, nan)], "unit")
    assert "0.5000" in texts(chart) and not any(name.startswith("span") for name in classes(chart))


def test_words_from_the_data_are_text_and_no_markup() -> None:
    chart = interval_chart([Interval(NASTY, "other", 0.1, 0.2, 0.3)], NASTY, NASTY)
    assert texts(chart).count(NASTY) == 3
    line = Line(NASTY, "champion", [0, 1], [1, 2])
    plane = Plane(Axis.named([NASTY, "b"]), Axis.over([2]), NASTY, NASTY)
    assert texts(line_chart(plane, [line], Notes(moments={0: NASTY}, events={1: NASTY}))).count(NASTY) == 6


@pytest.mark.parametrize("share", [0.05, 3.0])
def test_the_bound_of_a_drift_chart_is_in_the_picture(share: float) -> None:
    rows = [{"day": "2026-11-01", "measure": "unknown games", "value": 0.2 * share, "bound": 0.2}]
    root = tree(drift_chart(rows))
    height = float(root.find(f"{SVG}svg").get("viewBox").split()[3])
    lines = [node for node in root.iter(f"{SVG}line") if node.get("class") in ("zero", "grid")]
    zero, bound = [float(node.get("y1")) for node in lines if node.get("class") == "zero"]
    assert 0 < bound < zero < height
    assert all(0 < float(node.get("y1")) < height for node in lines)


def test_an_audit_says_how_order_and_id_correlate() -> None:
    assert "Order and id correlate 0.60 (95 % interval 0.50 to 0.70)" in texts(CHARTS["audit"]())


def test_labels_at_the_ends_of_lines_do_not_overlap() -> None:
    lines = [Line(f"line {n}", "other", [0, 1], [0.5, 0.5 + n / 1000]) for n in range(4)]
    plane = Plane(Axis.named(["a", "b"]), Axis.over([1]), "x", "y", right=100)
    nodes = [
        node for node in tree(line_chart(plane, lines)).iter(f"{SVG}text") if "line" in (node.text or "")
    ]
    heights = {node.text: float(node.get("y")) for node in nodes}
    assert sorted(heights, key=heights.__getitem__, reverse=True) == [f"line {n}" for n in range(4)]
    in_order = sorted(heights.values())
    assert all(below - above >= 17.9 for above, below in pairwise(in_order))


def test_events_close_to_each_other_stand_on_lines_of_their_own() -> None:
    plane = Plane(Axis.over([60]), Axis.over([1]), "day", "y")
    chart = line_chart(plane, [], Notes(events={12: "killed in training", 14: "truncated file", 50: "late"}))
    heights = {node.text: float(node.get("y")) for node in tree(chart).iter(f"{SVG}text")}
    assert heights["truncated file"] < heights["killed in training"] == heights["late"]


def test_an_interval_of_a_line_is_a_band_around_it() -> None:
    line = Line("a", "champion", [0, 1], [0.5, 0.6], low=[0.4, 0.5], high=[0.6, 0.7])
    plane = Plane(Axis.named(["a", "b"]), Axis.over([1]), "x", "y")
    (band,) = tree(line_chart(plane, [line])).iter(f"{SVG}polygon")
    points = [tuple(map(float, point.split(","))) for point in band.get("points", "").split()]
    assert points == [
        pytest.approx(plane.at(x, y), abs=0.06) for x, y in ((0, 0.4), (1, 0.5), (1, 0.7), (0, 0.6))
    ]


def test_bars_stand_on_the_axis_and_are_as_high_as_their_values() -> None:
    plane = Plane(Axis.named(["a", "b"]), Axis.over([10]), "x", "y")
    bars = [
        node for node in tree(bar_chart(plane, [10, 5])).iter(f"{SVG}rect") if "bar" in node.get("class", "")
    ]
    heights = [float(bar.get("height")) for bar in bars]
    assert heights == [pytest.approx(200), pytest.approx(100)]
    assert {float(bar.get("y")) + float(bar.get("height")) for bar in bars} == {232.0}


def test_a_logarithmic_axis_has_powers_of_ten() -> None:
    axis = Axis.decades([159, 109_070])
    assert axis.texts == ("100", "1,000", "10,000", "100,000", "1,000,000")
    assert axis.share(10_000) == pytest.approx(0.5)


def test_an_axis_for_a_loss_need_not_start_at_0() -> None:
    axis = Axis.tight([5.5, 7.0])
    assert axis.low == 5.5 and axis.high == 7 and axis.texts[0] == "5.5"
    assert Axis.tight([3.0]).high > 3


def test_of_many_names_an_axis_writes_three() -> None:
    assert Axis.named([str(n) for n in range(12)]).texts == tuple(map(str, range(12)))
    assert Axis.named([str(n) for n in range(31)]).texts == ("0", "15", "30")


def test_days_that_are_not_shown_take_no_place() -> None:
    said = texts(drift_chart(days(30, measure="old") + days(2, measure="new"), days=5))
    assert "2026-11-26" in said and "2026-11-01" not in said
    assert "old" in said and "new" not in said, "a measure without a day that is shown has no line"


def test_charts_beside_each_other_keep_their_titles() -> None:
    panel = CHARTS["curve"]()
    chart = beside([("left", panel), ("right", panel)], 480, 256, "two curves")
    root = tree(chart)
    titles = {n.text: float(n.get("x")) for n in root.iter(f"{SVG}text") if n.text in ("left", "right")}
    assert titles["right"] - titles["left"] == 480
    assert float(root.get("width")) == 2 * 480 + 32


def test_an_image_for_markdown_holds_the_whole_file() -> None:
    chart = CHARTS["curve"]()
    found = re.fullmatch(
        r"!\[A curve\]\(data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)\)", markdown_image(chart, "A curve")
    )
    assert found is not None and base64.b64decode(found[1]).decode() == alone(chart)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=40))
def test_a_sparkline_has_a_bar_for_each_value_in_their_order(values: list[float]) -> None:
    line = sparkline(values)
    assert len(line) == len(values)
    for one, other in zip(range(len(values)), range(1, len(values)), strict=False):
        assert (BARS.index(line[one]) <= BARS.index(line[other])) or values[one] > values[other]
    assert line[values.index(max(values))] == max(line)


def test_a_sparkline_by_hand() -> None:
    assert sparkline([0, 3, 7]) == "▁▄█" and sparkline([0.2, 0.2]) == "▅▅" and sparkline([]) == ""
