"""The command `aerostat`, for people and their scripts. May import everything; holds no logic of its own."""

from dom0_arbiter.cli.main import main

__all__ = ["main"]
