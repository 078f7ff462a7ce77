"""The durable record of runs: one append-only file a run, and an index that can be made anew from the files.

run_files    where the files are, who may read them, an event as a line and a file's lines as events
writer       `Journal`: the engine's hook
reader       a run read back as its state
rows         a run, and a call, as a row of a table
index        `runs()`, `calls()`, `find_same()`: all runs, looked up
maintenance  delete, export, what was learned after a crash, and whether any of the newest runs may have crashed
"""

from __future__ import annotations
