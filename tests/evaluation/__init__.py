"""The figures that are claimed, each by a command of its own: `./dev evaluate [NAME ...] [--json FILE]`.

Figures are figures: the exit status speaks of broken invariants alone. Everything is played, deterministic from its
seeds, and the same on any machine, but for `day`, which measures this one.
"""
