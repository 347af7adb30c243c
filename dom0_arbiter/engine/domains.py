"""All domains by domid, so that a step pays for those it changes, however many there are."""

from collections.abc import Iterable, Iterator, Mapping, ValuesView

from dom0_arbiter.engine.domain import Domain

CHUNK_BITS = 6  # domids are below 0x7FF0 (xen/include/public/xen.h): at most 512 chunks, of at most 64 domains


class Domains(Mapping[int, Domain]):
    """In the order in which they came, but for domids that were used again.

    A fork shares its chunks with what it was forked from, and whoever changes one copies it first: so old states stay
    what they were, as if all had been copied.
    """

    __slots__ = ("_chunks", "_own")

    def __init__(self, domains: Iterable[Domain] = ()) -> None:
        self._chunks: dict[int, dict[int, Domain]] = {}
        self._own: set[int] = set()  # the chunks that nobody shares
        for domain in domains:
            self.put(domain)

    def fork(self) -> "Domains":
        """A copy to change."""
        self._own.clear()
        copy = Domains()
        copy._chunks = self._chunks.copy()
        return copy

    def put(self, domain: Domain) -> None:
        """Add a domain, or replace the one with its domid."""
        self._chunk_to_change(domain.domid)[domain.domid] = domain

    def remove(self, domid: int) -> None:
        """Take one out; KeyError if there is none."""
        chunk = self._chunk_to_change(self[domid].domid)
        del chunk[domid]
        if not chunk:
            del self._chunks[domid >> CHUNK_BITS]
            self._own.discard(domid >> CHUNK_BITS)

    def each(self) -> Iterator[Domain]:
        """All of them. What is put meanwhile in place of another may be seen or not; nothing may be added."""
        for chunk in list(self._chunks.values()):
            yield from chunk.values()

    def values(self) -> ValuesView[Domain]:
        """The same, for those who know them only as a mapping."""
        return _Values(self)

    def __getitem__(self, domid: int) -> Domain:
        return self._chunks[domid >> CHUNK_BITS][domid]

    def __iter__(self) -> Iterator[int]:
        for chunk in self._chunks.values():
            yield from chunk

    def __len__(self) -> int:
        return sum(map(len, self._chunks.values()))

    def _chunk_to_change(self, domid: int) -> dict[int, Domain]:
        number = domid >> CHUNK_BITS
        if number not in self._own:
            self._own.add(number)
            self._chunks[number] = self._chunks.get(number, {}).copy()
        return self._chunks[number]


class _Values(ValuesView[Domain]):
    """Without a look-up for each domain."""

    __slots__ = ()
    _mapping: Domains

    def __iter__(self) -> Iterator[Domain]:
        return self._mapping.each()
