"""What can be in a request, and what is refused before it is sent."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dom0_arbiter.xen.errors import XenstoreGarbled, XenstoreLocalError
from dom0_arbiter.xen.payloads import decode_names, encode_path, encode_perms, encode_watch_path

VALID = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-/_@")


@given(st.text(st.one_of(st.characters(), st.sampled_from("/a\n\0")), max_size=30))
def test_a_path_is_what_xenstored_takes_or_is_refused(path: str) -> None:
    try:
        encoded = encode_path(path)
    except XenstoreLocalError:
        return
    assert encoded == path.encode() + b"\0"
    assert set(path) <= VALID
    assert path
    assert "//" not in path
    assert path == "/" or not path.endswith("/")


@pytest.mark.parametrize("path", ["/", "/local/domain/7/data", "data/report", "/a-b/c_d@e"])
def test_usual_paths_are_taken(path: str) -> None:
    assert encode_path(path) == path.encode() + b"\0"


@pytest.mark.parametrize(
    "path", ["", "/a\n", "/a\0", "/a\0\0", "/a b", "/ä", "/a.b", "/" + 3072 * "a", "@other", "/a/"]
)
def test_what_is_no_path_is_refused_by_name(path: str) -> None:
    with pytest.raises(XenstoreLocalError, match="can't be a path"):
        encode_watch_path(path)


@pytest.mark.parametrize("path", ["@introduceDomain", "@releaseDomain", "/local/domain"])
def test_what_can_be_watched(path: str) -> None:
    assert encode_watch_path(path) == path.encode() + b"\0"


def test_permissions() -> None:
    assert encode_perms(["n0", "r7"]) == b"n0\0r7\0"
    for wrong in ([], ["x0"], ["n"], ["n0\n"], ["n0", "r\u0667"], ["n-1"]):
        with pytest.raises(XenstoreLocalError, match="not permissions"):
            encode_perms(wrong)


def test_lists_of_names() -> None:
    assert decode_names(b"") == []
    assert decode_names(b"a\0bc\0") == ["a", "bc"]
    for wrong in (b"a", b"a\0b", b"\xff\0"):
        with pytest.raises(XenstoreGarbled):
            decode_names(wrong)
