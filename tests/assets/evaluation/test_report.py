"""The gate report: what it says of a sound run, and that a planted fault shows on the page itself.

The tables are planted in a lake of their own, without training: small sequences, scorers that are known to be
right or wrong, and the real gate, audit and report.
"""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import dagster as dg
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from assets.evaluation.gate import GateConfig, gate
from assets.evaluation.leaderboard import recommendation_rows
from assets.evaluation.reporting.checks import checks
from assets.evaluation.reporting.comparisons import Compared
from assets.evaluation.reporting.evidence import RunEvidence, read_evidence
from assets.evaluation.reporting.facts import newest_facts, read_facts, write_facts
from assets.evaluation.reporting.page import Examined, examine, headline, lead, render
from assets.evaluation.sequence_audit import sequence_audit
from assets.resources import Gate, Home
from assets.sequences.attributes import FURTHER, TEXT_COLUMNS
from assets.shown.axis import Axis
from assets.shown.charts import interval
from models.baselines import Markov, Popularity
from models.bundle.bundle import ItemTable
from models.data import Sequences, leave_one_out
from models.evaluation.audit import shuffled_within
from models.evaluation.evidence import Override, Verdict
from models.evaluation.metrics import coverage, evaluate, per_user, summary
from models.evaluation.slices import Comparison
from models.evaluation.stats import bootstrap_interval

USERS, ITEMS = 400, 40
DESCRIBED = (*TEXT_COLUMNS, "price", "release_date", "early_access", FURTHER)  # columns of items
NASTY = "<script>alert(\"x\")</script> & 'Ünïcode' {{ 7 * 7 }}"


@dataclass
class Planted:
    """A run to report on: sequences, and the models by name, role and scorer."""

    sequences: Sequences
    models: list[tuple[str, str, object]] = field(default_factory=list)
    times: np.ndarray | None = None  # [interactions]


def walks(seed: int = 0) -> Sequences:
    """Users who mostly step from an item to the next one, and at times to a popular one; no item twice."""
    rng = np.random.default_rng(seed)
    users = []
    for _ in range(USERS):
        walk = [int(rng.integers(1, ITEMS + 1))]
        length = int(rng.integers(5, 16))
        while len(walk) < length:
            follows = walk[-1] % ITEMS + 1
            item = follows if rng.random() < 0.7 else int(ITEMS * rng.random() ** 3) + 1
            if item not in walk:
                walk.append(item)
        users.append(walk)
    return Sequences.from_lists(users, ITEMS)


