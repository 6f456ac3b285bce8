"""Who is answered: every way somebody else could ask, as a table and as chance."""

from __future__ import annotations

from http import HTTPStatus

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from toheal_p2p.web.guard import HEADERS, POLICY, Head, judge, kind_of
from toheal_p2p.web.keys import TOKEN_LIFE, Keys
from toheal_p2p.web.routes import PAGES

PORT = 40213
AUTHORITY = f"127.0.0.1:{PORT}"
ORIGIN = f"http://{AUTHORITY}"


def opened() -> tuple[Keys, Head]:
    """Return keys that were given out, and a request of the page that has them."""
    keys = Keys(PORT)
    found = keys.redeem(keys.new_token(0.0), 1.0)
    assert found is not None
    cookie, secret = found
    head = Head("POST", "/circles/new", (AUTHORITY,), (ORIGIN,), ("same-origin",), cookie, secret)
    return keys, head


def verdict(keys: Keys, head: Head) -> HTTPStatus | None:
    return judge(head, authority=AUTHORITY, keys=keys)


def test_our_own_page_is_answered() -> None:
    keys, head = opened()
    assert verdict(keys, head) is None
    assert verdict(keys, evolve(head, method="GET", origins=())) is None


@pytest.mark.parametrize(
    "hosts",
    [
        (),
        ("localhost:40213",),
        ("127.0.0.1",),
        ("127.0.0.1:40214",),
        ("rebound.example:40213",),
        ("127.0.0.1:40213.",),
        ("127.1:40213",),
        ("[::1]:40213",),
        (AUTHORITY, AUTHORITY),
        (AUTHORITY, "rebound.example"),
        ("",),
    ],
)
@pytest.mark.parametrize("path", ["/", "/start", "/parts/page.js", "/enter", "/now"])
def test_a_name_that_was_bound_to_this_machine_is_another_one(
    hosts: tuple[str, ...], path: str
) -> None:
    keys, head = opened()
    assert verdict(keys, evolve(head, path=path, hosts=hosts)) == HTTPStatus.MISDIRECTED_REQUEST


