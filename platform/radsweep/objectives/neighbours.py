"""Nearest-neighbour positives (DeCLIP, Li et al. 2022, section 3.2.3), sound where data are few.

DeCLIP's bank is larger than a small data set, so that a report's nearest neighbour would be its own stale embedding;
it starts with random vectors, differs between workers and is in no checkpoint. This one is none of that.
Shapes: B studies of the global batch, S places of the bank, D embedding width, k candidates a query.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from radsweep.config.objective import Neighbours
from radsweep.objectives.infonce import infonce
from radsweep.objectives.views import Rows, TermOutput, Views, Widths


class Nearest(NamedTuple):
    """Nearest neighbour of each query. If none is `found`, the other fields mean nothing."""

    features_BD: Tensor  # without gradient
    similarity_B: Tensor  # cosine
    found_B: Tensor  # bool


class NeighbourBank(nn.Module):
    """Text embeddings of the studies seen last, at most as many as the trial trains on; one entry a study.

    Its state is in buffers, so that a checkpoint holds it; equal batches make it equal on all workers.
    """

    features: Tensor  # [S, D], of unit length
    studies: Tensor  # int64 [S], rows in the training split; -1 is empty
    patients: Tensor  # int64 [S]
    place: Tensor  # int64, where the next new study goes

    def __init__(self, settings: Neighbours, widths: Widths) -> None:
        super().__init__()
        size = min(settings.bank, widths.studies)
        self.register_buffer("features", torch.zeros(size, widths.dim))
        self.register_buffer("studies", torch.full((size,), -1))
        self.register_buffer("patients", torch.full((size,), -1))
        self.register_buffer("place", torch.tensor(0))

    @property
    def full(self) -> bool:
        return bool((self.studies >= 0).all())

    @torch.no_grad()
    def nearest(self, text_BD: Tensor, rows: Rows) -> Nearest:
        """The entry most like each text by cosine, of another study and another patient than its own; exact."""
        import faiss  # not at the top: trials without this term do without

        faiss.omp_set_num_threads(torch.get_num_threads())  # its own threads, as many as the trial may have
        index = faiss.IndexFlatIP(self.features.shape[1])
        index.add(self.features.float().cpu().numpy())
        most = int(self.patients.unique(return_counts=True)[1].max())  # entries that a query may have to pass over
        found = index.search(text_BD.float().cpu().numpy(), min(most + 1, len(self.studies)))
        similarity_Bk, place_Bk = (torch.from_numpy(part).to(text_BD.device) for part in found)
        other_study_Bk = self.studies[place_Bk] != rows.study_B[:, None]
        allowed_Bk = other_study_Bk & (self.patients[place_Bk] != rows.patient_B[:, None])
        best_B1 = allowed_Bk.int().argmax(dim=1, keepdim=True)
        features_BD = self.features[place_Bk.gather(1, best_B1).squeeze(1)]
        return Nearest(features_BD, similarity_Bk.gather(1, best_B1).squeeze(1), allowed_Bk.any(dim=1))

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
        self.place.fill_(place)


def neighbours(views: Views, settings: Neighbours) -> TermOutput:
    """InfoNCE of the image views and their report's nearest neighbour, both ways (DeCLIP's code: only image to text).

    Searched with the first text view before the batch is put into the bank, so call it once a step, on the whole
    batch; a bank in evaluation mode takes nothing in. Until the bank is full nothing is drawn and the loss is 0. A
    study whose every candidate is its own patient's is left out.
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
            loss = infonce(Views(images_FD, (positive_FD,), views.scale))
            logged["neighbours_similarity"] = float(nearest.similarity_B[found_B].mean())
    if bank.training:
        bank.add(text_BD, rows)
    return TermOutput(loss, logged)