class Knows:
    """A scorer that has seen the test: right for every user whose history it recognizes."""

    def __init__(self, histories: Sequences, targets: np.ndarray) -> None:
        self.answers = {tuple(histories.user(row)): target for row, target in enumerate(targets)}

    def score(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        scores = np.zeros((len(histories), ITEMS + 1), dtype=np.float32)
        for row, history in enumerate(histories):
            scores[row, self.answers.get(tuple(history), 0)] = 1
        return scores - np.linspace(0, 0.5, ITEMS + 1, dtype=np.float32)


class FailsLongHistories:
    """As good as another scorer, but upside down for histories of 13 items or more."""

    def __init__(self, scorer: Markov) -> None:
        self.scorer = scorer

    def score(self, histories: Sequence[np.ndarray]) -> np.ndarray:
        scores = self.scorer.score(histories)
        long = np.array([len(history) >= 13 for history in histories])
        scores[long, 1:] = -scores[long, 1:]
        return scores


def sound(sequences: Sequences, candidate: object | None = None) -> Planted:
    train = leave_one_out(sequences).train
    return Planted(
        sequences,
        [
            ("popularity", "baseline", Popularity.fit(train)),
            ("markov", "baseline", Markov.fit(train.rows(np.arange(40)), smoothing=50.0)),
            ("sasrec", "candidate", candidate or Markov.fit(train, smoothing=500.0)),
        ],
    )


def plant(home: Home, planted: Planted) -> None:
    """Fill the lake with the tables that a run leaves, then audit and judge them."""
    split, lake = leave_one_out(planted.sequences), home.lake()
    titles = ["", NASTY, *(f"Game {i}" for i in range(2, ITEMS + 1))]
    items = ItemTable(["", *(str(100 + 10 * i) for i in range(1, ITEMS + 1))], titles, split.train.counts())
    users = np.array([f"user{u:04d}" for u in range(len(planted.sequences))])
    length = planted.sequences.lengths
    user = np.repeat(np.arange(len(length)), length)
    position = np.arange(len(user)) - planted.sequences.offsets[user]
    from_end = length[user] - position
    rows, ranks, lists = [], [], []
    for name, role, scorer in planted.models:
        result = evaluate(scorer, split.test, k=20)
        validation = evaluate(scorer, split.validation, k=20)
        low, high = bootstrap_interval(per_user("ndcg@10", result.ranks), seed=0)
        rows.append(
            {
                "model": name, "role": role, "architecture": name.removeprefix("champion "),
                "bundle_hash": f"hash of {name}", "users": len(split.test), "plays": len(split.test),
                "validation_ndcg_at_10": summary(validation.ranks)["ndcg@10"],
                "ndcg_at_10_low": low, "ndcg_at_10_high": high,
                "coverage_at_10": coverage(result.items[:, :10], ITEMS),
                "coverage_at_20": coverage(result.items, ITEMS),
                "export_error": 0.0, "nan_users": 0, "unknown_targets": 0,
            }
            | {metric.replace("@", "_at_"): value for metric, value in summary(result.ranks).items()}
        )  # fmt: skip
        places = split.test.histories.lengths
        ranked = {"user_id": users, "position": places, "rank": result.ranks}
        ranks.append(pa.table({"model": [name] * len(users), **ranked}))
        lists.append(recommendation_rows(name, users, result.items, result.scores, items))
    tables = {
        "items": pa.table(
            {
                "item_index": pa.array(range(1, ITEMS + 1), pa.int32()), "item_id": items.ids[1:],
                "title": items.titles[1:], "count": pa.array(items.counts[1:], pa.int32()),
                **dict.fromkeys(DESCRIBED, pa.nulls(ITEMS)),
            }
        ),
        "sequences": pa.table(
            {
                "user_index": pa.array(user, pa.int32()), "user_id": users[user],
                "position": pa.array(position, pa.int32()), "item_index": planted.sequences.items,
                "split": np.where(from_end == 1, "test", np.where(from_end == 2, "validation", "train")),
                "timestamp": pa.nulls(len(user), pa.int64()) if planted.times is None else planted.times,
            }
        ),
        "split": pa.table({"name": ["leave-one-out"]}),
        "test_targets": pa.table(
            {
                "user_index": pa.array(split.test.users, pa.int32()),
                "position": pa.array(split.test.histories.lengths, pa.int32()),
            }
        ),
        "leaderboard": pa.Table.from_pylist(rows),
        "test_ranks": pa.concat_tables(ranks),
        "test_recommendations": pa.concat_tables(lists),
    }  # fmt: skip

    def write(paths: Mapping[str, Path]) -> None:
        for name, path in paths.items():
            pq.write_table(tables[name], path)

    lake.publish_many("0" * 64, list(tables), write)
    sequence_audit(home=home)
    gate(dg.build_asset_context(), home=home, gate_policy=Gate(), config=GateConfig())


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.parts: list[str] = []

    def handle_data(self, data: str) -> None:
        self.parts.append(data)


def text_of(page: str) -> str:
    """What a reader sees, white space joined."""
    parser = _Text()
    parser.feed(page.split("</style>")[1])
    return " ".join(" ".join(parser.parts).split())


def made(tmp_path: Path, planted: Planted) -> tuple[RunEvidence, str]:
    home = Home(path=str(tmp_path))
    plant(home, planted)
    run = read_evidence(home)
    return run, render(run)


def answer(page: str, question: str) -> str:
    """The check that asks the question, from its mark to what is expected."""
    text = text_of(page)
    found = re.search(re.escape(question) + r"(.*?)Expected:", text)
    assert found is not None, f"the page does not ask {question!r}"
    return found.group(1)


ALARM, FINE = "⚠ look here", "✓ as expected"
QUESTIONS = {
    "order": "Does the order of the histories tell anything?",
    "unseen": "Are the test items unseen?",
    "popularity": "Is the candidate more than popularity?",
    "validation": "Does the test agree with validation?",
    "slice": "Is any group worse off with sasrec than with markov?",
}
REFUSED_SLICE = "Would any group be worse off with sasrec, which was refused, than with markov?"


@pytest.fixture(scope="module")
def sound_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunEvidence, str]:
    return made(tmp_path_factory.mktemp("sound"), sound(walks()))


