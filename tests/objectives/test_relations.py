"""Texts that read the same are positives of each other, in every term; each mask and loss by plain loops."""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
import pytest
import torch

from radsweep.config.objective import Contrast, Local, Neighbours, TextSsl
from radsweep.objectives.contrast import contrast
from radsweep.objectives.infonce import row_cross_entropy
from radsweep.objectives.local import local
from radsweep.objectives.neighbours import NeighbourBank, neighbours
from radsweep.objectives.relations import relate, without_positives
from radsweep.objectives.text_ssl import text_ssl
from radsweep.objectives.views import Relations, Rows, Views, Widths, Words

B, D = 6, 7
SCALE, BIAS = 3.0, -2.0
Kind = Literal["infonce", "sigmoid"]
Table = list[list[int]]  # 1 positive, 0 left out, -1 negative


def unit(seed: int, rows: int = B) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.nn.functional.normalize(torch.randn(rows, D, dtype=torch.float64, generator=generator), dim=-1)


def some_relation() -> torch.Tensor:
    """0, 3 and 5 read the same, and so do 1 and 2; 4's text is also one of 5, but not the reverse; 2 and 4, and 0 and
    1, are left out."""
    table = -torch.ones(B, B, dtype=torch.int8) + 2 * torch.eye(B, dtype=torch.int8)
    for i, j in ((0, 3), (0, 5), (3, 5), (1, 2)):
        table[i, j] = table[j, i] = 1
    table[5, 4] = 1
    for i, j in ((2, 4), (0, 1)):
        table[i, j] = table[j, i] = 0
    return table


def relations_of(table: torch.Tensor) -> Relations:
    return Relations(table, (table,))


def loss(kind: Kind, relations: Relations | None, image: torch.Tensor, text: torch.Tensor) -> torch.Tensor:
    scale, bias = (torch.tensor(value, dtype=torch.float64) for value in (SCALE, BIAS))
    return contrast(Views((image,), (text,), scale, bias, relations=relations), Contrast(kind=kind)).loss


def plain_cross_entropy(logits: np.ndarray, table: Table) -> float:
    """The mean over rows, with a uniform target over positives, among all columns that are not left out."""
    total = 0.0
    for row, relation in zip(logits, table, strict=True):
        norm = math.log(sum(math.exp(value) for value, sign in zip(row, relation, strict=True) if sign != 0))
        ones = [value for value, sign in zip(row, relation, strict=True) if sign == 1]
        total += sum(norm - value for value in ones) / len(ones)
    return total / len(logits)


def transposed(table: Table) -> Table:
    return [list(column) for column in zip(*table, strict=True)]


def both_ways(logits: np.ndarray, table: Table) -> float:
    return plain_cross_entropy(logits, table) + plain_cross_entropy(logits.T, transposed(table))


# The masks


def random_rows(seed: int, reports: int = 4, seen: int = 5, views: int = 2) -> Rows:
    generator = np.random.default_rng(seed)
    return Rows(
        torch.arange(B),
        torch.from_numpy(generator.integers(0, 4, B)),
        torch.from_numpy(generator.integers(0, reports, B)),
        torch.from_numpy(generator.integers(0, seen, (B, views))),
    )


@pytest.mark.parametrize("ignore_patient", [False, True])
@pytest.mark.parametrize("seed", range(20))
def test_the_masks_are_those_of_plain_loops(seed: int, ignore_patient: bool) -> None:
    rows = random_rows(seed)
    alike = torch.zeros(B, B, dtype=torch.bool)
    alike[1, 4] = alike[4, 1] = True
    found = relate(rows, alike, ignore_patient)
    assert found is not None
    patient, report, seen = rows.patient_B.tolist(), rows.report_B.tolist(), rows.seen_BV.tolist()
    for i in range(B):
        for j in range(B):
            other = 0 if ignore_patient and patient[i] == patient[j] else -1
            same = report[i] == report[j] or {i, j} == {1, 4}
            assert int(found.reports_BB[i, j]) == (1 if same else other)
            for view in range(2):
                described = same or seen[j][view] in seen[i]
                assert int(found.texts_BB[view][i, j]) == (1 if described else other)


def test_a_batch_of_different_texts_has_no_mask() -> None:
    rows = random_rows(0)._replace(report_B=torch.arange(B) + 7, seen_BV=torch.arange(2 * B).view(B, 2))
    assert relate(rows) is None
    assert relate(rows._replace(seen_BV=torch.arange(B)[:, None].expand(-1, 2))) is None, "two views of the same tokens"
    assert relate(rows, torch.eye(B, dtype=torch.bool)) is None
    assert relate(rows, ignore_patient=True) is not None


