"""Pages of nights for tests and pictures, of figures that nobody measured."""

from collections.abc import Mapping
from datetime import date, timedelta
from typing import Any

from pipelines.operator.overview.page import Night, Overview, Report, Serving

REPORT = "0123456789abcdef.html"
BEATEN = (
    "sasrec beats the champion: NDCG@10 0.3793 against 0.3741 on 4,000 users, a difference of +0.0052 whose "
    "95% interval (+0.0011 to +0.0093) lies above 0."
)
KINDS = (
    ("promoted", BEATEN),
    ("refused", "sasrec is not better than the champion: the interval of the difference holds 0."),
    ("failed at try 3", "raw_files: Cannot download plays.csv.gz: the host did not answer after 5 tries."),
    ("skipped", "Nothing to do: source, events, code and settings are those of run ff73377d."),
    ("interrupted", "The next run goes on from there."),
    ("not started", "NEXTPLAY_TABLE=plays.csv: there is no such file."),
)


def day(number: int) -> str:
    return (date(2026, 9, 1) + timedelta(days=number)).isoformat()


def leaderboard(number: int) -> list[dict[str, Any]]:
    figures = {
        ("sasrec", "candidate"): 0.37 + number / 1000,
        ("gru4rec", "candidate"): 0.36 + number / 1100,
        ("champion", "champion"): 0.365 + number / 1050,
        ("markov", "baseline"): 0.2 + number / 2000,
        ("popularity", "baseline"): 0.1,
    }
    names = ("ndcg_at_10", "ndcg_at_10_low", "ndcg_at_10_high")
    rows = [
        {"model": model, "role": role, "architecture": "sasrec" if role == "champion" else model}
        | dict(zip(names, (value, value - 0.01, value + 0.01), strict=True))
        for (model, role), value in figures.items()
        if number or role != "champion"  # none before the first night
    ]
    return sorted(rows, key=lambda row: -row["ndcg_at_10"])


def overview(nights: int, online: bool = True, words: str = BEATEN) -> Overview:
    """What is shown after so many nights."""
    days = [day(n) for n in range(nights)]
    shown = [
        Night(f"{when} 02:30", "schedule", outcome, words if outcome == "promoted" else said, "3 min 12 s",
              REPORT if outcome in ("promoted", "refused") else "")
        for n, when in enumerate(days)
        for outcome, said in [KINDS[n % len(KINDS)]]
    ][:-15:-1]  # fmt: skip
    reigns = [Serving(str(n + 1), "sasrec", f"{when} 02:34", words) for n, when in enumerate(days)][::-1]
    return Overview(
        made=f"{day(nights)} 02:41",
        home="/srv/nextplay/var",
        champion=reigns[0] if reigns else None,
        attention=["The champion was trained on other tables than the current ones."] if nights > 1 else [],
        next_night=f"{day(nights)} 02:30 UTC" if nights else "",
        nights=shown,
        reigns=reigns[:20],
        standings={when: leaderboard(n) for n, when in enumerate(days)},
        drift=[row for n in range(nights) for row in _drift(n)],
        drift_words=f"{days[-1]}: no measure is above its bound." if nights else "",
        online=[_online(n) for n in range(nights)] if online else [],
        reports=[Report(REPORT, f"{when} 02:33", "Promote sasrec") for when in days[-7:]],
    )


def _drift(number: int) -> list[Mapping[str, Any]]:
    values = {"item popularity": 0.01 + number % 5 / 200, "scores": 0.02, "unknown ids": 0.001 * (number % 3)}
    known = {"day": day(number), "bound": 0.05, "n": 100, "drifted": False}
    return [known | {"measure": measure, "value": value} for measure, value in values.items()]


def _online(number: int) -> Mapping[str, Any]:
    version, rate = str(1 + number // 20), 0.24 + number % 7 / 200
    known = {"day": day(number), "model_version": version, "requests": 120, "hits": round(rate * 120)}
    return known | {"hit_rate": rate, "low": rate - 0.07, "high": rate + 0.08}
