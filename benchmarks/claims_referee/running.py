"""Reports of a scenario in chunks: seeded one by one, in processes, and kept in a folder to resume from.

A chunk is a file of rows, written whole. It counts for the same scenario, truth and code of the product.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import time
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import lru_cache
from multiprocessing import get_context
from pathlib import Path

import numpy as np

import radsweep.evaluation
from claims_referee.draws import Draw, Generator, Truth, roles
from claims_referee.fabricated import arm_name, fabricate, leader
from claims_referee.latent import Latent
from claims_referee.reading import Claims, claims
from claims_referee.ridge import Ridge
from claims_referee.scenario import Scenario
from claims_referee.scoring import Judge, Row, after_looks
from radsweep.filesystem import replacing

CHUNK = 25
PLANTED = 2**20  # added to a report's number, so that both phases have seeds of their own


@dataclass(frozen=True)
class Chunk:
    scenario: Scenario
    planted: bool
    first: int
    count: int
    draws: int  # of the generator, for the oracle

    def file(self, folder: Path) -> Path:
        phase = "planted" if self.planted else "null"
        return _folder(folder, self.scenario, self.draws) / _code() / f"{phase}-{self.first:06}-{self.count}.json"


def rows(chunks: Sequence[Chunk], folder: Path, jobs: int) -> Iterator[tuple[Chunk, list[Row]]]:
    """Rows of all chunks, those of earlier runs first."""
    open_chunks = []
    for chunk in chunks:
        path = chunk.file(folder)
        if path.is_file():
            yield chunk, json.loads(path.read_text(encoding="utf-8"))
        else:
            open_chunks.append(chunk)
    if jobs == 1:
        for chunk in open_chunks:
            yield chunk, _run(chunk, folder)
        return
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        running = {pool.submit(_run, chunk, folder): chunk for chunk in open_chunks}
        for ended in as_completed(running):
            yield running[ended], ended.result()


def truth_of(generator: Generator, draws: int, folder: Path) -> Truth:
    """Kept in the folder; two processes that make it at once make the same."""
    path = _folder(folder, generator.scenario, draws) / "truth.json"
    if not path.is_file():
        _write(path, generator.calibrate(draws))
    found: Truth = json.loads(path.read_text(encoding="utf-8"))
    return found


def generator_of(scenario: Scenario) -> Generator:
    return Ridge(scenario) if scenario.learner == "ridge" else Latent(scenario)


def report(generator: Generator, truth: Truth, planted: bool, number: int) -> Row:
    """One report: a draw, the sweep as it would be stored, the report's claims, and their score.

    Of each chunk's first report the whole page is made, of the others what report.json lists.
    """
    scenario, pool = generator.scenario, number % generator.pools
    rng = np.random.default_rng([zlib.crc32(scenario.name.encode()), number + PLANTED * planted])
    of_arms = roles(scenario, planted)
    draw = generator.draw(rng, of_arms, truth, pool)
    started = time.process_time()
    looks = [
        claims(fabricate(scenario, draw, seeds), scenario.full_metric, earlier, whole=number % CHUNK == 0)
        for earlier, seeds in enumerate(scenario.looks or (scenario.seeds,))
    ]
    seconds = time.process_time() - started
    row = Judge(scenario, truth, of_arms, pool).row(*_last(scenario, draw, looks))
    return {"number": number, **row, "seconds": round(seconds / len(looks), 3)}


def _last(scenario: Scenario, draw: Draw, looks: Sequence[Claims]) -> tuple[Claims, str]:
    return after_looks(looks), arm_name(leader(scenario, draw, scenario.most_seeds))


def _run(chunk: Chunk, folder: Path) -> list[Row]:
    generator = generator_of(chunk.scenario)
    truth = truth_of(generator, chunk.draws, folder)
    numbers = range(chunk.first, chunk.first + chunk.count)
    found = [report(generator, truth, chunk.planted, number) for number in numbers]
    _write(chunk.file(folder), found)
    return found


def _folder(folder: Path, scenario: Scenario, draws: int) -> Path:
    settings = json.dumps([dataclasses.asdict(scenario), draws])
    return folder / f"{scenario.name.replace('/', ' of ')} {hashlib.sha256(settings.encode()).hexdigest()[:8]}"


@lru_cache
def _code() -> str:
    """Hash of the code that a report's claims come from."""
    root = Path(radsweep.evaluation.__path__[0]).parent
    files = sorted(file for part in ("evaluation", "report", "store") for file in (root / part).rglob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()[:8]


def _write(path: Path, found: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as unfinished:
        unfinished.write_text(json.dumps(found), encoding="utf-8")
