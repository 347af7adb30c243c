"""qmemman's arithmetic, by hand."""

from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.simulator.rivals.qmemman_formula import Domain, balance, donations, is_news, is_significant

MIB = 1024
kib = st.integers(0, 2**32)
many = st.dictionaries(
    st.integers(1, 50),
    st.builds(Domain, actual_kib=kib, used_kib=kib, max_kib=st.integers(200 * MIB, 2**32)),
    max_size=8,
)


def domain(*, actual: int, used: int, most: int = 1024) -> Domain:
    return Domain(actual_kib=actual * MIB, used_kib=used * MIB, max_kib=most * MIB)


def test_the_preferred_size_is_what_is_used_and_three_tenths_between_200_mib_and_the_maximum() -> None:
    assert domain(actual=0, used=450).pref_kib == 585 * MIB  # 450 * 1.3
    assert domain(actual=0, used=100).pref_kib == 200 * MIB  # 130 is less
    assert domain(actual=0, used=900).pref_kib == 1024 * MIB  # 1170 is more


def test_plenty_is_shared_by_preference_donors_first() -> None:
    # Preferred: 520 and 260, together 780. Available: 100 - (520 - 600) - (260 - 600) = 520.
    # 520 + 520/780*520 = 866.6667 MiB = 887,466.67 KiB, * 0.999 = 886,579.2
    # 260 + 260/780*520 = 433.3333 MiB = 443,733.33 KiB, * 0.999 = 443,289.6; less than 600, so this one is first
    domains = {1: domain(actual=600, used=400), 2: domain(actual=600, used=200)}
    assert balance(100 * MIB, domains) == [(2, 443_289), (1, 886_579)]


def test_what_exceeds_a_maximum_goes_to_the_others() -> None:
    # As above; the first takes 700 MiB = 716,800 KiB and leaves 169,779, of which 0.999 are 169,609.2.
    domains = {1: domain(actual=600, used=400, most=700), 2: domain(actual=600, used=200)}
    assert balance(100 * MIB, domains) == [(2, 443_289 + 169_609), (1, 716_800)]


def test_in_a_shortage_the_needy_wait_until_donors_have_given() -> None:
    # Preferred: 390, 585, 455. Available: 50 - (390 - 500) - (585 - 400) - (455 - 400) = -80: short.
    # 50 less the 110 that the first is yet to give is below 0: nothing for the others.
    domains = {1: domain(actual=500, used=300), 2: domain(actual=400, used=450), 3: domain(actual=400, used=350)}
    assert balance(50 * MIB, domains) == [(1, 390 * MIB)]


def test_what_is_free_in_a_shortage_is_shared_by_preference() -> None:
    # The same, the first has given: 160 free. 390 + 585 + 455 = 1430.
    # 390 + 160*390/1430 = 433.6364 MiB, * 0.999 = 433.2027 MiB = 443,599.6 KiB
    # 400 + 160*585/1430 = 465.4545 MiB, * 0.999 = 464.9891 MiB = 476,148.8 KiB
    # 400 + 160*455/1430 = 450.9091 MiB, * 0.999 = 450.4582 MiB = 461,269.2 KiB
    domains = {1: domain(actual=390, used=300), 2: domain(actual=400, used=450), 3: domain(actual=400, used=350)}
    assert balance(160 * MIB, domains) == [(1, 443_599), (2, 476_148), (3, 461_269)]


def test_a_start_takes_from_all_donors_in_proportion_and_a_twentieth_more() -> None:
    # Over their preferred sizes (390, 260): 110 and 340, together 450. For 90: a fifth of each, * 1.05:
    # 500 - 23.1 = 476.9 MiB = 488,345.6 KiB; 600 - 71.4 = 528.6 MiB = 541,286.4 KiB
    domains = {1: domain(actual=500, used=300), 2: domain(actual=600, used=200), 3: domain(actual=300, used=400)}
    assert donations(90 * MIB, domains) == [(1, 488_345), (2, 541_286)]
    assert donations(451 * MIB, domains) == []


def test_nobody_is_balanced_and_nothing_given_where_there_are_no_domains() -> None:
    assert balance(500 * MIB, {}) == []
    assert donations(1, {}) == []


def test_a_guest_reports_30_mb_of_change_or_half_when_rising_above_77_percent() -> None:
    assert is_news(1, 0, 1000)  # the first time
    assert is_news(130_001, 100_000, 10**6) and not is_news(130_000, 100_000, 10**6)
    assert is_news(99_999, 130_000, 10**6)  # falling as well
    # 116,000 * 1.3 = 150,800
    assert is_news(116_000, 100_000, 150_799) and not is_news(116_000, 100_000, 150_801)
    assert not is_news(84_000, 100_000, 1)  # falling: all 30 MB


def test_small_balances_are_left_alone() -> None:
    domains = {1: domain(actual=500, used=450)}  # preferred: 585
    targets = {1: 500 * MIB}
    assert is_significant([(1, 516 * MIB)], 50 * MIB, domains, targets)  # below it, and 16 more
    assert not is_significant([(1, 515 * MIB)], 50 * MIB, domains, targets)  # 15 is not more than 15
    assert is_significant([(1, 515 * MIB)], 186 * MIB, domains, targets)  # 15 + |186 - 50| = 151
    assert not is_significant([(1, 515 * MIB)], 185 * MIB, domains, targets)
    assert is_significant([], 34 * MIB, {}, {})  # 16 below what Xen is to keep


@given(many, st.integers(-(2**32), 2**32))
def test_no_target_exceeds_a_maximum_and_donors_come_first(domains: dict[int, Domain], spare_kib: int) -> None:
    requests = balance(spare_kib, domains)
    assert all(0 <= target <= max(domains[domid].max_kib, domains[domid].pref_kib) for domid, target in requests)
    grows = [target >= domains[domid].actual_kib for domid, target in requests]
    plenty = spare_kib > sum(d.pref_kib - d.actual_kib for d in domains.values())
    assert not plenty or grows == sorted(grows)


@given(many, st.integers(0, 2**32))
def test_no_more_is_given_than_there_is(domains: dict[int, Domain], spare_kib: int) -> None:
    after_kib = {domid: d.actual_kib for domid, d in domains.items()} | dict(balance(spare_kib, domains))
    over_kib = sum(max(0, kib - d.max_kib) for kib, d in zip(after_kib.values(), domains.values(), strict=True))
    assert sum(after_kib.values()) <= sum(d.actual_kib for d in domains.values()) + spare_kib + over_kib + len(domains)
