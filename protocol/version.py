"""The version of the distribution, in one place for packaging, hello messages and `--version`."""

__version__ = "0.1.0"
