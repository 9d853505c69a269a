"""all-MiniLM-L6-v2: the BERT encoder, its token vectors averaged to one vector of length 1 per sentence."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers import BertConfig, BertModel

# e^-100 times anything is nothing beside a softmax's sum; larger numbers (transformers takes float32's lowest) overflow
# float16, and would stretch the range of an int8 addition until the scores themselves are gone
MASKED = -100.0


class SentenceEncoder(BertModel):
    """Token ids and mask [batch, 64] → embedding [batch, 384]; a subclass, so that the weights keep their names."""

    def forward(self, input_ids: Tensor, attention_mask: Tensor) -> Tensor:
        mask = attention_mask.to(torch.float32)
        tokens = (
            super()
            .forward(
                input_ids=input_ids,
                attention_mask=(1 - mask)[:, None, None, :] * MASKED,  # four dimensions: taken as it is, and added
                token_type_ids=torch.zeros_like(input_ids),
            )
            .last_hidden_state
        )
        weights = mask.unsqueeze(-1)
        mean = (tokens * weights).sum(1) / weights.sum(1)
        return nn.functional.normalize(mean, dim=1)


def build() -> nn.Module:
    config = BertConfig(
        hidden_size=384,
        num_hidden_layers=6,
        num_attention_heads=12,
        intermediate_size=1536,
        # written out as matrix products, which every converter and quantizer knows
        attn_implementation="eager",
    )
    return SentenceEncoder(config, add_pooling_layer=False)
