"""A sweep of the store from Python: its trials and effects as data frames, its report, what it selected."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Group, RenderableType

from radsweep.api.best import Best
from radsweep.api.reports import SweepReport
from radsweep.display import Shown
from radsweep.errors import InputError
from radsweep.store.records import SweepRecord
from radsweep.store.store import Store, store_folder
from radsweep.sweep.progress.status import SweepState, read_progress, sweep_state

if TYPE_CHECKING:
    import pandas as pd

    from radsweep.report.analysis.results import Results


def open_sweep(name: str, store: str | Path | None = None) -> Sweep:
    """Open a sweep of the store, also one that is still running.

    Args:
        name: id of the sweep, or its name: of several with one name, the latest.
        store: folder of the store; by default the environment variable RADSWEEP_STORE, else `~/radsweep`.

    Raises:
        InputError: the store has no such sweep. The message names the latest ones.

    Example:
        >>> import radsweep as rs
        >>> sweep = rs.open_sweep("small", store="store")
        >>> sweep.name, sweep.kind, sweep.status
        ('small', 'ablation', 'finished')
    """
    place = Store(store_folder(None if store is None else str(store)))
    return Sweep(place, place.read_sweep(name).id)


class Sweep(Shown):
    """A sweep and its results. `run` and `open_sweep` make it; `print` and a notebook show its table of results.

    Everything is read from the store when it is asked for, so that a running sweep shows what it has so far.

    Attributes:
        id: id of the sweep; its folder in the store has this name.
        store: the store that it is in.

    Example:
        >>> import radsweep as rs
        >>> sweep = rs.open_sweep("small", store="store")
        >>> print(sweep)
        Sweep small-...: finished
        ...
    """

    def __init__(self, store: Store, id: str) -> None:
        self.store, self.id = store, id

    @property
    def record(self) -> SweepRecord:
        """The record of the sweep in the store: its experiment, its plan, its data, its cost."""
        return SweepRecord.model_validate_json(self.store.sweep_file(self.id).read_bytes())

    @property
    def name(self) -> str:
        """Name of the experiment."""
        return self.record.name

    @property
    def kind(self) -> str:
        """`ablation`, `search` or `train`."""
        return self.record.kind

    @property
    def status(self) -> SweepState:
        """`running`, `finished`, `failed`, `interrupted`, or `cut short` if its process died."""
        record = self.record
        return sweep_state(record, read_progress(self.store, record))

    @property
    def folder(self) -> Path:
        """Folder of the sweep in the store."""
        return self.store.sweep_folder(self.id)

    def trials(self) -> pd.DataFrame:
        """All trials of the sweep, one row each, also those that have not run, failed or were stopped.

        Returns:
            A frame with the columns

            - `number`, `key`, `role` (`trial`; `tuning` if it only chose the settings of its arm; `reference` for a
              public model), `arm`, `pairs` (asked for), `subset_seed`, `init_seed`, and `fold` with cross-validation;
            - a column for each setting that differs between trials, such as `objective.local.weight`;
            - `status` (`finished`, `failed`, `stopped`, or `missing` if it has not run), `convergence` (`converged`,
              `still rising` or `cannot tell`), `steps`, `seconds` (training, evaluation and checkpoint), `error` (one
              line if it failed);
            - `val/...` of the selected checkpoint and `test/...`, empty where the design does not read the test
              split. Shares such as recall are between 0 and 1.

        Example:
            >>> import radsweep as rs
            >>> trials = rs.open_sweep("small", store="store").trials()
            >>> trials.groupby("arm")["test/text_to_image/recall_at_10"].mean().index.tolist()
            ['baseline', 'sentences']
        """
        from radsweep.api.frames import trials_frame

        record = self.record
        return trials_frame(record, self.store.read_records(record))

    def effects(self) -> pd.DataFrame:
        """Every comparison of an ablation with its baseline, as in the report: one row for each arm and size.

        Returns:
            A frame with the columns

            - `arm`, `pairs` (training pairs; empty for all), `metric`;
            - `difference`: arm minus baseline, over the replicates that both have. Recall and other shares
              are between 0 and 1: 0.05 is 5 points;
            - `low`, `high`: simultaneous 95 % interval of the difference, over patients and seeds;
            - `p_value`, and `p_adjusted`: after Bonferroni's correction over all comparisons, below 0.05 exactly if
              the interval excludes 0;
            - `verdict`: `helped`, `hurt`, `equivalent` (within `ablation.equivalence_margin`), `open`,
              `not converged`, `cannot be claimed`, or `same run` if the arm changed nothing;
            - `mean`, `baseline`: the metric of the arm and of the baseline over these replicates;
            - `replicates` that the comparison rests on, and `converged`: true if all its trials had converged;
            - `multiplier`, `multiplier_low`, `multiplier_high`: how many times the pairs the baseline would need to
              do as well, with the measured sizes that bracket it. An end is empty if it is beyond the measured
              sizes. `multiplier_trusted`: the report has no doubt about it;
            - `why`: reason for the verdict, or why a comparison has no interval.

            It has no rows for a search or a single trial.

        Example:
            >>> import radsweep as rs
            >>> effects = rs.open_sweep("small", store="store").effects()
            >>> effects[["arm", "pairs", "metric"]]
                     arm  pairs                           metric
            0  sentences     20  test/text_to_image/recall_at_10
            1  sentences     40  test/text_to_image/recall_at_10
            >>> bool((effects["low"] <= effects["high"]).all())
            True
        """
        from radsweep.api.frames import effects_frame

        return effects_frame(self._results())

    def report(self, folder: str | Path | None = None) -> SweepReport:
        """The report, written first if it is not there yet, if the sweep still runs, or if a folder is given.

        Args:
            folder: folder to write to; by default in the store.

        Returns:
            The path of `report.html`, which a notebook shows as a page. `report.md`, `report.json`, `best.yaml` and
            the figures are beside it.

        Example:
            >>> import radsweep as rs
            >>> report = rs.open_sweep("small", store="store").report()
            >>> report.path.name
            'report.html'
        """
        record = self.record
        where = self.store.report_folder(record) if folder is None else Path(folder)
        page = where / "report.html"
        if folder is not None or record.status == "running" or not page.exists():
            from radsweep.report.render.write import write_report
            from radsweep.store.ledger import read_ledger
            from radsweep.sweep.preparation.study_traits import traits_of

            cells = self.store.read_records(record)
            stages = self.store.read_stages_of(cells)
            ledger = read_ledger(self.store, record, cells)
            traits = traits_of(record, self.store)
            page = write_report(where, record, cells, self.store.read_queries, stages, ledger, traits).page
        return SweepReport(page)

    @property
    def best(self) -> Best:
        """The configuration that the report recommends (`best.yaml`): its settings and its checkpoint.

        Raises:
            InputError: nothing is recommended: no trial has finished yet, an ablation has no complete size, or its
                baseline failed too often.

        Example:
            >>> import radsweep as rs
            >>> model = rs.load_model(rs.open_sweep("small", store="store").best)
        """
        from radsweep.report.text.best import selection
        from radsweep.report.text.not_ranked import why_nothing

        record, results = self.record, self._results()
        chosen = selection(results)
        cell, joined = chosen.recommended, results.result(chosen.recommended)
        if why := why_nothing(results, chosen):
            raise InputError(f"{self.id}: {why}")
        if cell is None or joined is None or joined.record is None:
            raise InputError(f"{self.id}: no trial has finished yet; wait for one, or see `trials()` for their errors")
        found = joined.record
        return Best(
            folder=self.store.report_folder(record) / "winner",
            key=cell.key,
            arm=cell.arm,
            pairs=cell.pairs,
            changes=cell.changes | cell.tuned,
            metric=record.select,
            value=found.best[record.select],
            settings=found.trial,
            source=record.data.get("source") or {},
        )

    def _results(self) -> Results:
        from radsweep.report.analysis.results import join
        from radsweep.store.ledger import read_ledger

        record = self.record
        cells = self.store.read_records(record)
        stages, ledger = self.store.read_stages_of(cells), read_ledger(self.store, record, cells)
        return join(record, cells, self.store.read_queries, stages, ledger)

    def __rich__(self) -> RenderableType:
        from radsweep.report.render.terminal import terminal_table
        from radsweep.store.ledger import read_ledger

        record = self.record
        cells = self.store.read_records(record)
        table = terminal_table(record, cells, self.store.read_queries, read_ledger(self.store, record, cells))
        return Group(f"Sweep {self.id}: {self.status}", table)
