"""What the fork server imports before workers are forked from it: torch, once for all of them."""

import torch
import torch.export

# one worker per core works at a time: more threads per worker would only fight for the same cores
torch.set_num_threads(1)
