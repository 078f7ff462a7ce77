"""The durable record of runs: one append-only file a run, and an index that can be made anew from the files.

home       where the files are, and who may read them
lock       how a run under way is told from one whose kernel died
lines      an event as a line, and a file's lines as events
writer     `Journal`: the engine's hook
past       a run read back as its state
rows       a run, and a call, as a row of a table
index      `runs()`, `calls()`, `find_same()`: all runs, looked up
keep       delete, export, and what was learned after a crash
glance     whether any of the newest runs may have crashed
"""

from __future__ import annotations
