"""A whole table of prompts: a frame in, the same frame with answers out; kept, resumed and paid for as one."""

from fusion_nb.dataset.table_runs import fuse_frame as fuse_frame