@pytest.mark.parametrize("check", QUESTIONS)
def test_a_sound_run_raises_no_alarm(sound_run: tuple[RunEvidence, str], check: str) -> None:
    assert FINE in answer(sound_run[1], QUESTIONS[check])


def test_shuffled_order_shows(tmp_path: Path) -> None:
    run, page = made(tmp_path, sound(shuffled_within(walks(), np.random.default_rng(1))))
    figures = {figure.name: figure for figure in run.audit}
    said = answer(page, QUESTIONS["order"])
    assert ALARM in said
    assert f"{figures['markov_real_order'].value:.4f} on the real order" in said
    assert f"{figures['gain_from_order'].low:+.4f} to" in said and figures["gain_from_order"].low <= 0
    assert "the order tells nothing that can be told from chance" in text_of(page)


def test_a_candidate_that_is_only_popularity_shows(tmp_path: Path) -> None:
    sequences = walks()
    _, page = made(tmp_path, sound(sequences, Popularity.fit(leave_one_out(sequences).train)))
    said = answer(page, QUESTIONS["popularity"])
    assert ALARM in said and "100.0% of its top 10 stand in popularity's top 10" in said


def test_a_candidate_that_has_seen_the_test_shows(tmp_path: Path) -> None:
    sequences = walks()
    test = leave_one_out(sequences).test
    run, page = made(tmp_path, sound(sequences, Knows(test.histories, test.targets)))
    said = answer(page, QUESTIONS["validation"])
    assert run.submitted is not None
    assert ALARM in said and "sasrec has NDCG@10 0.99" in said
    assert f"{run.submitted.row['validation_ndcg_at_10']:.4f} on validation" in said
    assert FINE in answer(page, QUESTIONS["unseen"])


def test_test_items_in_the_history_show(tmp_path: Path) -> None:
    sequences = walks()
    items = sequences.items.copy()
    last = sequences.offsets[1:17] - 1
    items[last] = items[last - 3]  # 16 users play an old item again
    run, page = made(tmp_path, sound(Sequences(items, sequences.offsets, ITEMS)))
    said = answer(page, QUESTIONS["unseen"])
    assert ALARM in said and "16 of 400 test items stand in their own user's history" in said
    said = answer(render(replace(run, exclude_seen=False)), QUESTIONS["unseen"])
    assert FINE in said and "16 of 400 test items" in said, "no fault where seen items are answers"


def test_a_slice_that_collapsed_shows(tmp_path: Path) -> None:
    sequences = walks()
    candidate = FailsLongHistories(Markov.fit(leave_one_out(sequences).train, smoothing=500.0))
    _, page = made(tmp_path, sound(sequences, candidate))
    said = answer(page, REFUSED_SLICE)
    assert ALARM in said and "length of the history: 13 to 14 items" in said
    row = re.search(r"13 to 14 items (\d+) ([\d.]+) ([\d.]+) (\S+) (\S+) to (\S+) (\S+)", text_of(page))
    assert row is not None
    users, own, other, difference, _, high, p = row.groups()
    assert int(users) > 50 and float(own) < 0.05 and float(other) > 0.1
    assert difference.startswith("−") and high.startswith("−") and p == "<0.001"


def test_a_group_that_was_away_for_long_shows_where_plays_are_dated(tmp_path: Path) -> None:
    sequences = walks()
    candidate = FailsLongHistories(Markov.fit(leave_one_out(sequences).train, smoothing=500.0))
    planted, day = sound(sequences, candidate), 86_400
    away = np.where(sequences.lengths >= 14, 100, 1 + np.arange(USERS) % 20) * day  # before the last play
    gaps = np.full(len(sequences.items), day)
    gaps[sequences.offsets[1:] - 1] = away
    planted.times = 1_500_000_000 + np.cumsum(gaps)
    run, page = made(tmp_path, planted)
    assert run.gaps is not None and run.gaps.tolist() == away.tolist()
    row = re.search(r"more than (\d+) days (\d+) ([\d.]+) ([\d.]+) (\S+) (\S+) to (\S+) (\S+)", text_of(page))
    assert row is not None
    days, users, own, other, difference, _, high, p = row.groups()
    assert 10 <= int(days) < 100 and int(users) >= (sequences.lengths >= 14).sum()
    assert float(own) < float(other) and difference.startswith("−") and high.startswith("−") and p == "<0.001"
    assert "no groups by recency" not in text_of(page)


