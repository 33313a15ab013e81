"""Nearest-neighbour positives against a plain bank of lists in float64, and what a bank must never do."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest
import torch

from radsweep.config.objective import Neighbours
from radsweep.objectives.neighbours import NeighbourBank, neighbours
from radsweep.objectives.views import Rows, TermOutput, Views, Widths

D, B = 6, 5
SCALE = 3.0


def unit(rows: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, D, dtype=torch.float64, generator=generator), dim=-1)


def rows_of(
    studies: torch.Tensor, patients: torch.Tensor, reports: list[int] | None = None, seen: list[list[int]] | None = None
) -> Rows:
    """By default each study has a text of its own."""
    report = 1000 + studies if reports is None else torch.tensor(reports)
    return Rows(
        studies, patients, report, 1000 + studies[:, None].expand(-1, 2) if seen is None else torch.tensor(seen)
    )


def bank_of(size: int, studies: int = 100) -> NeighbourBank:
    widths = Widths(image=3, text=3, tokens=3, token_embeddings=3, vocabulary=9, dim=D, studies=studies)
    return NeighbourBank(Neighbours(weight=1, bank=size), widths).double()


def views_of(text: torch.Tensor, studies: list[int], patients: list[int], bank: NeighbourBank, seed: int = 0) -> Views:
    images = tuple(unit(len(text), 1000 + 2 * seed + view).requires_grad_() for view in range(2))
    rows = rows_of(torch.tensor(studies), torch.tensor(patients))
    return Views(
        images, (text, unit(len(text), 3)), torch.tensor(SCALE).double(), rows=rows, heads={"neighbours": bank}
    )


def step(text: torch.Tensor, studies: list[int], patients: list[int], bank: NeighbourBank, seed: int = 0) -> TermOutput:
    return neighbours(views_of(text, studies, patients, bank, seed), Neighbours(weight=1))


def value(output: TermOutput) -> float:
    return float(output.loss.detach())


def filled(size: int, patients: list[int], seed: int = 7) -> NeighbourBank:
    """Study n of patient `patients[n]`."""
    bank = bank_of(size)
    bank.add(unit(size, seed), rows_of(torch.arange(size), torch.tensor(patients)))
    return bank


@dataclass
class Entry:
    study: int
    patient: int
    text: np.ndarray


@dataclass
class PlainBank:
    """What the bank is meant to be: the oldest entry leaves first, a study has one entry."""

    size: int
    entries: list[Entry] = field(default_factory=list)

    def add(self, new: Entry) -> None:
        for number, entry in enumerate(self.entries):
            if entry.study == new.study:
                self.entries[number] = new
                return
        self.entries = [*self.entries, new][-self.size :]

    def nearest(self, query: Entry) -> Entry | None:
        others = [e for e in self.entries if e.study != query.study and e.patient != query.patient]
        return max(others, key=lambda e: float(e.text @ query.text)) if others else None


def plain_loss(images: list[np.ndarray], queries: list[Entry], found: list[Entry | None]) -> float:
    """A neighbour that two studies share is a positive of both, and so is a neighbour that is the study itself."""
    pairs = [(row, query, entry) for row, (query, entry) in enumerate(zip(queries, found, strict=True)) if entry]
    same = np.array([[b.study in (a.study, query.study) for _, _, b in pairs] for _, query, a in pairs])
    losses = []
    for image in images:
        logits = np.array([[SCALE * image[i] @ entry.text for _, _, entry in pairs] for i, _, _ in pairs])
        for table, positive in ((logits, same), (logits.T, same.T)):
            rows = zip(table, positive, strict=True)
            losses.append(np.mean([math.log(np.exp(row).sum()) - row[ones].mean() for row, ones in rows]))
    return float(np.mean(losses))


def test_the_loss_is_infonce_against_the_neighbours_of_a_plain_bank() -> None:
    """Twelve steps over 14 studies of 6 patients: filling, refreshing, pushing out."""
    bank, plain = bank_of(8), PlainBank(8)
    generator = np.random.default_rng(0)
    drawn = 0
    for number in range(12):
        studies = generator.choice(14, B, replace=False).tolist()
        patients = [study % 6 for study in studies]
        text = unit(B, 50 + number)
        queries = [Entry(s, p, text[row].numpy()) for row, (s, p) in enumerate(zip(studies, patients, strict=True))]
        views = views_of(text, studies, patients, bank, number)
        output = neighbours(views, Neighbours(weight=1))
        if len(plain.entries) < plain.size:
            assert value(output) == 0
        else:
            expected = plain_loss(
                [image.detach().numpy() for image in views.image_BD],
                queries,
                [plain.nearest(query) for query in queries],
            )
            assert value(output) == pytest.approx(expected, abs=1e-6)
            drawn += 1
        for query in queries:
            plain.add(query)
        held = {(int(s), int(p)) for s, p in zip(bank.studies, bank.patients, strict=True) if s >= 0}
        assert held == {(entry.study, entry.patient) for entry in plain.entries}
    assert drawn >= 8


def test_never_the_sample_s_own_id_or_patient() -> None:
    """Nine studies of one patient and all texts the same but a little noise: the nearest are forbidden ones."""
    patients = [0] * 9 + [1] * 2 + [2]
    base = unit(1, 1)
    bank = bank_of(12)
    text = torch.nn.functional.normalize(base + 1e-3 * unit(12, 2), dim=-1)
    rows = rows_of(torch.arange(12), torch.tensor(patients))
    bank.add(text, rows)
    nearest = bank.nearest(text, rows)
    assert nearest.found_B.all()
    for row in range(12):
        allowed = [n for n in range(12) if n != row and patients[n] != patients[row]]
        best = max(allowed, key=lambda n: float(text[n] @ text[row]))
        assert float(nearest.similarity_B[row]) == pytest.approx(float(text[best] @ text[row]), abs=1e-6)
        (place,) = (bank.features == nearest.features_BD[row]).all(dim=1).nonzero()
        assert int(bank.studies[place]) in allowed


def test_identical_texts_of_the_own_patient_are_passed_over() -> None:
    bank = bank_of(6)
    text = unit(1, 1).expand(6, D)
    bank.add(text, rows_of(torch.arange(6), torch.tensor([0, 0, 0, 0, 0, 1])))
    bank.features[5] = unit(1, 2)[0]  # the one other patient is far away
    nearest = bank.nearest(text[:2], rows_of(torch.tensor([0, 77]), torch.tensor([0, 0])))
    assert nearest.found_B.tolist() == [True, True]
    assert torch.equal(nearest.features_BD, bank.features[[5, 5]])


def test_nothing_is_drawn_before_the_bank_is_full() -> None:
    bank = bank_of(10)
    first = views_of(unit(B, 1), list(range(5)), list(range(5)), bank)
    output = neighbours(first, Neighbours(weight=1))
    assert value(output) == 0
    assert output.logged == {"neighbours_found": 0.0}
    output.loss.backward()
    assert not first.image_BD[0].grad.any()
    assert value(step(unit(B, 2), list(range(5)), list(range(5)), bank)) == 0  # the same studies again
    assert not bank.full
    assert value(step(unit(B, 3), list(range(5, 10)), list(range(5, 10)), bank)) == 0  # searched before it is put in
    assert bank.full
    output = step(unit(B, 4), list(range(5)), list(range(5)), bank)
    assert value(output) > 0
    assert output.logged["neighbours_found"] == 1
    assert -1 <= output.logged["neighbours_similarity"] <= 1


def test_a_study_without_an_allowed_neighbour_is_left_out() -> None:
    bank, text = filled(6, [0] * 6), unit(4, 1)
    plain = PlainBank(6, [Entry(study, 0, bank.features[study].numpy()) for study in range(6)])
    views = views_of(text, [0, 90, 91, 1], [0, 8, 9, 0], bank)
    queries = [Entry(90, 8, text[1].numpy()), Entry(91, 9, text[2].numpy())]
    images = [image.detach().numpy()[1:3] for image in views.image_BD]
    expected = plain_loss(images, queries, [plain.nearest(query) for query in queries])
    output = neighbours(views, Neighbours(weight=1))
    assert value(output) == pytest.approx(expected, abs=1e-6)
    assert output.logged["neighbours_found"] == 0.5
    output.loss.backward()
    assert views.image_BD[0].grad.any(dim=1).tolist() == [False, True, True, False]


def test_where_no_study_has_a_neighbour_the_loss_is_zero() -> None:
    bank = filled(6, [0] * 6)
    views = views_of(unit(3, 1), [0, 1, 7], [0, 0, 0], bank)
    output = neighbours(views, Neighbours(weight=1))
    output.loss.backward()
    assert value(output) == 0
    assert output.logged == {"neighbours_found": 0.0}


def test_the_bank_holds_at_most_the_studies_of_the_trial() -> None:
    assert len(bank_of(65_536, studies=30).studies) == 30
    assert len(bank_of(20, studies=30).studies) == 20


def test_a_batch_larger_than_the_bank_leaves_its_last_studies() -> None:
    bank = bank_of(4)
    text = unit(11, 1)
    bank.add(text, rows_of(torch.arange(11), torch.arange(11)))
    assert sorted(bank.studies.tolist()) == [7, 8, 9, 10]
    for place, study in enumerate(bank.studies.tolist()):
        assert torch.equal(bank.features[place], text[study])


def test_a_study_is_refreshed_in_its_place_and_the_oldest_leaves_first() -> None:
    bank = filled(4, [0, 1, 2, 3])
    text = unit(2, 9)
    bank.add(text, rows_of(torch.tensor([2, 8]), torch.tensor([2, 8])))
    assert bank.studies.tolist() == [8, 1, 2, 3]
    assert bank.patients.tolist() == [8, 1, 2, 3]
    assert torch.equal(bank.features[[2, 0]], text)
    bank.add(text, rows_of(torch.tensor([9, 9]), torch.tensor([9, 9])))  # twice in a batch: one entry, the later text
    assert bank.studies.tolist() == [8, 9, 2, 3]
    assert torch.equal(bank.features[1], text[1])


def test_a_restored_bank_gives_the_same_next_losses() -> None:
    bank = bank_of(8)
    for number in range(3):
        step(unit(B, number), list(range(number * 3, number * 3 + B)), list(range(B)), bank)
    restored = bank_of(8)
    restored.load_state_dict({name: tensor.clone() for name, tensor in bank.state_dict().items()})
    for number in range(3, 6):
        arguments = (unit(B, number), list(range(number, number + B)), list(range(B)))
        expected, found = step(*arguments, bank), step(*arguments, restored)
        assert torch.equal(found.loss, expected.loss)
        assert value(found) > 0
    assert all(torch.equal(a, b) for a, b in zip(bank.buffers(), restored.buffers(), strict=True))


def test_a_bank_in_evaluation_mode_takes_nothing_in() -> None:
    bank = filled(6, list(range(6))).eval()
    before = {name: tensor.clone() for name, tensor in bank.state_dict().items()}
    step(unit(B, 1), list(range(20, 25)), list(range(20, 25)), bank)
    assert all(torch.equal(tensor, before[name]) for name, tensor in bank.state_dict().items())


def test_texts_get_no_gradient_and_the_scale_does() -> None:
    bank = filled(6, list(range(6)))
    views = views_of(unit(B, 1).requires_grad_(), list(range(20, 25)), list(range(20, 25)), bank)
    scale = views.scale.requires_grad_()
    neighbours(views, Neighbours(weight=1)).loss.backward()
    assert views.text_BD[0].grad is None
    assert views.image_BD[0].grad.any()
    assert float(scale.grad) != 0


def test_a_bank_of_another_kind_is_an_error() -> None:
    views = Views((unit(B, 1),), (unit(B, 2),), torch.tensor(1.0))
    with pytest.raises(ValueError, match="bank"):
        neighbours(views, Neighbours(weight=1))
