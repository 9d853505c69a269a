"""What the fork server imports before workers are forked from it: torch and torchao, once for all of them."""

import gc
import io
import os

# what they say while they are imported is nobody's business, and the fork server has the user's terminal
_terminal = os.dup(2)
_nowhere = os.open(os.devnull, os.O_WRONLY)
os.dup2(_nowhere, 2)

import torch  # noqa: E402
import torchao.quantization.pt2e.quantize_pt2e  # noqa: E402, F401  registers the operators of stored programs

# one worker per core works at a time: more threads per worker would only fight for the same cores
torch.set_num_threads(1)

# a tiny program, stored and loaded: torch imports another 400 modules on the way, which every worker would do by itself
_file = io.BytesIO()
torch.export.save(torch.export.export(torch.nn.Linear(1, 1), (torch.zeros(1, 1),)), _file)
_file.seek(0)
torch.export.load(_file).module()

# what is here stays: the collector of a worker need not walk over it, and walking would copy the pages it lies in
gc.collect()
gc.freeze()

os.dup2(_terminal, 2)
os.close(_terminal)
os.close(_nowhere)
