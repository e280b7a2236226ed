"""Whose X-Forwarded-For is believed, and which of the addresses in it is the client's."""

import pytest

from web.peer import Trusted

PROXY, OTHER_PROXY, CLIENT = "10.0.0.1", "192.0.2.7", "203.0.113.9"


@pytest.fixture
def trusted() -> Trusted:
    return Trusted(["10.0.0.0/24", "192.0.2.7/32", "fd00::/8"])


@pytest.mark.parametrize(
    ("address", "is_ours"),
    [
        (PROXY, True),
        ("10.0.0.255", True),
        ("10.0.1.0", False),
        (OTHER_PROXY, True),
        ("192.0.2.8", False),
        ("fd00::1", True),
        ("fe80::1", False),
        ("::ffff:10.0.0.1", True),  # as a listener on :: sees it
        ("::ffff:10.0.1.0", False),
        ("", False),  # a Unix socket has no address
        ("unknown", False),
        ("10.0.0.1:80", False),
        ("10.0.0", False),
    ],
)
def test_networks_of_our_proxies(trusted: Trusted, address: str, is_ours: bool) -> None:
    assert (address in trusted) is is_ours


@pytest.mark.parametrize(
    "forwarded_for", ["", "1.2.3.4", PROXY, f"1.2.3.4, {PROXY}", "nonsense"], ids=repr
)
def test_a_stranger_is_who_it_is(trusted: Trusted, forwarded_for: str) -> None:
    assert trusted.client(CLIENT, forwarded_for) == CLIENT
    assert Trusted(()).client(PROXY, forwarded_for) == PROXY


@pytest.mark.parametrize(
    ("forwarded_for", "client"),
    [
        (CLIENT, CLIENT),
        (f"  {CLIENT} ", CLIENT),
        ("2001:db8::1", "2001:db8::1"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        (f"::ffff:{CLIENT}", CLIENT),
        # what stands before the client's own address was invented by it
        (f"1.2.3.4,{CLIENT}", CLIENT),
        (f"nonsense, 1.2.3.4 , {CLIENT}", CLIENT),
        (f"{PROXY},{CLIENT}", CLIENT),
        # our proxies behind each other
        (f"1.2.3.4,{CLIENT},{OTHER_PROXY}", CLIENT),
        (f"{CLIENT},10.0.0.9,{OTHER_PROXY}", CLIENT),
        ("10.0.0.8,10.0.0.9", "10.0.0.8"),
        # a proxy that says nothing, or nothing that can be understood
        ("", PROXY),
        (",", PROXY),
        ("unknown", PROXY),
        (f"{CLIENT}:4711", PROXY),
        (f"{CLIENT},", PROXY),
        (f"{CLIENT},nonsense,{OTHER_PROXY}", OTHER_PROXY),
    ],
)
def test_what_our_proxy_says(trusted: Trusted, forwarded_for: str, client: str) -> None:
    assert trusted.client(PROXY, forwarded_for) == client


def test_a_mapped_proxy_is_believed(trusted: Trusted) -> None:
    assert trusted.client(f"::ffff:{PROXY}", CLIENT) == CLIENT
