"""Commands that show results."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from radsweep.cli.arguments import REPORT_FOLDER, Changes, Json, StoreOption
from radsweep.errors import InputError

if TYPE_CHECKING:
    from radsweep.store.records import SweepRecord
    from radsweep.store.store import Store


def report(
    sweeps: Annotated[
        list[str],
        typer.Argument(
            metavar="SWEEP...",
            help="Name or id; a name means its latest sweep. Several sweeps are compared in one report.",
        ),
    ],
    store: StoreOption = None,
    tracking_uri: Annotated[
        str | None, typer.Option("--tracking-uri", metavar="URI", help="Read only this MLflow, not a store.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", parser=REPORT_FOLDER, help="New folder for the report; default: in the store."),
    ] = None,
    form: Annotated[
        Literal["csv", "latex", "json"] | None,
        typer.Option(
            "--format",
            help="Print every comparison as CSV or as a LaTeX table, or the whole report as JSON, on standard output.",
        ),
    ] = None,
    show_examples: Annotated[
        bool,
        typer.Option(
            "--show-examples",
            help="Also write gallery.html: queries that each arm gained and lost, with reports and images of patients. "
            "It is written to --out or the working directory, only for you, and is never sent to MLflow.",
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Write a sweep's report again, also while the sweep runs.

    Several sweeps on one data set give one report of all their arms, compared with the baseline of the first.
    """
    from tempfile import TemporaryDirectory

    from radsweep.cli.show_examples import gallery_file, write_examples
    from radsweep.report.analysis.results import join
    from radsweep.report.render.latex import render_latex
    from radsweep.report.render.long_table import refuse_other_kinds, render_csv
    from radsweep.report.render.write import write_report
    from radsweep.store.kept_checkpoints import link_winner
    from radsweep.store.ledger import read_ledger
    from radsweep.store.merge import merge
    from radsweep.store.store import Store, store_folder
    from radsweep.sweep.preparation.study_traits import traits_of
    from radsweep.tracking.address import tracking_uri as checked
    from radsweep.tracking.fetch import fetch_sweep

    if as_json and form not in (None, "json"):
        raise InputError(f"--json and --format {form} print two things; give one of them")
    as_json = as_json or form == "json"
    place = Store(store_folder(store))
    with TemporaryDirectory(prefix="radsweep-") as fetched:
        if tracking_uri is None:
            source = place
            records = [source.read_sweep(name) for name in sweeps]
        else:
            source = Store(Path(fetched))
            records = [fetch_sweep(checked(tracking_uri, place.root), name, source) for name in sweeps]
        record = records[0] if len(records) == 1 else merge(records)
        if form in ("csv", "latex"):
            refuse_other_kinds(record, form)
        gallery = gallery_file(out, record, place) if show_examples else None
        folder = out or place.report_folder(record)
        cells = source.read_records(record)
        stages, ledger = source.read_stages_of(cells), read_ledger(source, record, cells)
        traits = traits_of(record, place)
        written = write_report(folder, record, cells, source.read_queries, stages, ledger, traits)
        if out is None and tracking_uri is None and len(records) == 1 and record.status != "running":
            link_winner(place, folder, written.selection)
        results = join(record, cells, source.read_queries, stages, ledger)
        if form in ("csv", "latex"):
            print({"csv": render_csv, "latex": render_latex}[form](results), end="")
        else:
            tell(source, record, as_json, folder, tracking_uri)
        if gallery is not None:
            write_examples(gallery, record, place, results, quietly=form is not None or as_json)


def ui(
    store: StoreOption = None,
    port: Annotated[int, typer.Option(help="Port on this machine.", min=1, max=65535)] = 5000,
    experiment: Annotated[str | None, typer.Option(help="Print links to the saved views of this experiment.")] = None,
) -> None:
    """Serve the MLflow UI of the store."""
    from radsweep.store.store import Store, store_folder
    from radsweep.tracking.address import tracking_uri
    from radsweep.tracking.ui import serve_ui

    place = Store(store_folder(store))
    experiment = experiment or next((record.name for record in reversed(place.sweeps())), None)
    serve_ui(tracking_uri(None, place.root), place.root, port, experiment)


def evaluate(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL",
            help="Folder of a finished trial's checkpoint; or hub id or folder of a public vision-language model.",
        ),
    ],
    data: Annotated[str, typer.Option(metavar="SHARDS", help="Folder of a packed data set, or s3://...")],
    split: Annotated[Literal["test", "validation"], typer.Option(help="Split to evaluate on.")] = "test",
    task: Annotated[
        list[str] | None,
        typer.Option(
            metavar="TASK",
            help="Additional task to evaluate: local_retrieval, zero_shot, linear_probe, class_retrieval; repeatable.",
        ),
    ] = None,
    changes: Changes = None,
    queries: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the result of each study as Parquet: ids, ranks, scores.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Evaluate a checkpoint, or a public model as it is, on a packed data set.

    Measures retrieval in both directions on the full pool of a split, and the additional tasks, each number next to its
    chance level. Settings of tasks are those of an experiment file: --set evaluate.zero_shot.prompts=mine.yaml
    """
    from radsweep.api.evaluation import evaluate as measured
    from radsweep.config.load import parse_changes

    found = measured(model, data, task or (), split=split, overrides=parse_changes(changes or ()), queries=queries)
    _results(dataclasses.asdict(found), found.table(), as_json)
    if not as_json:
        for note in found.notes:
            print(f"Note: {note}")


def tell(
    store: Store, record: SweepRecord, as_json: bool, folder: Path | None = None, tracking_uri: str | None = None
) -> None:
    """Print a sweep's table of results and the places of the rest."""
    from radsweep.report.render.terminal import terminal_table
    from radsweep.store.ledger import read_ledger
    from radsweep.tracking.address import sanitise_uri

    folder = folder or store.report_folder(record)
    if as_json:
        print((folder / "report.json").read_text(encoding="utf-8"), end="")
        return
    cells = store.read_records(record)
    ledger = read_ledger(store, record, cells)
    _results(None, terminal_table(record, cells, store.read_queries, ledger), False)
    said = json.loads((folder / "report.json").read_text(encoding="utf-8"))["report"]
    if said["why_nothing_is_recommended"]:
        print(said["why_nothing_is_recommended"])
    for name, sentence in {"best.yaml": said["chosen"], "candidate.yaml": said["candidate"]}.items():
        if sentence:
            print(f"{name}: {sentence}")
    print(f"Report: {folder / 'report.html'}")
    uri = tracking_uri or (record.run.tracking_uri if record.run else None)
    print(f"MLflow: {sanitise_uri(uri) if uri else f'radsweep ui --store {store.root}'}")


def _results(values: Any, table: Any, as_json: bool) -> None:
    from radsweep.cli.output import show

    if as_json:
        print(json.dumps(values, indent=1))
    else:
        show(table)
