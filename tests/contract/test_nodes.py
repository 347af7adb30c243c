"""Nodes: values, directories, names, and what removing one means."""

import pytest

from tests.contract.wire_client import WireClient, refusal


def test_a_fresh_store_holds_its_own_name_and_no_more(dom0: WireClient) -> None:
    assert dom0.directory("/") == ["tool"]
    assert dom0.directory("/tool") == ["xenstored"]
    assert dom0.directory("/tool/xenstored") == []
    assert {path: dom0.perms(path) for path in ("/", "/tool")} == {"/": ["n0"], "/tool": ["n0"]}


@pytest.mark.parametrize("value", [b"", b"1", b"a\0b\0", bytes(range(256)), b"x" * 4000])
def test_a_value_is_any_bytes(dom0: WireClient, value: bytes) -> None:
    dom0.write("/t/a", value)
    assert dom0.read("/t/a") == value


def test_writing_makes_what_is_missing_above(dom0: WireClient) -> None:
    dom0.write("/t/a/b/c", b"1")
    assert (dom0.directory("/t"), dom0.directory("/t/a"), dom0.directory("/t/a/b")) == (["a"], ["b"], ["c"])
    assert dom0.read("/t/a") == b""


def test_children_are_listed_in_the_order_of_their_making(dom0: WireClient) -> None:
    for name in ("c", "a", "b"):
        dom0.write(f"/t/{name}", b"")
    dom0.remove("/t/c")
    dom0.mkdir("/t/c")
    dom0.write("/t/a", b"again")
    assert dom0.directory("/t") == ["a", "b", "c"]


def test_making_a_directory_twice_keeps_its_value(dom0: WireClient) -> None:
    dom0.write("/t", b"1")
    dom0.mkdir("/t")
    assert dom0.read("/t") == b"1"


def test_removing_takes_all_below(dom0: WireClient) -> None:
    dom0.write("/t/a/b", b"1")
    dom0.write("/t/c", b"1")
    dom0.remove("/t/a")
    assert dom0.directory("/t") == ["c"]
    assert not dom0.exists("/t/a/b")
    dom0.write("/t/a", b"2")
    assert dom0.directory("/t/a") == []


def test_removing_what_is_not_there_is_no_error_if_its_parent_is(dom0: WireClient) -> None:
    dom0.mkdir("/t")
    dom0.remove("/t/a")
    assert refusal(dom0.remove, "/t/a/b") == "ENOENT"
    assert refusal(dom0.remove, "/") == "EINVAL"


def test_what_is_not_there_cannot_be_read(dom0: WireClient) -> None:
    for ask in (dom0.read, dom0.directory, dom0.perms):
        assert refusal(ask, "/t") == "ENOENT"
    assert refusal(dom0.set_perms, "/t", "n0") == "ENOENT"


def test_a_relative_path_starts_at_home(dom0: WireClient, guest: WireClient) -> None:
    dom0.write("name", b"dom0")
    assert dom0.read("/local/domain/0/name") == b"dom0"
    guest.write("data/a", b"1")
    assert dom0.read("/local/domain/5/data/a") == b"1"
    assert guest.read("/local/domain/5/data/a") == b"1"
    assert guest.directory("data") == ["a"]


@pytest.mark.parametrize("path", ["/-", "/a@b", "/_", "/A1", "/t", "/0"])
def test_these_are_names(dom0: WireClient, path: str) -> None:
    dom0.write(path, b"1")
    assert dom0.read(path) == b"1"


@pytest.mark.parametrize("path", ["", "/t/", "//", "/t//a", "/t a", "/t.a", "/t:a", "/é", "@t", "@releaseDomain", "t/"])
def test_these_are_not(dom0: WireClient, path: str) -> None:
    for ask in (dom0.read, dom0.directory, dom0.perms, dom0.mkdir, dom0.remove):
        assert refusal(ask, path) == "EINVAL"
    assert refusal(dom0.write, path, b"1") == "EINVAL"


def test_a_path_has_at_most_2048_bytes_below_a_domains_home(dom0: WireClient) -> None:
    for home in ("/", "/local/domain/5/", "/local/domain/12345/"):
        longest = home + "a" * (2047 if home == "/" else 2048)
        dom0.write(longest, b"1")
        assert dom0.read(longest) == b"1"
        assert refusal(dom0.write, longest + "a", b"1") == "EINVAL"
    assert refusal(dom0.write, "/local/domain/123456/" + "a" * 2048, b"") == "EINVAL"


def test_a_path_may_have_a_thousand_parts(dom0: WireClient) -> None:
    dom0.write("/a" * 1024, b"1")
    dom0.watch("/a", "t")
    dom0.drain()
    dom0.remove("/a")
    assert dom0.drain() == [("/a", "t")]
    assert dom0.directory("/") == ["tool"]