def test_undated_plays_have_no_groups_by_recency(sound_run: tuple[RunEvidence, str]) -> None:
    text = text_of(sound_run[1])
    assert "The plays have no times, so there are no groups by recency." in text
    assert "time since the play before" not in text


def test_the_slice_that_is_named_is_one_that_is_surely_worse(sound_run: tuple[RunEvidence, str]) -> None:
    other = sound_run[0].best_baseline
    assert other is not None

    def compared(label: str, difference: float, p: float) -> Compared:
        result = Comparison(30, 0.2 + difference, 0.2, difference, difference - 0.1, difference + 0.1, p)
        return Compared(other, "kind", label, result, p)

    slices = [compared("few users", -0.15, 0.2), compared("many users", -0.1, 0.01), compared("fine", 0.1, 0)]
    found = {check.question: check for check in checks(sound_run[0], slices)}[QUESTIONS["slice"]]
    assert found.suspicious and "1 of 3 slices are. The worst is “kind: many users”" in found.found
    (calm,) = [c for c in checks(sound_run[0], slices[::2]) if c.question == QUESTIONS["slice"]]
    assert not calm.suspicious and "0 of 2 slices are. The worst is “kind: few users”" in calm.found


def test_a_refused_candidate_that_is_worse_asks_nobody_for_anything(
    sound_run: tuple[RunEvidence, str], tmp_path: Path
) -> None:
    """Who is worse and than whom is told; a person has nothing to do about a model that does not serve."""
    other = sound_run[0].best_baseline
    assert other is not None and sound_run[0].verdict.promote
    worse = Compared(other, "kind", "many", Comparison(30, 0.1, 0.2, -0.1, -0.2, -0.05, 0.01), 0.01)
    refused = replace(
        sound_run[0], verdict=replace(sound_run[0].verdict, promote=True, winner="markov", reasons=["Worse."])
    )
    for run, question, to_do in ((sound_run[0], QUESTIONS["slice"], True), (refused, REFUSED_SLICE, False)):
        path = tmp_path / f"{to_do}.html"
        examined = Examined([], [worse], checks(run, [worse]))
        write_facts(path, run, examined, "run", datetime(2026, 11, 28, tzinfo=UTC))
        facts = read_facts(path)
        (told,) = [alarm for alarm in facts["alarms"] if alarm.startswith(question)]
        assert (told in facts["for_a_person"]) == to_do
        assert len(facts["alarms"]) - len(facts["for_a_person"]) == (not to_do)


def test_the_verdict_and_its_reasons_come_first(sound_run: tuple[RunEvidence, str]) -> None:
    run, page = sound_run
    text = text_of(page)
    places = [text.index(part) for part in (headline(run), run.verdict.reasons[0], "Leaderboard", "Examples")]
    assert places == sorted(places)
    assert headline(run) == "Promote sasrec"
    for reason in run.verdict.reasons:
        assert reason in text


def test_every_model_stands_on_the_page_with_its_interval(sound_run: tuple[RunEvidence, str]) -> None:
    run, page = sound_run
    text = text_of(page)
    for model in run.models:
        low, high = model.row["ndcg_at_10_low"], model.row["ndcg_at_10_high"]
        assert f"{model.row['ndcg_at_10']:.4f} {low:.4f} to {high:.4f}" in text
    (difference,) = (e for e in run.verdict.estimates if e.compared_with == "markov")
    assert f"{difference.difference:+.4f} {difference.low:+.4f} to {difference.high:+.4f}" in text


def test_examples_show_history_truth_and_both_lists(sound_run: tuple[RunEvidence, str]) -> None:
    run, page = sound_run
    articles = page.split("<article>")[1:]
    assert len(articles) == 20
    drawn = sorted(run.first_plays.tolist(), key=lambda u: hashlib.sha256(run.users[u].encode()).hexdigest())
    for number, (user, article) in enumerate(zip(drawn, articles, strict=False), start=1):
        assert f"<h3>User {number}</h3>" in article
        text = text_of("</style>" + article)
        assert f"and next {run.items.titles[run.targets[user]]}" in text
        assert article.count("<li>") == 20
        for model in (run.submitted, run.best_baseline):
            assert f"ranks it {model.ranks[user]}" in text