def test_the_same_text_of_two_patients_is_a_positive_and_so_is_what_augmentation_makes_equal() -> None:
    rows = Rows(torch.arange(4), torch.arange(4), torch.tensor([5, 5, 6, 7]), torch.tensor([[1], [2], [3], [3]]))
    found = relate(rows)
    assert found is not None
    assert (found.reports_BB > 0).nonzero().tolist() == [[0, 0], [0, 1], [1, 0], [1, 1], [2, 2], [3, 3]]
    assert (found.texts_BB[0] > 0).sum(dim=1).tolist() == [2, 2, 2, 2]


# The losses


def test_infonce_spreads_its_target_evenly_over_the_positives() -> None:
    logits = SCALE * (unit(1) @ unit(2).T).numpy()
    expected = both_ways(logits, some_relation().tolist()) / 2
    assert float(loss("infonce", relations_of(some_relation()), unit(1), unit(2))) == pytest.approx(expected, abs=1e-9)


def test_sigmoid_answers_yes_to_every_positive_and_is_not_asked_about_what_is_left_out() -> None:
    total = 0.0
    for i, f in enumerate(unit(1).numpy()):
        for j, g in enumerate(unit(2).numpy()):
            z = int(some_relation()[i, j])
            if z != 0:
                total += math.log1p(math.exp(-z * (SCALE * float(f @ g) + BIAS)))
    found = loss("sigmoid", relations_of(some_relation()), unit(1), unit(2))
    assert float(found) == pytest.approx(total / B, abs=1e-9)


@pytest.mark.parametrize("kind", ["infonce", "sigmoid"])
def test_each_text_view_has_its_own_relation(kind: Kind) -> None:
    other = some_relation().roll((2, 2), (0, 1))
    images, texts = (unit(1), unit(3)), (unit(2), unit(4))
    scale, bias = (torch.tensor(value, dtype=torch.float64) for value in (SCALE, BIAS))
    both = Relations(some_relation(), (some_relation(), other))
    found = contrast(Views(images, texts, scale, bias, relations=both), Contrast(kind=kind)).loss
    tables = (some_relation(), other)
    expected = [loss(kind, relations_of(t), f, g) for f in images for t, g in zip(tables, texts, strict=True)]
    assert float(found) == pytest.approx(float(sum(expected)) / 4, abs=1e-9)


