"""The command line. By hand: argparse costs each guest 1.5 MB, for a few flags."""

CONFIG_PATH = "/etc/aerostat/agent.conf"
USAGE = """usage: aerostat-agent [--socket PATH] [--source procfs|psutil] [--procfs DIR] [--config FILE]
                      [--once] [--stdout]
       aerostat-agent --footprint [--json]
       aerostat-agent --show-config [--config FILE]"""
HELP = f"""{USAGE}

Tell the host's arbiter how much memory this guest needs, over xenstore.

  --socket PATH     xenstore's Unix socket, instead of the kernel's /dev/xen/xenbus
  --source NAME     where measurements come from: procfs (Linux, the default), or psutil
  --procfs DIR      where procfs is mounted (default: /proc)
  --config FILE     what the guest's owner sets (default: {CONFIG_PATH}, which need not exist);
                    after SIGHUP it is read again
  --show-config     print that, with what is not set there, then exit
  --once            report once, then exit
  --stdout          print reports as lines of name=value, instead of writing them to xenstore
  --footprint       live for a minute, with nobody to talk to, then print what that cost: memory beside a bare
                    interpreter's, wakeups, processor time and writes for an hour; with --json as one line of JSON
  --version         print the version, then exit
  --help            print this, then exit

Exit status: 0 done, or stopped by SIGTERM or SIGINT; 2 bad usage, or memory cannot be measured here; 3 xenstore could
not be reached (only with --once: the agent otherwise goes on trying, and says so once).
"""
_FLAGS = ("--once", "--stdout", "--footprint", "--json", "--show-config", "--version", "--help")
_WITH_VALUE = ("--socket", "--source", "--procfs", "--config")
SOURCES = ("procfs", "psutil")


class UsageError(Exception):
    """What is wrong with the command line, or the owner's file, for people."""


class Options:
    """The command line, checked."""

    __slots__ = (
        "config",
        "footprint",
        "help",
        "json",
        "once",
        "procfs",
        "show_config",
        "socket",
        "source",
        "stdout",
        "version",
    )

    def __init__(self, arguments: list[str]) -> None:
        """Read the arguments, without the program's name; raise UsageError."""
        found: dict[str, str] = {}
        waiting = list(arguments)
        while waiting:
            word = waiting.pop(0)
            name, equals, value = word.partition("=")
            if name == "-h":
                name = "--help"
            if name in _FLAGS and not equals:
                value = "yes"
            elif name in _WITH_VALUE:
                if not equals:
                    value = waiting.pop(0) if waiting else ""
                if not value:
                    raise UsageError(f"{name} needs a value")
            else:
                raise UsageError(_complaint(word, name, equals))
            if name in found:
                raise UsageError(f"{name} is given twice")
            found[name] = value
        self.help, self.version = "--help" in found, "--version" in found
        self.once, self.stdout = "--once" in found, "--stdout" in found
        self.footprint, self.json = "--footprint" in found, "--json" in found
        self.show_config, self.config = "--show-config" in found, found.get("--config")
        self.socket = found.get("--socket")
        self.source = found.get("--source", "procfs")
        self.procfs = found.get("--procfs", "/proc")
        if self.source not in SOURCES:
            raise UsageError(f"--source {self.source}: {' or '.join(SOURCES)} expected")
        if self.stdout and self.socket:
            raise UsageError("--stdout and --socket exclude each other")
        if self.footprint and (self.once or self.stdout or self.socket):
            raise UsageError("--footprint excludes --once, --stdout and --socket")
        if self.config and (self.stdout or self.footprint):
            raise UsageError("--config means nothing with --stdout or --footprint")
        if self.json and not self.footprint:
            raise UsageError("--json goes with --footprint")
        if self.source == "psutil" and "--procfs" in found:
            raise UsageError("--procfs means nothing with --source psutil")


def _complaint(word: str, name: str, equals: str) -> str:
    if name in _FLAGS and equals:
        return f"{name} takes no value"
    if not word.startswith("-"):
        return f"unexpected argument {word!r}"
    from difflib import get_close_matches  # noqa: PLC0415 - for errors only

    near = get_close_matches(name, _FLAGS + _WITH_VALUE, n=1)
    return f"unknown option {name!r}" + (f": did you mean {near[0]}?" if near else "")
