"""What a server says in XML, as servers spell it."""

import pytest

from adapters.caldav.answers import Precondition, multiget, name_within, precondition, query_by_uid, resources

COLLECTION = "https://dav.studio.example/calendars/team%40x/"

RADICALE = b"""<?xml version='1.0' encoding='utf-8'?>
<error xmlns="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><C:no-uid-conflict /></error>"""
XANDIKOS = b"""<ns0:error xmlns:ns0="DAV:" xmlns:ns1="urn:ietf:params:xml:ns:caldav">
<ns1:valid-calendar-data /><ns0:responsedescription>Not valid</ns0:responsedescription></ns0:error>"""
WITH_HREF = b"""<D:error xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><C:no-uid-conflict>
<D:href>/calendars/team%40x/other.ics</D:href></C:no-uid-conflict></D:error>"""
BOMB = b"""<!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]>
<D:error xmlns:D="DAV:"><D:x>&b;</D:x></D:error>"""


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (RADICALE, Precondition("no-uid-conflict")),
        (XANDIKOS, Precondition("valid-calendar-data")),
        (WITH_HREF, Precondition("no-uid-conflict", "/calendars/team%40x/other.ics")),
        (BOMB, None),
        (b"", None),
        (b"<html><title>403</title></html>", None),
        (b'<D:error xmlns:D="DAV:"/>', None),
        (b'<D:error xmlns:D="DAV:"><D:Told-By-Guest_1/></D:error>', None),
        (RADICALE[:-9], None),
    ],
    ids=[
        "Radicale",
        "Xandikos",
        "with an address",
        "a bomb",
        "nothing",
        "a page",
        "no element",
        "no plain word",
        "cut",
    ],
)
def test_a_failed_precondition_is_named(content: bytes, found: Precondition | None) -> None:
    assert precondition(content) == found


def test_only_properties_that_exist_are_read() -> None:
    found = resources(
        b"""<multistatus xmlns="DAV:">
        <response><href>/a.ics</href>
          <propstat><prop><getetag>"1"</getetag></prop><status>HTTP/1.1 200 OK</status></propstat>
          <propstat><prop><displayname>x</displayname></prop><status>HTTP/1.1 404 No</status></propstat>
        </response>
        <response><href>/gone.ics</href><status>HTTP/1.1 404 Not Found</status></response>
        </multistatus>"""
    )
    assert found is not None
    (resource,) = found
    assert (resource.href, resource.text("{DAV:}getetag")) == ("/a.ics", '"1"')
    assert resource.text("{DAV:}displayname") is None


@pytest.mark.parametrize("content", [b"", b'<multistatus xmlns="DAV:"><response>', RADICALE])
def test_what_is_no_whole_list_is_none(content: bytes) -> None:
    assert resources(content) is None


@pytest.mark.parametrize(
    ("href", "name"),
    [
        ("/calendars/team%40x/a.ics", "a.ics"),
        ("/calendars/team@x/a%20b.ics", "a%20b.ics"),
        ("https://dav.studio.example/calendars/team%40x/a.ics", "a.ics"),
        ("/calendars/team%40x/", None),
        ("/calendars/other/a.ics", None),
        ("/calendars/team%40x/deeper/a.ics", None),
        ("https://elsewhere.example/calendars/team%40x/a.ics", None),
        ("http://dav.studio.example/calendars/team%40x/a.ics", None),
    ],
)
def test_an_address_is_followed_within_the_calendar_only(href: str, name: str | None) -> None:
    assert name_within(COLLECTION, href) == name


def test_requests_are_well_formed_whatever_is_asked_for() -> None:
    assert b"&lt;&amp;" in query_by_uid("<&")
    assert multiget(["/a&b.ics"]).count(b"<D:href>/a&amp;b.ics</D:href>") == 1