def test_no_user_is_named(sound_run: tuple[RunEvidence, str]) -> None:
    """A page is kept, and handed on, for longer than somebody may want to be known."""
    run, page = sound_run
    assert not any(user in page for user in run.users.tolist())


def test_titles_are_escaped(sound_run: tuple[RunEvidence, str]) -> None:
    _, page = sound_run
    assert NASTY in text_of(page), "the title stands in an example, so that the test says something"
    assert "<script" not in page
    assert "&lt;script&gt;" in page and "49" not in re.findall(r"Ünïcode&#39; (\S+)", page)


def test_the_page_needs_no_other_file_and_is_the_same_again(sound_run: tuple[RunEvidence, str]) -> None:
    run, page = sound_run
    assert not re.search(r"""src=|href=|url\(|@import|https?://""", page)
    assert render(run) == page
    assert "prefers-color-scheme: dark" in page and "@media print" in page


def test_a_champion_is_compared_and_drawn(tmp_path: Path) -> None:
    planted = sound(walks())
    train = leave_one_out(planted.sequences).train
    planted.models.append(("champion", "champion", Markov.fit(train, smoothing=50.0)))
    _, page = made(tmp_path, planted)
    text = text_of(page)
    assert "sasrec against champion (champion)" in text and "sasrec against markov, the best baseline" in text
    assert 'class="mark champion"' in page
    assert "minus champion (champion)" in text


def test_an_override_stands_beside_the_verdict(sound_run: tuple[RunEvidence, str]) -> None:
    verdict = replace(sound_run[0].verdict, override=Override("the <new> season starts", "Ada"))
    page = render(replace(sound_run[0], verdict=verdict))
    assert "Overridden by Ada: the <new> season starts" in text_of(page)


def test_a_refusal_says_who_stays(sound_run: tuple[RunEvidence, str]) -> None:
    refused = replace(sound_run[0].verdict, promote=False, winner="markov", reasons=["It is worse."])
    text = text_of(render(replace(sound_run[0], verdict=refused)))
    assert "Do not promote sasrec" in text and "markov stays champion." in text and "It is worse." in text


def test_without_a_candidate_the_page_still_says_so(sound_run: tuple[RunEvidence, str]) -> None:
    baselines = sound_run[0].with_role("baseline")
    verdict = Verdict(False, None, ["No candidate was submitted."])
    text = text_of(render(replace(sound_run[0], models=baselines, verdict=verdict)))
    assert "Do not promote There is no champion." in text and "No candidate was submitted." in text
    assert "popularity baseline" in text


def test_an_axis_spans_all_values_with_round_ticks() -> None:
    axis = Axis.over([-0.12, 0.31, float("nan")])
    assert axis.ticks == pytest.approx((-0.2, 0, 0.2, 0.4))
    assert axis.x(-0.2) == pytest.approx(6) and axis.x(0.4) == pytest.approx(94)
    assert Axis.over([]).high > 0


def test_an_interval_without_ends_is_a_mark_alone() -> None:
    nan = float("nan")
    axis = Axis.over([1.0])
    assert 'class="span' not in interval(axis, nan, 0.5, nan, "candidate")
    assert 'class="span candidate"' in interval(axis, 0.4, 0.5, 0.6, "candidate")


def test_the_page_carries_when_which_run_and_which_versions(sound_run: tuple[RunEvidence, str]) -> None:
    shown = {"of": "2026-11-28 02:41 UTC", "run": "3f2a", "sasrec": "version 7"}
    page = render(replace(sound_run[0], stamp=shown))
    assert "Nextplay gate report · of 2026-11-28 02:41 UTC · run 3f2a · sasrec version 7" in text_of(page)
    assert "gate report, 2026-11-28 02:41 UTC</title>" in page


def test_candidate_and_champion_of_one_architecture_are_told_apart(
    sound_run: tuple[RunEvidence, str],
) -> None:
    run, shown = sound_run[0], {"sasrec": "version 8", "champion until now": "version 6"}
    refused = replace(run.verdict, promote=False, winner="sasrec")
    told = lead(replace(run, verdict=refused, stamp=shown))
    assert told.startswith("sasrec (version 8) was submitted: ")
    assert told.endswith("sasrec (version 6) stays champion.")


