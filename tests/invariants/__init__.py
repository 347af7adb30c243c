"""The invariants over random hosts: `python -m tests.invariants --hosts 2000` plays them all, `./dev test` a part."""
