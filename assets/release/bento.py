"""The Bento of the winner: built, started in a process of its own, and queried before anyone is promoted."""

import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dagster as dg
import httpx
import tenacity

from assets.contracts import checks_of
from assets.evaluation.gate import read_verdict
from assets.formats.table import HASH, Table, text
from assets.release.refit import what_serves
from assets.resources import Home
from assets.shown.tables import columns_shown
from assets.state.lake import fingerprint
from assets.state.made_here import publish_row, read_row
from models.bundle.agreement import agree
from models.bundle.bundle import bundle_hash, read_golden, read_items
from models.bundle.code import endpoint_files, files_hash
from models.mistakes import UserError

SHOWN = ("popularity", "markov")  # of the baselines, those that need no explanation
START_TIMEOUT_S = 120
BENTO = Table(
    "bento",
    "The winner as a Bento: built, started in a process of its own, and queried.",
    (
        text("tag", "of the Bento"),
        text("bundle_hash", "of the bundle in it", matches=HASH),
        text("answer", "to the first golden request, with the request; JSON"),
    ),
    optional=True,
    answers=True,
)


class BentoError(UserError):
    """The Bento does not build, start or answer as its bundle says; the message tells which."""


@dataclass(frozen=True)
class AnsweredBento:
    """A Bento that was started and gave its bundle's golden answers; `answer` is the first of them."""

    tag: str
    bundle_hash: str
    answer: dict[str, Any]


@dg.asset(
    pool="lake",
    kinds={"bentoml"},
    deps=["gate", "refit"],
    description=BENTO.words,
    metadata=columns_shown(BENTO),
)
def bento(home: Home) -> dg.MaterializeResult[None]:
    verdict = read_verdict(home)
    if not verdict.promote or verdict.winner is None:
        return dg.MaterializeResult(metadata={"packaged": "nothing: the gate promoted no model"})
    bundle = what_serves(home, verdict.winner).bundle
    started = time.monotonic()
    tag = build(bundle, baseline_folders(home, verdict.winner), home.folder("bentoml"))
    with served(tag, home.folder("bentoml")) as address:
        answer = ask_golden(address, bundle)
    digest = bundle_hash(bundle)
    _remember(home, AnsweredBento(tag, digest, answer))
    return dg.MaterializeResult(
        metadata={
            "tag": tag,
            "bundle hash": digest,
            "answer to a golden request": dg.MetadataValue.json(answer),
            "serve it": f"BENTOML_HOME={home.folder('bentoml')} bentoml serve {tag}",
            "seconds": round(time.monotonic() - started, 1),
        }
    )


def baseline_folders(home: Home, winner: str) -> dict[str, Path]:
    """The bundles that the endpoint shows beside the champion, by name; the champion itself left out."""
    store = home.bundles()
    return {name: store.current(name) for name in SHOWN if name != winner and store.has(name)}


def answered_bento(home: Home) -> AnsweredBento:
    """The Bento that answered last; raises LakeError when none has."""
    row = read_row(home.lake(), BENTO)
    return AnsweredBento(row["tag"], row["bundle_hash"], json.loads(row["answer"]))


def _remember(home: Home, bento: AnsweredBento) -> None:
    row = {
        "tag": bento.tag,
        "bundle_hash": bento.bundle_hash,
        "answer": json.dumps(bento.answer, sort_keys=True),
    }
    publish_row(home.lake(), BENTO, fingerprint("bento", bento.bundle_hash, bento.tag), row)


BENTO_CHECKS = checks_of(BENTO)


def build(bundle: Path, baselines: Mapping[str, Path], bentoml_home: Path) -> str:
    """Build the Bento of a bundle unless it is there, and return its tag; raises BentoError."""
    contents = {"bundle": bundle_hash(bundle), **{n: bundle_hash(path) for n, path in baselines.items()}}
    version = fingerprint(contents, files_hash(endpoint_files()))[:16]
    tag = f"nextplay:{version}"
    if (bentoml_home / "bentos" / "nextplay" / version / "bento.yaml").exists():
        return tag
    done = subprocess.run(
        [sys.executable, "-m", "serving.package", str(bundle), version, *map(str, baselines.values())],
        env=_environment(bentoml_home), capture_output=True, text=True, check=False,
    )  # fmt: skip
    if done.returncode != 0:
        raise BentoError(f"The Bento of {bundle.name} cannot be built: {done.stderr.strip()[-2000:]}")
    return str(json.loads(done.stdout.strip().splitlines()[-1])["tag"])


@contextmanager
def served(tag: str, bentoml_home: Path) -> Iterator[str]:
    """A Bento running on a free port of this machine; gives its address, raises BentoError if it fails."""
    port = _free_port()
    address = f"http://127.0.0.1:{port}"
    serve = ["bentoml", "serve", tag, "--host", "127.0.0.1", "--port", str(port)]
    command = [sys.executable, "-m", "serving.supervisor", *serve]  # it does not outlive a run that is killed
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
            env=_environment(bentoml_home),
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            _wait_until_ready(address, process)
            yield address
        except (httpx.HTTPError, BentoError) as error:
            output.seek(0)
            raise BentoError(f"{tag} does not serve: {error}\n{output.read()[-2000:]}") from error
        finally:
            process.terminate()
            try:
                process.wait(timeout=20)
            except subprocess.TimeoutExpired:
                process.kill()


def ask_golden(address: str, bundle: Path) -> dict[str, Any]:
    """Ask the bundle's golden requests; returns the first answer, raises BentoError when one differs."""
    items = read_items(bundle)
    first: dict[str, Any] = {}
    with httpx.Client(base_url=address, timeout=30) as client:
        for golden in read_golden(bundle):
            body = {"history": [items.ids[i] for i in golden.history], "k": len(golden.items)}
            response = client.post("/recommend", json=body)
            response.raise_for_status()
            answer = response.json()
            del answer["request_id"]  # drawn anew for each request
            scores = [item["score"] for item in answer["items"]]
            expected = {items.ids[i] for i in golden.items}
            if golden.history and not agree(scores, golden.scores, relative=False):  # this machine made them
                got = [item["item_id"] for item in answer["items"]]
                raise BentoError(
                    f"it answers {got} to {body['history']}, and the bundle says {sorted(expected)}."
                )
            first = first or {"request": body, "response": answer}
    return first


def _wait_until_ready(address: str, process: "subprocess.Popen[bytes]") -> None:
    def ready() -> bool:
        if process.poll() is not None:
            raise BentoError(f"the server ended with status {process.returncode} before it was ready.")
        try:
            return client.get(f"{address}/readyz").status_code == httpx.codes.OK
        except httpx.TransportError:
            return False

    try:
        with httpx.Client(timeout=2) as client:  # one: making it costs more than asking
            tenacity.Retrying(
                retry=tenacity.retry_if_result(lambda ok: not ok),
                wait=tenacity.wait_fixed(0.2),
                stop=tenacity.stop_after_delay(START_TIMEOUT_S),
            )(ready)
    except tenacity.RetryError:
        raise BentoError(f"the server was not ready after {START_TIMEOUT_S} s.") from None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _environment(bentoml_home: Path) -> dict[str, str]:
    """Without settings of the endpoint, however they are written: keys, a blocklist, or a pointer would make
    other answers than the bundle's, and an event store would take the check's requests for a player's.
    """
    inherited = {k: value for k, value in os.environ.items() if not k.upper().startswith("NEXTPLAY_")}
    return inherited | {"BENTOML_HOME": str(bentoml_home), "BENTOML_DO_NOT_TRACK": "True"}
