"""The inbox: receipts told apart, payloads sent to our own door, receipts read again."""

from datetime import timedelta
from pathlib import Path

from hub.ingest.intake import new_receipt_id
from hub.store import inbox, quarantine
from hub.store.tables import QuarantineRow
from tests.factories import at
from tests.integration.cli.served import bookinghub
from tests.integration.web.test_story import receipt
from tests.integration.web.world import NOW, World


def test_receipts_of_one_moment_are_told_apart(hub: World) -> None:
    ids = [new_receipt_id(at(0) + timedelta(milliseconds=number)) for number in range(3)]
    hub.change(lambda session: inbox.insert(session, [receipt(id) for id in ids]) and None)
    listed = [line.split()[0] for line in bookinghub("inbox", "list").out.splitlines()[1:]]
    assert len(set(listed)) == 3
    for shown in listed:
        assert bookinghub("inbox", "show", shown, "--json").json["receipt_id"].startswith(shown)


def test_payload_is_sent_to_our_own_door(hub: World, tmp_path: Path) -> None:
    file = tmp_path / "payload.json"
    file.write_bytes(b'{"id": "x"}')
    ran = bookinghub("inbox", "send", str(file))
    assert ran.code == 0
    assert "accepted, receipt r_new" in ran.err
    assert (
        bookinghub("inbox", "send", str(file), "--source", "meetergo", "--json").json["status"] == "accepted"
    )
    assert bookinghub("inbox", "send", "-", stdin=b"{}").code == 0
    assert [body for _, body in hub.door.received] == [b'{"id": "x"}', b'{"id": "x"}', b"{}"]
    assert bookinghub("inbox", "send", str(file), "--dry-run").code == 0
    assert len(hub.door.received) == 3
    assert bookinghub("inbox", "send", str(tmp_path / "none.json")).code == 2
    assert bookinghub("inbox", "send", str(file), "--source", "other").code == 1
    hub.door.status, hub.door.body = 400, b'{"detail":"not JSON; kept in quarantine","receipt":"r_k"}'
    refused = bookinghub("inbox", "send", str(file))
    assert refused.code == 2
    assert "kept in quarantine" in refused.err


def test_receipt_is_reprocessed(hub: World) -> None:
    row = QuarantineRow(receipt_id="r_bad00002", source="meetergo", received_at=NOW, reason="x", body=b"{")
    hub.change(
        lambda s: (inbox.insert(s, [receipt("r_bad00002", status="quarantined")]), quarantine.put(s, [row]))
    )
    assert bookinghub("inbox", "show", "r_bad0", "--json").json["payload"] == "{"
    assert bookinghub("inbox", "reprocess", "r_bad0", "--dry-run").code == 0
    assert hub.reprocessed == []
    assert bookinghub("inbox", "reprocess", "r_bad0").code == 0
    assert hub.reprocessed == ["r_bad00002"]
