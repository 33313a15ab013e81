"""A trained or public model from Python: embeddings of images and reports, and how well they match."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from radsweep.api.best import Best
from radsweep.api.checkpoints import Packing, checkpoint_of, packing_from, packing_of
from radsweep.api.inputs import ImageInput, ReportInput, images_of, reports_of, square, text_of
from radsweep.api.sweeps import Sweep
from radsweep.augment.images import plain_images
from radsweep.augment.text import text_batch
from radsweep.config.trial import Trial
from radsweep.data.text.impressions import end_with_impression
from radsweep.data.text.tokenizer import ReportTokenizer, load_tokenizer
from radsweep.models.image_preprocessing import preprocessing_of
from radsweep.models.vlm import VisionLanguageModel
from radsweep.training.precision import mixed_precision
from radsweep.training.saved_model import load_target

ModelSource = Sweep | Best | str | os.PathLike[str]
Item = TypeVar("Item")
BATCH = 128  # images or reports embedded at a time


def load_model(
    source: ModelSource, *, device: str | torch.device | None = None, longest_side: int | None = None
) -> LoadedModel:
    """Load a model with everything that it takes to embed images and reports as training and evaluation do.

    Neither Ray nor the data set is needed.

    Args:
        source: a sweep or its `best`; the folder of a finished trial's checkpoint; or the hub id or local folder of
            a public vision-language model, as `radsweep evaluate` takes it.
        device: such as `cpu` or `cuda:0`; by default the GPU if there is one.
        longest_side: longest side, in pixels, that the data set was packed with (`--size` of `radsweep pack`). By
            default it is read from the sweep's record, or from the data set if that is still in its place here.

    Raises:
        InputError: no checkpoint or model there, or the sweep has none yet.

    Example:
        >>> import radsweep as rs
        >>> model = rs.load_model("checkpoint")
        >>> model.dim, model.image_size, model.max_tokens
        (32, 32, 128)
        >>> same = rs.load_model(rs.open_sweep("small", store="store"))
    """
    chosen = source.best if isinstance(source, Sweep) else source
    place = checkpoint_of(chosen)
    network, trial, tokenizer = load_target(place)
    packing = packing_from(chosen.source) if isinstance(chosen, Best) else packing_of(Path(place), trial)
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    if longest_side is not None:
        packing = Packing(longest_side, packing.sections)
    return LoadedModel(place, network.to(where), trial, load_tokenizer(tokenizer), where, packing)


class LoadedModel:
    """A vision-language model that embeds images and reports in one space. `load_model` makes it.

    Images and reports go through exactly what the data set went through: decoding and windowing, grey levels, the
    square (`model.image.preprocessing`), normalisation, tokenizer, longest report and truncation. The batch size
    changes nothing but speed and the last digits.

    Attributes:
        source: folder of its checkpoint, or name of the public model.
        network: the PyTorch module, in evaluation mode.
        trial: all settings that it was trained with.
        tokenizer: of its reports.
        device: where it computes.
        packing: how its data set was packed: `longest_side`, and `sections` of reports in order of preference.

    Example:
        >>> import radsweep as rs
        >>> model = rs.load_model("checkpoint")
        >>> model.score(["a.png", "b.dcm"], ["No effusion.", "A nodule in the left lung."]).shape
        (2, 2)
    """

    def __init__(
        self,
        source: str,
        network: VisionLanguageModel,
        trial: Trial,
        tokenizer: ReportTokenizer,
        device: torch.device,
        packing: Packing,
    ) -> None:
        self.source, self.network, self.trial, self.tokenizer = source, network.eval(), trial, tokenizer
        self.device, self.packing = device, packing

    @property
    def dim(self) -> int:
        """Width of the embeddings."""
        return self.trial.model.dim

    @property
    def image_size(self) -> int:
        """Side, in pixels, of the square that an image becomes."""
        return self.trial.model.image.size

    @property
    def max_tokens(self) -> int:
        """Longest report in tokens, special tokens included; `model.text.truncation` says what is kept of others."""
        return self.trial.model.text.max_tokens

    @property
    def temperature(self) -> float:
        """The learned temperature: training divides similarities by it before the softmax."""
        return float(torch.exp(-self.network.logit_scale.detach().float()))

    def embed_images(self, images: ImageInput | Iterable[ImageInput], *, batch_size: int = BATCH) -> np.ndarray:
        """Embed images, each from a file or from memory.

        Args:
            images: one image or several, of any of these kinds:

                - path of a JPEG, PNG or DICOM file;
                - PIL image;
                - NumPy array [H, W] or [H, W, 3], or several as [B, H, W, 3] or [B, H, W, 1];
                - tensor [H, W] or [3, H, W], or several as [B, 3, H, W] or [B, 1, H, W].

                Arrays and tensors hold uint8, uint16, or floats between 0 and 1. An iterator is read as it is needed.
            batch_size: images embedded at a time.

        Returns:
            float32 [N, dim], rows of length 1, in the order of the images.

        Raises:
            InputError: an image cannot be read, is blank or has another shape. The message names it.

        Example:
            >>> import numpy as np
            >>> import radsweep as rs
            >>> model = rs.load_model("checkpoint")
            >>> model.embed_images(["a.png", "b.dcm"]).shape
            (2, 32)
            >>> model.embed_images(np.random.default_rng(0).random((64, 48))).shape
            (1, 32)
        """
        image, longest = self.trial.cached_image, self.packing.longest_side
        own = preprocessing_of(image)
        with ThreadPoolExecutor() as readers:  # decoders free the GIL

            def embed(batch: list[tuple[str, ImageInput]]) -> Tensor:
                squares = readers.map(
                    lambda named: square(named[0], named[1], longest, image.size, image.channels, own), batch
                )
                pixels_BCHW = torch.from_numpy(np.stack(list(squares))).to(self.device)
                return self.network.embed_images(plain_images(pixels_BCHW, self.image_size)).image_BD

            return self._embedded(embed, images_of(images), batch_size)

    def embed_reports(self, reports: ReportInput | Iterable[ReportInput], *, batch_size: int = BATCH) -> np.ndarray:
        """Embed reports, or any text such as a query.

        Args:
            reports: one text or several. Give the part of a report that the data set was packed with, or a mapping
                {section: text} of which the section is taken that packing would take (`packing.sections`).
            batch_size: reports embedded at a time.

        Returns:
            float32 [N, dim], rows of length 1, in the order of the reports.

        Raises:
            InputError: a report is not text, is empty, or has none of the sections. The message names it.

        Example:
            >>> import radsweep as rs
            >>> model = rs.load_model("checkpoint")
            >>> model.embed_reports(["No effusion.", "A nodule in the left lung."]).shape
            (2, 32)
        """

        def embed(batch: list[tuple[str, ReportInput]]) -> Tensor:
            texts = [text_of(*named, self.packing.sections) for named in batch]
            reports = self.tokenizer.tokenise(texts, end_with_impression(self.packing.sections))
            text = text_batch(reports, self.tokenizer.special, self.max_tokens, self.trial.model.text.truncation)
            return self.network.embed_texts(text.ids_BL.to(self.device), text.mask_BL.to(self.device)).text_BD

        return self._embedded(embed, reports_of(reports), batch_size)

    def score(
        self,
        images: ImageInput | Iterable[ImageInput],
        reports: ReportInput | Iterable[ReportInput],
        *,
        batch_size: int = BATCH,
    ) -> np.ndarray:
        """Similarity of every image with every report.

        Args:
            images: as for `embed_images`.
            reports: as for `embed_reports`.
            batch_size: images or reports embedded at a time.

        Returns:
            float32 [images, reports]: cosines between -1 and 1, the numbers that retrieval ranks by. Divided by
            `temperature` they are the logits of training, whose softmax over the reports says how likely each of them
            is the image's own among those given.

        Raises:
            InputError: as `embed_images` and `embed_reports`.

        Example:
            >>> import radsweep as rs
            >>> model = rs.load_model("checkpoint")
            >>> scores = model.score("a.png", ["No effusion.", "A nodule in the left lung."])
            >>> scores.shape, bool((abs(scores) <= 1.0001).all())
            ((1, 2), True)
            >>> logits = scores / model.temperature
        """
        return self.embed_images(images, batch_size=batch_size) @ self.embed_reports(reports, batch_size=batch_size).T

    def _embedded(self, embed: Callable[[list[Item]], Tensor], items: Iterator[Item], batch_size: int) -> np.ndarray:
        found = [np.empty((0, self.dim), dtype=np.float32)]
        with torch.no_grad(), mixed_precision(self.trial.train.precision, self.device):
            while batch := list(islice(items, batch_size)):
                found.append(embed(batch).float().cpu().numpy())
        return np.concatenate(found)

    def __repr__(self) -> str:
        return f"LoadedModel({self.source!r}, device={str(self.device)!r})"
