"""Random requests of dom0 and two guests: both servers give the same answers, and the same events in the same order."""

from collections.abc import Callable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.contract.servers import Clients, Server, embedded, real
from tests.contract.wire_client import Refused, WireClient

Step = tuple[str, str, bytes, int]
"""Who, what, the payload, and which of the transactions it has started (0: none)."""

PEOPLE = {"dom0": 0, "guest": 5, "other": 6}

nodes = st.sampled_from(
    [
        *["/t", "/t/a", "/t/a/b", "/t/c", "/local/domain/5", "/local/domain/5/data", "/local/domain/5/data/a/b"],
        *[
            "/local/domain/6/data",
            "/local/domain/6/data/a",
            "data",
            "data/a",
            "data/a/b",
            "data/a/c",
            "/",
            "memory/target",
        ],
        *["", "data//a", "data/", "no.dot", "/local/domain/9/x"],
    ]
).map(str.encode)
below_root = nodes.filter(lambda path: path != b"/")
paths = nodes | st.sampled_from([b"@releaseDomain", b"@introduceDomain", b"@x"])
values = st.sampled_from([b"", b"1", b"two", b"a\0b", bytes(1000), b"x" * 2015, b"x" * 2016])
entries = st.builds("{}{}".format, st.sampled_from("nrwbx"), st.sampled_from([0, 5, 6, 6, 9])).map(str.encode)
people = st.sampled_from(list(PEOPLE))
transactions = st.sampled_from([0, 0, 0, 1, 1, 2, 99])
tokens = st.sampled_from([b"t", b"u"])


def _joined(*parts: bytes) -> bytes:
    return b"\0".join((*parts, b""))


def _requests(name: str, payloads: st.SearchStrategy[bytes]) -> st.SearchStrategy[Step]:
    return st.tuples(people, st.just(name), payloads, transactions)


steps = st.one_of(
    _requests("WRITE", st.builds(lambda path, value: path + b"\0" + value, paths, values)),
    _requests("MKDIR", paths.map(_joined)),
    _requests("RM", paths.map(_joined)),
    _requests("READ", paths.map(_joined)),
    _requests("DIRECTORY", paths.map(_joined)),
    _requests("DIRECTORY_PART", st.builds(_joined, paths, st.sampled_from([b"0", b"2", b"99", b"-1", b"x"]))),
    _requests("GET_PERMS", paths.map(_joined)),
    _requests("SET_PERMS", st.builds(_joined, below_root, entries)),
    _requests(
        "SET_PERMS", st.builds(lambda path, each: _joined(path, *each), below_root, st.lists(entries, max_size=6))
    ),
    # A guest that owned the root would take everything with it.
    _requests("SET_PERMS", st.sampled_from([b"/\0n0\0", b"/\0b0\0", b"/\0r0\0n5\0"])),
    # Refused to a guest, but the daemon then sends whatever error came last.
    st.tuples(st.just("dom0"), st.just("SET_PERMS"), st.just(b"@releaseDomain\0n0\0r5\0"), st.just(0)),
    _requests("WATCH", st.builds(_joined, paths, tokens)),
    _requests("UNWATCH", st.builds(_joined, paths, tokens)),
    _requests("TRANSACTION_START", st.just(b"\0")),
    _requests("TRANSACTION_END", st.sampled_from([b"T\0", b"T\0", b"F\0", b"X\0"])),
    _requests("RESET_WATCHES", st.just(b"\0")),
    _requests("IS_DOMAIN_INTRODUCED", st.sampled_from([b"0\0", b"5\0", b"9\0", b"x\0", b"5"])),
    _requests("GET_DOMAIN_PATH", st.sampled_from([b"0\0", b"5\0", b"x\0", b""])),
    _requests("RELEASE", st.sampled_from([b"0\0", b"9\0", b"x\0"])),
    _requests("INTRODUCE", st.sampled_from([b"9\x001\x001\0", b"5\x001\x000\0", b"5\0"])),
    st.tuples(st.just("dom0"), st.just("dies and comes back"), st.just(b""), st.sampled_from([5, 6])),
)


def _play(server: Server, script: list[Step]) -> list[object]:
    """Every answer, and after each step the events of everybody."""
    clients = Clients(server)
    who = {name: clients.guest(domid) if domid else clients.dom0() for name, domid in PEOPLE.items()}
    started: dict[str, list[int]] = {name: [0] for name in PEOPLE}
    seen: list[object] = []
    try:
        for name, what, payload, number in script:
            if what == "dies and comes back":
                clients.remove(number)
                again = next(each for each, domid in PEOPLE.items() if domid == number)
                who[again], started[again] = clients.guest(number), [0]
                answer: object = None
            else:
                mine = started[name]
                transaction = mine[number] if number < len(mine) else number
                answer = _answer(who[name], what, payload, transaction)
                if what == "TRANSACTION_START" and isinstance(answer, bytes):
                    mine.append(int(answer[:-1]))
            events = {each: client.drain() for each, client in who.items()}
            if what == "dies and comes back":
                # Many requests: of events that repeat, how many wait to be merged into one is a matter of time.
                events = {each: list(dict.fromkeys(of_one)) for each, of_one in events.items()}
            seen.append((what, answer, events))
    finally:
        clients.close()
    return seen


def _answer(client: WireClient, what: str, payload: bytes, transaction: int) -> object:
    try:
        reply = client.request(what, payload, transaction)
    except Refused as refusal:
        return refusal.args[0]
    # A generation counts what the server ever did: its number is its own affair.
    return reply.partition(b"\0")[2] if what == "DIRECTORY_PART" else reply


def _examples(count: int) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return settings(
        max_examples=count, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large]
    )


@_examples(50)
@given(script=st.lists(steps, min_size=20, max_size=60))
def test_every_request_is_answered_once(script: list[Step]) -> None:
    with embedded() as ours:
        assert len(_play(ours, script)) == len(script)


@_examples(50)
@given(script=st.lists(steps, min_size=20, max_size=60))
def test_both_servers_answer_alike(shim: Path, script: list[Step]) -> None:
    with embedded() as ours:
        found = _play(ours, script)
    with real(shim) as theirs:
        wanted = _play(theirs, script)
    for step, mine, right in zip(script, found, wanted, strict=True):
        assert mine == right, step