@pytest.mark.parametrize("kind", ["infonce", "sigmoid"])
def test_texts_that_are_like_none_other_change_nothing(kind: Kind) -> None:
    itself = 2 * torch.eye(B, dtype=torch.int8) - 1
    expected = loss(kind, None, unit(1), unit(2))
    assert float(loss(kind, relations_of(itself), unit(1), unit(2))) == pytest.approx(float(expected), abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_targets_sum_to_one_and_nothing_overflows_in_half_precision(dtype: torch.dtype) -> None:
    """All logits are equal, so the loss is the logarithm of the number of candidates."""
    logits = torch.zeros(B, B, dtype=dtype)
    expected = np.mean([math.log(sum(sign != 0 for sign in row)) for row in some_relation().tolist()])
    found = row_cross_entropy(logits, some_relation())
    assert found.dtype == torch.float32
    assert float(found) == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("kind", ["infonce", "sigmoid"])
def test_gradient_agrees_with_finite_differences(kind: Kind) -> None:
    inputs = (unit(1).requires_grad_(), unit(2).requires_grad_())
    relations = relations_of(some_relation())
    assert torch.autograd.gradcheck(lambda image, text: loss(kind, relations, image, text), inputs, atol=1e-6)


def test_local_has_the_targets_of_infonce() -> None:
    generator = torch.Generator().manual_seed(3)
    regions, tokens = (torch.randn(B, 4, D, dtype=torch.float64, generator=generator) for _ in range(2))
    words = Words(tokens, torch.arange(4).expand(B, 4))
    settings = Local(weight=1)
    plain = Views((unit(1),), (unit(2),), torch.tensor(1.0), own_regions_bRD=(regions,), words=(words,))
    scores = []  # of each image with one text at a time
    for image in regions:
        pairs = [Words(tokens[j : j + 1], words.word_BL[j : j + 1]) for j in range(B)]
        scores.append([float(_score(image, pair, settings)) for pair in pairs])
    table = some_relation().tolist()
    assert float(local(plain, settings).loss) == pytest.approx(
        both_ways(np.array(scores), _plain_table()) / 2, abs=1e-9
    )
    found = local(_with(plain, relations_of(some_relation())), settings).loss
    assert float(found) == pytest.approx(both_ways(np.array(scores), table) / 2, abs=1e-9)


def _score(image: torch.Tensor, words: Words, settings: Local) -> float:
    """GLoRIA's score of one image and one text, in NumPy."""
    v, t = image.numpy(), words.tokens_BLD[0].numpy()
    a = np.exp(v @ t.T)
    a /= a.sum(axis=1, keepdims=True)
    alpha = np.exp(settings.attention * a)
    alpha /= alpha.sum(axis=0, keepdims=True)
    c = alpha.T @ v
    cosine = (c * t).sum(axis=1) / np.linalg.norm(c, axis=1) / np.linalg.norm(t, axis=1)
    return settings.logits * math.log(np.exp(settings.context * cosine).sum())


def _plain_table() -> Table:
    return [[1 if i == j else -1 for j in range(B)] for i in range(B)]


def _with(views: Views, relations: Relations) -> Views:
    return Views(
        views.image_BD, views.text_BD, views.scale, views.bias, views.own_regions_bRD, views.words,
        relations=relations, rows=views.rows, heads=views.heads, outputs=views.outputs,
    )  # fmt: skip


def test_simcse_leaves_out_texts_that_read_the_same() -> None:
    outputs = (unit(1), unit(2))
    views = Views((), (), torch.tensor(1.0), relations=relations_of(some_relation()), outputs={"text_ssl": outputs})
    table = [[-1 if sign == -1 else int(i == j) for j, sign in enumerate(row)]
             for i, row in enumerate(some_relation().tolist())]  # fmt: skip
    expected = plain_cross_entropy((unit(1) @ unit(2).T / 0.05).numpy(), table)
    assert float(text_ssl(views, TextSsl(kind="simcse")).loss) == pytest.approx(expected, abs=1e-9)
    assert without_positives(None) is None


# Neighbours


def bank_of(rows: Rows, seed: int) -> NeighbourBank:
    size = len(rows.study_B)
    widths = Widths(image=3, text=3, tokens=3, token_embeddings=3, vocabulary=9, dim=D, studies=size)
    bank = NeighbourBank(Neighbours(weight=1), widths).double()
    bank.add(unit(seed, size), rows)
    return bank.eval()


@pytest.mark.parametrize("ignore_patient", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_neighbours_pass_over_equal_texts_and_equal_ones_are_one_positive(seed: int, ignore_patient: bool) -> None:
    """12 entries of 9 patients, 6 reports and 8 texts as they were seen; 6 queries, some of the same."""
    generator = np.random.default_rng(seed)

    def drawn(first: int, count: int) -> Rows:
        columns = (
            generator.integers(0, 9, count),
            generator.integers(0, 6, count),
            generator.integers(0, 8, (count, 2)),
        )
        return Rows(torch.arange(first, first + count), *map(torch.from_numpy, columns))

    entries, queries = drawn(0, 12), drawn(6, B)
    bank, text, image = bank_of(entries, 50 + seed), unit(1), unit(2)
    relations = relate(queries, ignore_patient=ignore_patient)
    views = Views((image,), (text, text), torch.tensor(SCALE).double(), relations=relations, rows=queries,
                  heads={"neighbours": bank})  # fmt: skip
    output = neighbours(views, Neighbours(weight=1))

    held = list(zip(*(column.tolist() for column in entries), unit(50 + seed, 12).numpy(), strict=True))
    asked = list(zip(*(column.tolist() for column in queries), strict=True))
    nearest = []
    for (study, patient, report, seen), own in zip(asked, text.numpy(), strict=True):
        allowed = [e for e in held if e[0] != study and e[1] != patient and e[2] != report and e[3][0] != seen[0]]
        nearest.append(max(allowed, key=lambda e: float(e[4] @ own)) if allowed else None)
    rows = [row for row, entry in enumerate(nearest) if entry is not None]
    table: Table = []
    for i in rows:
        table.append([])
        for j in rows:
            a, b = nearest[i], nearest[j]
            assert a is not None
            assert b is not None
            same = a[2] == b[2] or a[3][0] == b[3][0] or asked[i][2] == b[2] or b[3][0] in asked[i][3]
            same = same or asked[i][2] == asked[j][2] or asked[j][3][0] in asked[i][3]
            table[-1].append(1 if same else 0 if ignore_patient and asked[i][1] == b[1] else -1)
    logits = np.array([[SCALE * float(image[i].numpy() @ nearest[j][4]) for j in rows] for i in rows])  # type: ignore[index]
    assert output.logged["neighbours_found"] == pytest.approx(len(rows) / B)
    assert float(output.loss) == pytest.approx(both_ways(logits, table) / 2, abs=1e-6)
