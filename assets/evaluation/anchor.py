"""The anchor: the best champion of late, kept as the bundle that was judged, and compared with every night.

It stays while nights replace one champion by another that is as good; what they lose in all is measured
against it. What serves becomes the anchor where it beats it, or after its days where it is as good.
"""

import time

from assets.resources import Home
from assets.state.champions import Anchor
from models.evaluation.evidence import Evidence, Policy, Verdict
from models.evaluation.gate import anchor_yields

SECONDS_A_DAY = 86_400


def best_of_late(
    home: Home, verdict: Verdict, serves: Evidence | None, anchor: Evidence | None, policy: Policy
) -> Evidence | None:
    """The anchor after a verdict, of what serves from then on and the anchor until then.

    A person's choice is the anchor, whatever it is worth.
    """
    known = anchor if anchor is not None and anchor.error is None else None
    if serves is None or serves.error is not None:
        return known
    if verdict.promote and verdict.override is not None:
        return serves
    return serves if anchor_yields(serves, known, _days_since_it_served(home, known), policy) else known


def settle_anchor(home: Home, digest: str) -> None:
    """Keep the bundle of a hash as the anchor once promotion is through; note when it last served."""
    champions = home.champions()
    kept, now = champions.anchor(), champions.whole()
    if not digest or now is None:
        return
    if kept is None or kept.bundle_hash != digest:
        folder = home.bundles().with_hash(digest)
        if folder is not None:
            champions.set_anchor(Anchor(folder.name, digest, time.time()))
    elif now.twin_hash == digest:
        champions.set_anchor(Anchor(kept.bundle, digest, time.time()))


def _days_since_it_served(home: Home, anchor: Evidence | None) -> float:
    kept = home.champions().anchor()
    if kept is None or anchor is None or kept.bundle_hash != anchor.bundle_hash:
        return 0.0
    return max(time.time() - kept.last_served, 0.0) / SECONDS_A_DAY
