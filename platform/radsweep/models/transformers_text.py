"""Text towers of the transformers library: an encoder, and how a text becomes one vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from radsweep.errors import InputError
from radsweep.models.features import TextFeatures, TextTowerModule, mean_of_tokens
from radsweep.models.hub import Unreadable, read_json
from radsweep.models.layers import transformer_layers


class TransformersText(TextTowerModule):
    """A transformers encoder and its pooling."""

    def __init__(self, encoder: Any, pooling: str, ends: bool = False) -> None:
        """`ends`: the summary of a text is its last token (CLIP), not its first."""
        super().__init__()
        self.encoder, self.pooling, self.ends = encoder, pooling, ends
        self.width = self.token_width = int(encoder.config.hidden_size)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> TextFeatures:
        last_BLC, tokens_BLC = self.read(ids_BL, mask_BL)
        if self.pooling == "mean":
            pooled_BP = mean_of_tokens(last_BLC, mask_BL)
        elif self.ends:
            last_B11 = mask_BL.sum(dim=1).sub(1).view(-1, 1, 1).expand(-1, 1, last_BLC.shape[2])
            pooled_BP = last_BLC.gather(1, last_B11).squeeze(1)
        else:
            pooled_BP = last_BLC[:, 0]
        return TextFeatures(pooled_BP, tokens_BLC, last_BLC)

    def read(self, ids_BL: Tensor, mask_BL: Tensor) -> tuple[Tensor, Tensor]:
        """The last layer, and the sum of the last `summed_layers`, both [B, L, C]."""
        if self.summed_layers == 1:
            last_BLC = self.encoder(input_ids=ids_BL, attention_mask=mask_BL.long()).last_hidden_state
            return last_BLC, last_BLC
        output = self.encoder(input_ids=ids_BL, attention_mask=mask_BL.long(), output_hidden_states=True)
        layers = output.hidden_states[1:]  # the first are the embeddings
        return output.last_hidden_state, torch.stack(layers[-self.summed_layers :]).sum(dim=0)

    def layers(self) -> list[nn.Module]:
        return transformer_layers(self.encoder)

    @property
    def input_embeddings(self) -> Tensor:
        weight: Tensor = self.encoder.get_input_embeddings().weight
        return weight


class SiglipText(TransformersText):
    """SigLIP reads every text padded to its full length, padding included; the summary is the last place.

    N: places of the full length. Its head is a projection, and is left out here.
    """

    def __init__(self, encoder: Any, pooling: str, pad: int) -> None:
        """`pad`: id of the padding."""
        super().__init__(encoder, pooling)
        encoder.head = nn.Identity()
        self.pad, self.positions = pad, int(encoder.config.max_position_embeddings)

    def forward(self, ids_BL: Tensor, mask_BL: Tensor) -> TextFeatures:
        length = ids_BL.shape[1]
        rest = (0, self.positions - length)
        ids_BN = functional.pad(ids_BL.masked_fill(~mask_BL, self.pad), rest, value=self.pad)
        last_BNC, tokens_BNC = self.read(ids_BN, torch.ones_like(ids_BN, dtype=torch.bool))
        last_BLC = last_BNC[:, :length]
        pooled_BP = mean_of_tokens(last_BLC, mask_BL) if self.pooling == "mean" else last_BNC[:, -1]
        return TextFeatures(pooled_BP, tokens_BNC[:, :length], last_BLC)


def padding_id(name: str) -> int:
    """Id of a saved tokenizer's padding token; configurations of SigLIP models do not say it.

    Raises:
        InputError: the tokenizer does not say it either.
    """
    try:
        settings = read_json(name, "tokenizer_config.json") or {}
        token = settings.get("pad_token")
        token = token["content"] if isinstance(token, dict) else token
        added = {int(number): entry["content"] for number, entry in settings.get("added_tokens_decoder", {}).items()}
        if token is not None and token not in added.values():
            entries = (read_json(name, "tokenizer.json") or {}).get("added_tokens", [])
            added = {entry["id"]: entry["content"] for entry in entries}
    except Unreadable as error:
        raise InputError(f"the tokenizer of {name} cannot be loaded ({error})", key="model.text.backbone") from None
    for number, content in added.items():
        if content == token:
            return number
    raise InputError(
        f"{name} does not say which token is padding; save its tokenizer beside the weights",
        key="model.text.backbone",
    )
