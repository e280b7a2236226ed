"""Lets the wall clock of this process be moved: Python runs this first where it is in PYTHONPATH.

`CHAOS_CLOCK` names a file of eight bytes, a double: seconds the clock is wrong by, looked at on
every call. `time.time` and `time.time_ns` tell the wrong time; the monotonic clock, and what asks
the kernel without them (`datetime.now`), do not. libfaketime would reach those too, but with it
(0.9.10) `time.sleep` fails in Python 3.11.
"""

import mmap
import os
import struct
import time


def _skew() -> None:
    with open(os.environ["CHAOS_CLOCK"], "rb") as file:
        wrong_by = mmap.mmap(file.fileno(), 8, access=mmap.ACCESS_READ)
    unpack = struct.Struct("d").unpack_from
    now, now_ns = time.time, time.time_ns
    time.time = lambda: now() + unpack(wrong_by)[0]
    time.time_ns = lambda: now_ns() + int(unpack(wrong_by)[0] * 1e9)


if "CHAOS_CLOCK" in os.environ:
    _skew()