@pytest.mark.parametrize(
    "origins",
    [
        ("http://evil.example",),
        ("null",),
        (f"https://{AUTHORITY}",),
        ("http://127.0.0.1:40214",),
        ("http://localhost:40213",),
        (ORIGIN, ORIGIN),
        ("",),
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_request_of_a_foreign_page_is_refused_with_all_keys(
    origins: tuple[str, ...], method: str
) -> None:
    keys, head = opened()
    assert verdict(keys, evolve(head, method=method, origins=origins)) == HTTPStatus.FORBIDDEN


def test_a_form_that_does_not_say_where_it_comes_from_is_refused() -> None:
    keys, head = opened()
    assert verdict(keys, evolve(head, origins=())) == HTTPStatus.FORBIDDEN


@pytest.mark.parametrize(
    "site", ["cross-site", "same-site", "none", "", "same-origin, same-origin"]
)
def test_what_the_browser_says_of_the_asker_counts(site: str) -> None:
    keys, head = opened()
    for path in ("/now", "/parts/page.js"):
        asked = evolve(head, method="GET", path=path, origins=(), sites=(site,))
        assert verdict(keys, asked) == HTTPStatus.FORBIDDEN


def test_a_stolen_cookie_opens_nothing() -> None:
    keys, head = opened()
    for secret in ("", head.cookie, head.secret[:-1], head.secret + "a", "\u00e9"):
        assert verdict(keys, evolve(head, secret=secret)) == HTTPStatus.FORBIDDEN


def test_a_secret_without_its_cookie_opens_nothing() -> None:
    keys, head = opened()
    for cookie in ("", head.secret, head.cookie.swapcase()):
        assert verdict(keys, evolve(head, cookie=cookie)) == HTTPStatus.FORBIDDEN


def test_before_anybody_came_in_nothing_is_open() -> None:
    keys, head = Keys(PORT), opened()[1]
    assert verdict(keys, head) == HTTPStatus.FORBIDDEN
    assert verdict(keys, evolve(head, cookie="", secret="")) == HTTPStatus.FORBIDDEN


def test_quick_exit_makes_every_key_worthless() -> None:
    keys, head = opened()
    token = keys.new_token(0.0)
    keys.revoke()
    assert verdict(keys, head) == HTTPStatus.FORBIDDEN
    assert keys.redeem(token, 1.0) is None
    assert keys.redeem("", 1.0) is None


def test_a_token_is_good_once_and_for_a_minute() -> None:
    keys = Keys(PORT)
    token = keys.new_token(10.0)
    assert keys.redeem(token + "a", 10.0) is None
    assert keys.redeem(token, 10.0 + TOKEN_LIFE) is None
    assert keys.redeem(token, 9.9 + TOKEN_LIFE) is not None
    assert keys.redeem(token, 10.0) is None


def test_a_new_token_takes_the_place_of_the_last() -> None:
    keys = Keys(PORT)
    first = keys.new_token(0.0)
    second = keys.new_token(0.0)
    assert keys.redeem(first, 1.0) is None
    assert keys.redeem(second, 1.0) is not None


def test_whoever_comes_in_later_shuts_the_earlier_page_out() -> None:
    keys, head = opened()
    assert keys.redeem(keys.new_token(2.0), 3.0) is not None
    assert verdict(keys, head) == HTTPStatus.FORBIDDEN


def test_keys_of_two_ports_do_not_share_a_cookie() -> None:
    assert Keys(1).cookie_name != Keys(2).cookie_name


@pytest.mark.parametrize("method", ["HEAD", "PUT", "OPTIONS", "CONNECT", "TRACE", "get", ""])
@pytest.mark.parametrize("path", ["/", "/now", "/parts/page.js", "/enter"])
def test_other_methods_are_not_answered(method: str, path: str) -> None:
    keys, head = opened()
    assert verdict(keys, evolve(head, method=method, path=path)) == HTTPStatus.METHOD_NOT_ALLOWED


def test_nothing_but_the_empty_frame_is_open_to_everybody() -> None:
    open_to_all = {path for _method, path, _page in PAGES if kind_of(path) != "content"}
    assert open_to_all == {"/", "/start", "/calendar", "/enter", "/again"}


TEXT = st.text(max_size=40)
SOME = st.lists(TEXT, max_size=2).map(tuple)


@given(
    method=st.sampled_from(["GET", "POST", "HEAD", ""]) | TEXT,
    path=st.sampled_from(["/now", "/circle/x/say", "//", "/parts", "/Start", "/start/"]) | TEXT,
    hosts=st.just((AUTHORITY,)) | SOME,
    origins=st.just((ORIGIN,)) | SOME,
    sites=st.just(("same-origin",)) | SOME,
    cookie=TEXT,
    secret=TEXT,
)
def test_no_request_without_keys_reaches_content(
    method: str,
    path: str,
    hosts: tuple[str, ...],
    origins: tuple[str, ...],
    sites: tuple[str, ...],
    cookie: str,
    secret: str,
) -> None:
    keys, _head = opened()
    head = Head(method, path, hosts, origins, sites, cookie, secret)
    assert kind_of(path) != "content" or verdict(keys, head) is not None


def test_the_policy_lets_nothing_in_from_elsewhere() -> None:
    sources = {word for part in POLICY.split("; ") for word in part.split()[1:]}
    assert sources == {"'none'", "'self'", "data:", "blob:"}
    named = {part.split()[0] for part in POLICY.split("; ") if "blob:" in part}
    assert named == {"img-src", "media-src"}, "what is made in the page is shown, and never run"
    assert "data:" in POLICY.split("img-src")[1].split(";")[0]
    assert POLICY.count("data:") == 1
    assert dict(HEADERS)["cache-control"] == "no-store"
