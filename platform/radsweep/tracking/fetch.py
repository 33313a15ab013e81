"""A sweep's records read from only MLflow, for use where the store is out of reach."""

from __future__ import annotations

from collections.abc import Iterable

from pydantic import ValidationError

from radsweep.config import keys
from radsweep.errors import InputError
from radsweep.store.records import CellRecord, PlannedCell, SweepRecord
from radsweep.store.store import QUERY_FILES, RECORD, Store


def fetch_sweep(uri: str, sweep: str, store: Store) -> SweepRecord:
    """Fetch the sweep of an id, or the latest whose name or id starts so; write its files to `store`.

    A sweep that still runs has the trials that have ended.

    Args:
        uri: from `tracking_uri`.
        store: a temporary one.

    Raises:
        InputError: MLflow cannot be read, has no such sweep, or none of its records.
    """
    from radsweep.tracking.reader import Reader  # MLflow's imports take a second

    reader = Reader(uri)
    own, *runs = reader.find(sweep)
    file = store.sweep_file(own.sweep)
    if own.cell or not reader.download(own, (file.name,), file.parent):
        raise InputError(_without(f"{reader.where}: the run of {own.sweep} has no {file.name}"))
    try:
        record = SweepRecord.model_validate_json(file.read_bytes())
    except ValidationError:
        raise InputError(f"{reader.where}: {own.sweep} was written by another version of radsweep") from None
    planned = {cell.key for cell in (*record.cells, *record.tuning)}
    ended, there = set[str](), set[str]()
    for run in runs:
        given_up = run.role in ("trial", "tuning") and planned and run.cell not in planned  # by a resumed sweep
        if run.cell in there or given_up:
            continue
        folder = store.stage_folder(run.cell) if run.role == "stage" else store.cell_folder(run.cell)
        if RECORD in reader.download(run, (RECORD, QUERY_FILES), folder):
            there.add(run.cell)
        if run.ended:
            ended.add(run.cell)
    lacking = ended - there
    if lacking and not there:
        raise InputError(_without(f"{reader.where}: no trial of {own.sweep} has its {RECORD}"))
    if lacking:
        note = f"Trials that ended, but whose {RECORD} MLflow lacks, so that they count as missing: {len(lacking)}."
        record = record.model_copy(update={"notes": (*record.notes, note)})
    if not record.cells and not record.tuning:
        records = ((run.place, store.read_cell(run.cell)) for run in runs if run.role == "trial")
        record = record.model_copy(update={"cells": tuple(_suggested(record, records))})
    store.write_sweep(record)
    return record


def _without(what: str) -> str:
    return (
        f"{what}; either an older radsweep mirrored it, or its artifacts cannot be read from here. "
        "Make the report from its store"
    )


def _suggested(sweep: SweepRecord, records: Iterable[tuple[int, CellRecord | None]]) -> Iterable[PlannedCell]:
    """The trials that a running search has asked for so far: its record names them when it ends."""
    space = sweep.space
    for place, record in records:
        if record is not None:
            values = {key: keys.get(record.trial, key) for key in space}
            yield PlannedCell(
                key=record.key,
                changes={key: value for key, value in values.items() if value is not None},
                pairs=keys.get(record.trial, "data.pairs"),
                subset_seed=keys.get(record.trial, "data.seed"),
                init_seed=keys.get(record.trial, "train.seed"),
                number=place,
            )
