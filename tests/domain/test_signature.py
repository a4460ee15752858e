"""Webhooks are believed only where B2Brouter signed these very bytes, just now."""

from __future__ import annotations

from dataclasses import FrozenInstanceError
from datetime import timedelta

import pytest

from connector.domain.signature import Signature, sign, signature_of
from tests.support.builders import NOON

SECRET = "whsec_test"
BODY = b'{"a":1}'
STAMP = "1732530076"
DIGEST = "6827743ac0cabb78ceaeaa2e6707fedfda853a1fab38f4bc4c2d72e0fd266515"


def test_the_vendors_test_vector() -> None:
    signature = signature_of(f"t={STAMP},s={DIGEST}")
    assert signature == Signature(STAMP, DIGEST)
    assert signature is not None
    assert signature.is_genuine(BODY, [SECRET])


def test_what_we_sign_is_what_they_sign() -> None:
    header = sign(SECRET, BODY, now=NOON)
    assert header.startswith(f"t={int(NOON.timestamp())},s=")
    signature = signature_of(header)
    assert signature is not None
    assert signature.is_genuine(BODY, [SECRET])


@pytest.mark.parametrize("body", [b'{"a": 1}', b'{"a":1}\n', b"", b'{"a":2}'])
def test_one_byte_changed_is_not_genuine(body: bytes) -> None:
    assert not Signature(STAMP, DIGEST).is_genuine(body, [SECRET])


@pytest.mark.parametrize(
    "signature",
    [
        Signature("1732530077", DIGEST),
        Signature("01732530076", DIGEST),
        Signature(STAMP, DIGEST.upper()),
        Signature(STAMP, DIGEST[:-1]),
        Signature(STAMP, DIGEST + "0"),
        Signature(STAMP, "ñ" * 64),
    ],
)
def test_another_time_or_digest_is_not_genuine(signature: Signature) -> None:
    assert not signature.is_genuine(BODY, [SECRET])


def test_while_the_secret_is_changed_two_count() -> None:
    signature = Signature(STAMP, DIGEST)
    assert signature.is_genuine(BODY, ["whsec_new", SECRET])
    assert signature.is_genuine(BODY, [SECRET, "whsec_new"])
    assert not signature.is_genuine(BODY, ["whsec_new", "whsec_old"])
    assert not signature.is_genuine(BODY, [])


@pytest.mark.parametrize(
    "header", [f"s={DIGEST},t={STAMP}", f" t={STAMP} , s={DIGEST} ", f"t={STAMP},s={DIGEST},v=2"]
)
def test_order_blanks_and_further_parts_do_not_matter(header: str) -> None:
    assert signature_of(header) == Signature(STAMP, DIGEST)


@pytest.mark.parametrize(
    "header",
    [None, "", ",", "=", "t=", "s=", f"t={STAMP}", f"s={DIGEST}", f"t={STAMP},s=", f"t=,s={DIGEST}", "t=1e9,s=ab",
     "t=-1,s=ab", "t=1.5,s=ab", "t=٣,s=ab", f"t={'9' * 13},s=ab", f"{STAMP},{DIGEST}"],
)  # fmt: skip
def test_a_header_of_another_form_is_none(header: str | None) -> None:
    assert signature_of(header) is None


@pytest.mark.parametrize(
    ("off", "fresh"), [(0, True), (300, True), (-300, True), (301, False), (-301, False), (1200, False)]
)
def test_what_was_signed_long_ago_or_far_ahead_is_not_fresh(off: int, fresh: bool) -> None:
    signature = Signature(str(int(NOON.timestamp())), DIGEST)
    assert signature.is_fresh(NOON + timedelta(seconds=off), tolerance=300) is fresh


def test_what_was_received_stays_as_it_was() -> None:
    with pytest.raises(FrozenInstanceError):
        Signature(STAMP, DIGEST).digest = "0"  # type: ignore[misc]
