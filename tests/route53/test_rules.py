"""Values of record sets: what each type takes, and AWS's words for what it does not."""

from __future__ import annotations

import pytest

from antipodes.services.route53.records import RecordSet
from antipodes.services.route53.rules import name_problem, value_faults

GOOD = {
    "A": "192.0.2.1",
    "AAAA": "2001:db8::1",
    "CAA": '0 issue "ca.example"',
    "CNAME": "x.example.com",
    "DS": "12345 13 2 " + "ab" * 32,
    "HTTPS": '1 . alpn="h3" ipv4hint=192.0.2.1',
    "MX": "10 mail.example.com",
    "NAPTR": '10 20 "u" "SIP+D2U" "!^.*$!sip:x@example.com!" .',
    "NS": "ns1.example.com",
    "PTR": "x.example.com.",
    "SPF": '"v=spf1 -all"',
    "SRV": "1 2 80 s.example.com",
    "SSHFP": "4 2 " + "ef" * 32,
    "SVCB": '1 svc.example.com alpn="h2,h3" port=8443',
    "TLSA": "3 1 1 " + "cd" * 32,
    "TXT": '"a b" "c" "\\052"',
}
BAD = [
    ("A", "1.2.3", "ARRDATAIllegalIPv4Address (Value is not a valid IPv4 address)"),
    ("A", "1.2.3.4, 1.2.3.4", "ARRDATANotSingleField (Value contains spaces)"),
    ("AAAA", "1.2.3.4", "AAAARRDATAIllegalIPv6Address (Value is not a valid IPv6 address)"),
    ("MX", "mail.example.com", "MXRRDATANotTwoFields (MX record doesn't have 2 fields)"),
    ("MX", "ten mail.example.com", "MXRRDATAInvalid"),
    ("SRV", "1 2 s.example.com", "SRVRRDATANotFourFields (SRV record doesn't have 4 fields)"),
    ("TXT", "plain", "InvalidCharacterString (Value should be enclosed in quotation marks)"),
    ("TXT", '"' + "x" * 256 + '"', "CharacterStringTooLong (Value is too long)"),
    ("SPF", "v=spf1", "InvalidCharacterString (Value should be enclosed in quotation marks)"),
    ("CNAME", "a b", "CNAMERRDATANotSingleField (Value contains spaces)"),
    ("PTR", "a..b", "DomainLabelEmpty (Domain label is empty)"),
    ("NS", "a" * 64 + ".com", "DomainLabelTooLong (Domain label is too long)"),
    ("CAA", "x", "CAARRDATAInvalid"),
    ("DS", "1", "DSRRDATAInvalid"),
    ("TLSA", "9", "TLSARRDATAInvalid"),
    ("SSHFP", "zz", "SSHFPRRDATAInvalid"),
    ("HTTPS", "x", "HTTPSRRDATAInvalid"),
    ("NAPTR", "1", "NAPTRRRDATAInvalid"),
]


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_values_that_are_taken(kind: str) -> None:
    assert value_faults(RecordSet("x.example.com.", kind, 60, (GOOD[kind],))) == []


@pytest.mark.parametrize(("kind", "value", "problem"), BAD)
def test_values_that_are_refused_in_aws_words(kind: str, value: str, problem: str) -> None:
    (fault,) = value_faults(RecordSet("x.example.com.", kind, 60, (value,)))
    assert fault.startswith(f"Invalid Resource Record: 'FATAL problem: {problem}")
    assert fault.endswith(f" encountered with '{value}''")


def test_names_that_are_none() -> None:
    assert name_problem("a..b", "") == "DomainLabelEmpty (Domain label is empty)"
    assert name_problem("a" * 64, "") == "DomainLabelTooLong (Domain label is too long)"
