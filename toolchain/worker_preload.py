"""What the fork server imports before workers are forked from it: torch, once for all of them."""

import io

import torch
import torchao.quantization.pt2e.quantize_pt2e  # noqa: F401  registers the operators of stored programs

# one worker per core works at a time: more threads per worker would only fight for the same cores
torch.set_num_threads(1)

# a tiny program, stored and loaded: torch imports another 400 modules on the way, which every worker would do by itself
_file = io.BytesIO()
torch.export.save(torch.export.export(torch.nn.Linear(1, 1), (torch.zeros(1, 1),)), _file)
_file.seek(0)
torch.export.load(_file).module()
