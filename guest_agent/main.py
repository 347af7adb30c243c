"""The `aerostat-agent` command: puts the parts together, and says how it ended."""

import os
import sys

from guest_agent.agent import Agent, now_ms
from guest_agent.link import StdoutLink
from guest_agent.notices import Notices, write_error
from guest_agent.options import CONFIG_PATH, HELP, USAGE, Options, UsageError
from guest_agent.report import build_hello
from guest_agent.sources import SourceError, open_source
from guest_agent.waiting import Stopped, Waiter
from protocol import __version__

TYPE_CHECKING = False
if TYPE_CHECKING:
    from guest_agent.sources import Source
    from guest_agent.tunables import Tunables
    from guest_agent.xenstore_link import XenstoreLink

DONE, BAD_USAGE, UNREACHABLE = 0, 2, 3


def main() -> int:
    """Run the agent on sys.argv; return its exit status."""
    try:
        options = Options(sys.argv[1:])
    except UsageError as error:
        write_error(f"{error}\n{USAGE}\nTry 'aerostat-agent --help'.")
        return BAD_USAGE
    if options.help or options.version:
        sys.stdout.write(HELP if options.help else f"aerostat-agent {__version__}\n")
        return DONE
    if options.show_config:
        return _show_config(options)
    waiter = Waiter()
    try:
        source = open_source(options.source, options.procfs)
    except SourceError as error:
        write_error(f"memory cannot be measured: {error}")
        return BAD_USAGE
    try:
        return _show(source, waiter, options) if options.stdout else _publish(source, waiter, options)
    except Stopped:
        return DONE


def _show(source: "Source", waiter: Waiter, options: Options) -> int:
    agent = Agent(source, StdoutLink(), Notices())
    try:
        if options.once:
            return DONE if agent.say_once() else BAD_USAGE
        waiter.watch(source.open_stalls())
        agent.run(waiter, lambda: None)
    except BrokenPipeError:
        pass  # the reader has seen enough
    return DONE


def _publish(source: "Source", waiter: Waiter, options: Options) -> int:
    try:  # here, because --stdout does not need pyxs
        from guest_agent.xenstore import Xenstore  # noqa: PLC0415
        from guest_agent.xenstore_link import XenstoreLink  # noqa: PLC0415
    except ImportError as error:
        write_error(f"{error}: it comes with aerostat[guest]")
        return BAD_USAGE
    hello = build_hello(
        os_name=source.os_name,
        os_version=source.os_version,
        boot_id=source.boot_id,
        capabilities=source.capabilities,
    )
    notices = Notices()
    if options.footprint:
        from guest_agent.footprint import StandIn, show_footprint  # noqa: PLC0415 - for who asks

        _stay(source, waiter, notices, options)
        store = StandIn(waiter)
        agent = Agent(source, XenstoreLink(store, hello, notices), notices)
        try:
            show_footprint(agent, waiter, store, as_json=options.json)
        except SourceError as error:
            write_error(str(error))
            return BAD_USAGE
        return DONE
    waiter.heed_hangups()
    link = XenstoreLink(Xenstore(options.socket, waiter), hello, notices)
    agent = Agent(source, link, notices)
    try:
        _follow_owner(options, agent, link, source)
    except UsageError as error:
        write_error(str(error))
        return BAD_USAGE
    if options.once:
        return DONE if agent.say_once() else UNREACHABLE

    def reload() -> None:
        try:
            _follow_owner(options, agent, link, source)
        except (UsageError, ImportError) as error:  # the latter in the midst of an upgrade
            notices.trouble("settings", f"{error}: going on as before")
        else:
            notices.over("settings")

    _stay(source, waiter, notices, options)
    agent.run(waiter, reload)
    waiter.finishing = True
    agent.farewell(link)
    return DONE


def _follow_owner(options: Options, agent: Agent, link: "XenstoreLink", source: "Source") -> None:
    """Put the owner's file as it is now into force, if there is or was one; raise UsageError."""
    is_set = options.config is not None or os.path.exists(CONFIG_PATH)  # noqa: PTH110 - pathlib costs 1 MB
    if is_set or agent.alone or agent.shrinking:
        from guest_agent.owner import follow  # noqa: PLC0415 - for guests whose owner sets something

        follow(_read_tunables(options), agent, link, source, now_ms())


def _read_tunables(options: Options) -> "Tunables":
    from guest_agent.tunables import read_tunables  # noqa: PLC0415

    return read_tunables(options.config or CONFIG_PATH, must_exist=options.config is not None)


def _show_config(options: Options) -> int:
    try:
        sys.stdout.write(_read_tunables(options).show())
    except UsageError as error:
        write_error(str(error))
        return BAD_USAGE
    return DONE


def _stay(source: "Source", waiter: Waiter, notices: Notices, options: Options) -> None:
    """Prepare for a guest that runs out of memory: woken when it stalls, and not swapped out with the rest."""
    waiter.watch(source.open_stalls())
    if options.source == "procfs":
        try:
            from guest_agent.locking import lock_memory  # noqa: PLC0415 - Linux only

            refusal = lock_memory()
        except ImportError as error:  # a Python without libffi
            refusal = f"not locked in memory: {error}"
        if refusal:
            notices.trouble("locking", refusal)
