"""Subjects hold any id as one safe token, reversibly."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.log.subjects import (
    EventSubject,
    check_prefix,
    contact_of_key_subject,
    decode_token,
    encode_token,
    event_subject,
    fits_subject,
    history_filter,
    inbox_subject,
    key_subject,
    parse_event_subject,
    stream_filter,
    stream_name,
)

SAFE = re.compile(r"[A-Za-z0-9_=-]+")
IDS = st.text(max_size=60)


@given(st.one_of(IDS, st.text(alphabet="=.*> \r\n\t\0é\ud800", max_size=20)))
def test_every_id_comes_back_from_its_token(text: str) -> None:
    token = encode_token(text)
    assert SAFE.fullmatch(token)
    assert decode_token(token) == text


@given(IDS, IDS)
def test_two_ids_never_share_a_token(one: str, other: str) -> None:
    assert (encode_token(one) == encode_token(other)) == (one == other)


@given(IDS, IDS, IDS, IDS)
def test_an_event_subject_is_read_back(source: str, provider_id: str, event_type: str, event_id: str) -> None:
    subject = event_subject("hub", source, provider_id, event_type, event_id)
    assert parse_event_subject(subject) == EventSubject(source, provider_id, event_type, event_id)
    assert subject.startswith(history_filter("hub", source, provider_id).removesuffix(">"))
    assert len(subject.split(".")) == 6


def test_usual_ids_stay_readable() -> None:
    uuid = "6f1c2d3e-0000-4000-8000-123456789abc"
    assert encode_token(uuid) == uuid
    assert encode_token("a.b c=ä") == "a=2Eb=20c=3D=C3=A4"
    assert encode_token("") == "="


@pytest.mark.parametrize("token", ["", "a.b", "a b", "=2", "=zz", "=2e", "==", "a=", "ä", "*", ">"])
def test_what_is_no_token_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="not an encoded id"):
        decode_token(token)


@pytest.mark.parametrize("subject", ["hub.inbox.meetergo", "hub.events.a.b.c", "hub.events.a.b.c.d.e", ""])
def test_other_subjects_are_not_events(subject: str) -> None:
    with pytest.raises(ValueError, match="not the subject of an event"):
        parse_event_subject(subject)


def test_an_id_too_long_for_a_subject_is_known_before_it_is_used() -> None:
    assert fits_subject("x" * 1024)
    assert not fits_subject("x" * 1025)
    assert not fits_subject("ä" * 171)
    with pytest.raises(ValueError, match="too long"):
        encode_token("." * 342)


def test_the_prefix_names_subjects_and_streams() -> None:
    assert stream_name("hub", "events") == "HUB_EVENTS"
    assert stream_name("acme", "inbox") == "ACME_INBOX"
    assert stream_filter("acme", "keys") == "acme.keys.>"
    assert inbox_subject("acme", "meet.ergo") == "acme.inbox.meet=2Eergo"
    assert contact_of_key_subject(key_subject("acme", "_contact")) == "_contact"


@pytest.mark.parametrize("prefix", ["", "Hub", "a.b", "a b", "*", "ä", "-a", "x" * 65])
def test_a_prefix_that_cannot_name_a_stream_is_refused(prefix: str) -> None:
    with pytest.raises(ValueError, match="prefix"):
        check_prefix(prefix)
