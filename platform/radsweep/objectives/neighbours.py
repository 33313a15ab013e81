"""Nearest-neighbour positives (DeCLIP, Li et al. 2022, section 3.2.3), sound where data are few.

DeCLIP's bank is larger than a small data set, so that a report's nearest neighbour would be its own stale embedding;
it starts with random vectors, differs between workers and is in no checkpoint. This one is none of that. Nor does it
return the report's own text in another study, which is as near and as little of a further positive.
Shapes: B studies of the global batch, S places of the bank, D embedding width, k candidates a query.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from radsweep.config.objective import Neighbours
from radsweep.objectives.infonce import half_sum
from radsweep.objectives.relations import only_itself, signs
from radsweep.objectives.views import Relations, Rows, TermOutput, Views, Widths, mean


class Nearest(NamedTuple):
    """Nearest neighbour of each query. If none is `found`, the other fields mean nothing."""

    features_BD: Tensor  # without gradient
    similarity_B: Tensor  # cosine
    place_B: Tensor  # in the bank
    found_B: Tensor  # bool


class NeighbourBank(nn.Module):
    """Text embeddings of the studies seen last, at most as many as the trial trains on; one entry a study.

    Its state is in buffers, so that a checkpoint holds it; equal batches make it equal on all workers.
    """

    features: Tensor  # [S, D], of unit length
    studies: Tensor  # int64 [S], rows in the training split; -1 is empty
    patients: Tensor  # int64 [S]
    reports: Tensor  # int64 [S], as `Rows.report_B`
    seen: Tensor  # int64 [S], as `Rows.seen_BV` of the first view, which the features are of
    place: Tensor  # int64, where the next new study goes

    def __init__(self, settings: Neighbours, widths: Widths) -> None:
        super().__init__()
        size = min(settings.bank, widths.studies)
        self.register_buffer("features", torch.zeros(size, widths.dim))
        self.register_buffer("studies", torch.full((size,), -1))
        for name in ("patients", "reports", "seen"):
            self.register_buffer(name, torch.full((size,), -1))
        self.register_buffer("place", torch.tensor(0))

    @property
    def full(self) -> bool:
        return bool((self.studies >= 0).all())

    @torch.no_grad()
    def nearest(self, text_BD: Tensor, rows: Rows) -> Nearest:
        """The entry most like each text by cosine, of another study, patient and text than its own; exact."""
        import faiss  # not at the top: trials without this term do without

        faiss.omp_set_num_threads(torch.get_num_threads())  # its own threads, as many as the trial may have
        index = faiss.IndexFlatIP(self.features.shape[1])
        index.add(self.features.float().cpu().numpy())
        own = (
            (self.studies, rows.study_B),
            (self.patients, rows.patient_B),
            (self.reports, rows.report_B),
            (self.seen, rows.seen_BV[:, 0]),
        )
        # no query has to pass over more entries than this
        most = 1 + sum(int(entry_S.unique(return_counts=True)[1].max()) for entry_S, _ in own[1:])
        found = index.search(text_BD.float().cpu().numpy(), min(most + 1, len(self.studies)))
        similarity_Bk, place_Bk = (torch.from_numpy(part).to(text_BD.device) for part in found)
        forbidden_Bk = torch.stack([entry_S[place_Bk] == query_B[:, None] for entry_S, query_B in own]).any(dim=0)
        best_B1 = (~forbidden_Bk).int().argmax(dim=1, keepdim=True)
        place_B, similarity_B = (values_Bk.gather(1, best_B1).squeeze(1) for values_Bk in (place_Bk, similarity_Bk))
        return Nearest(self.features[place_B], similarity_B, place_B, ~forbidden_Bk.all(dim=1))

    def relation(self, place_F: Tensor, rows: Rows, relations: Relations | None) -> Tensor | None:
        """The relation of each study and the neighbour of each, as in `Relations`; None if it is plain.

        The neighbour of study j is also a positive of study i if it reads the same as the neighbour or the text of i,
        or if the texts of i and j do.

        Args:
            place_F: of the neighbours.
            rows: the studies, as many.
            relations: of these studies.
        """
        report_F, seen_F, patient_F = (column_S[place_F] for column_S in (self.reports, self.seen, self.patients))
        same_FF = (report_F[:, None] == report_F) | (seen_F[:, None] == seen_F) | (rows.report_B[:, None] == report_F)
        same_FF |= (rows.seen_BV[:, :, None] == seen_F).any(dim=1)
        if relations is None:
            return None if only_itself(same_FF) else signs(same_FF)
        same_FF |= relations.texts_BB[0] > 0
        return signs(same_FF, rows.patient_B[:, None] == patient_F if relations.ignores_patient else None)

    @torch.no_grad()
    def add(self, text_BD: Tensor, rows: Rows) -> None:
        """Put the batch in: a study that has an entry into its place, a new one where the oldest entry began."""
        studies, place = self.studies.tolist(), int(self.place)
        place_of = {study: number for number, study in enumerate(studies) if study >= 0}
        row_of: dict[int, int] = {}  # of the batch, by the place it is written to
        for row, study in enumerate(rows.study_B.tolist()):
            if study not in place_of:
                place_of.pop(studies[place], None)
                studies[place], place_of[study] = study, place
                place = (place + 1) % len(studies)
            row_of[place_of[study]] = row
        places_W = torch.tensor(list(row_of), device=self.studies.device)
        rows_W = torch.tensor(list(row_of.values()), device=self.studies.device)
        self.features[places_W] = text_BD[rows_W].to(self.features.dtype)
        self.studies[places_W] = rows.study_B[rows_W]
        self.patients[places_W] = rows.patient_B[rows_W]
        self.reports[places_W] = rows.report_B[rows_W]
        self.seen[places_W] = rows.seen_BV[rows_W, 0]
        self.place.fill_(place)


def neighbours(views: Views, settings: Neighbours) -> TermOutput:
    """InfoNCE of the image views and their report's nearest neighbour, both ways (DeCLIP's code: only image to text).

    Searched with the first text view before the batch is put into the bank, so call it once a step, on the whole
    batch; a bank in evaluation mode takes nothing in. Until the bank is full nothing is drawn and the loss is 0. A
    study whose every candidate is its own patient's, or reads as its own report, is left out.
    """
    bank, rows = views.heads.get("neighbours"), views.rows
    if not isinstance(bank, NeighbourBank) or rows is None:
        raise ValueError("neighbours need their bank, and the studies and patients of the batch")
    text_BD = views.text_BD[0].detach()
    loss, logged = views.image_BD[0].sum() * 0, {"neighbours_found": 0.0}
    if bank.full:
        nearest = bank.nearest(text_BD, rows)
        found_B = nearest.found_B
        logged["neighbours_found"] = float(found_B.double().mean())
        if found_B.any():
            images_FD = tuple(image_BD[found_B] for image_BD in views.image_BD)
            positive_FD = nearest.features_BD[found_B].to(images_FD[0].dtype)
            relations = None if views.relations is None else views.relations.of(found_B)
            relation_FF = bank.relation(nearest.place_B[found_B], rows.of(found_B), relations)
            loss = mean([half_sum(views.scale * image_FD @ positive_FD.T, relation_FF) for image_FD in images_FD])
            logged["neighbours_similarity"] = float(nearest.similarity_B[found_B].mean())
    if bank.training:
        bank.add(text_BD, rows)
    return TermOutput(loss, logged)
