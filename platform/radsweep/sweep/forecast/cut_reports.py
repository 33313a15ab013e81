"""Count the reports that text towers will not read in full, before a sweep is started."""

from __future__ import annotations

from collections.abc import Iterable

from radsweep.config.trial import Trial
from radsweep.data.loading.decode import ShardIndex
from radsweep.data.text.tokenizer import ReportTokenizer, TokenisedReports, load_tokenizer
from radsweep.data.text.truncation import cut_notes
from radsweep.sweep.preparation.prepare import new_tokenizer


def notes_on_cut_reports(trials: Iterable[Trial], shards: ShardIndex) -> list[str]:
    """A sentence for each tokenizer and length that cut reports of the pairs. Nothing is written.

    Raises:
        InputError: a tokenizer cannot be loaded.
    """

    made: dict[tuple[str, str, int], str] = {}  # tokenizers
    read: dict[str, tuple[ReportTokenizer, list[TokenisedReports]]] = {}
    notes: dict[str, None] = {}
    for text in dict.fromkeys(trial.model.text for trial in trials):
        tower = (text.backbone, text.weights, text.vocabulary)
        if tower not in made:
            made[tower] = new_tokenizer(text, shards)
        tokenizer = made[tower]
        if tokenizer not in read:
            loaded = load_tokenizer(tokenizer)
            read[tokenizer] = loaded, [loaded.tokenise(texts, shards.joined) for texts in shards.reports.values()]
        loaded, parts = read[tokenizer]
        notes |= dict.fromkeys(cut_notes(text, loaded.special, parts))
    return list(notes)