def test_the_page_says_what_ndcg_is_with_its_right_values(sound_run: tuple[RunEvidence, str]) -> None:
    text = text_of(sound_run[1])
    assert "how near the top of ten recommendations the item stands that a user really took next" in text
    second, tenth = per_user("ndcg@10", np.array([2, 10], dtype=np.int32))
    assert f"second place counts {second:.2f}, tenth {tenth:.2f}" in text
    assert text.index("NDCG@10 says how near") < text.index("Why")


def test_a_count_of_checks_cannot_be_read_as_a_mark(
    sound_run: tuple[RunEvidence, str], tmp_path: Path
) -> None:
    """How many are well, and how many are not, in words."""
    calm = text_of(sound_run[1])
    assert "checks for faults no alarm all 5 are as expected" in calm
    assert "None of the 5 checks asks for a look." in calm
    _, page = made(tmp_path, sound(shuffled_within(walks(), np.random.default_rng(1))))
    count = page.count("⚠ look here")
    words = (
        "1 alarm 4 of 5 are as expected: see below" if count == 1 else f"{count} alarms {5 - count} of 5 are"
    )
    assert f"checks for faults {words}" in text_of(page)
    assert "1 of 5 checks" not in text_of(page)


def test_what_is_said_of_a_report_elsewhere_lies_beside_it(tiny_run) -> None:
    event = tiny_run.materialization("report")
    path = Path(event.metadata["report"].path)
    facts, page = read_facts(path), text_of(path.read_text(encoding="utf-8"))
    verdict = tiny_run.materialization("gate").metadata["verdict"].value
    assert facts == newest_facts(path.parent)
    assert facts["run_id"] in page and facts["headline"] in page and facts["lead"] in page
    assert f"{facts['made'][:16].replace('T', ' ')} UTC" in page
    assert facts["why"] in verdict or facts["why"].startswith("NDCG@10 ")
    assert page.count("⚠ look here") == len(facts["alarms"])
    assert page.count("⚠ look here") + page.count("✓ as expected") == facts["checks"]
    for alarm in facts["alarms"]:
        assert alarm.split("? ")[1] in page and alarm in event.metadata["alarms"].value
    versions = {version.version for version in tiny_run.home.tracking().versions()}
    named = re.findall(r"(gru4rec|sasrec) version (\d+)", page)
    assert {name for name, _ in named} == {"gru4rec", "sasrec"} and {v for _, v in named} <= versions


def test_a_report_of_before_says_nothing_elsewhere(tmp_path: Path) -> None:
    assert newest_facts(tmp_path) == read_facts(tmp_path / "old.html") == {}


def test_a_run_keeps_its_report_in_the_home_and_in_mlflow(tiny_run) -> None:
    event = tiny_run.materialization("report")
    path = Path(event.metadata["report"].path)
    assert path.parent == tiny_run.home.folder("reports")
    assert event.metadata["kept in MLflow"].value
    kept = list(tiny_run.home.folder("mlflow", "artifacts").rglob(f"report/{path.name}"))
    assert [copy.read_bytes() for copy in kept] == [path.read_bytes()]
    page = path.read_text(encoding="utf-8")
    assert event.metadata["verdict"].text in text_of(page)
    assert "validation NDCG@10" in page and 'class="learning"' in page


def test_the_anchor_is_named_for_what_it_is(sound_run: tuple[RunEvidence, str]) -> None:
    run, _ = sound_run
    best = run.named("markov")
    assert best is not None
    anchor = replace(best, name="anchor", role="anchor", row={**best.row, "role": "anchor"})
    text = text_of(render(replace(run, models=[*run.models, anchor])))
    assert f"anchor ({best.row['architecture']})" in text and "best champion of late" in text
    assert "The anchor is the best champion of late" not in text_of(render(run))


def test_the_leak_check_of_the_page_is_the_gate_s_own(sound_run: tuple[RunEvidence, str]) -> None:
    """Without a number on validation it asks for a look, where it was left out before."""
    run, _ = sound_run
    candidate = run.submitted
    assert candidate is not None
    silent = replace(candidate, row={**candidate.row, "validation_ndcg_at_10": float("nan")})
    models = [silent if model is candidate else model for model in run.models]
    (check,) = [c for c in examine(replace(run, models=models)).checks if "validation" in c.question]
    assert check.suspicious
