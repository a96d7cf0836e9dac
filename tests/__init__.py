"""The suite. Its processes run side by side, as many as there are cores: each computes on one."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
