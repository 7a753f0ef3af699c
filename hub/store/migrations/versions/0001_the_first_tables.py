"""The first tables, and on PostgreSQL the views other programs read.

The views `bookinghub.v1_*` are a contract: columns may be added at their end by a later migration, never
renamed or removed. They show the live generation only and cannot be written to, for they join.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision: str = "0001"
down_revision: str | None = None

TEXT = sa.String()
FLAG = sa.Boolean()
NUMBER = sa.Integer()
WHOLE = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
MOMENT = sa.DateTime(timezone=True)
DOCUMENT = sa.JSON().with_variant(JSONB(), "postgresql")

VIEWS = (
    """
    CREATE VIEW bookinghub.v1_bookings AS
    SELECT
        b.booking_id,
        b.source,
        b.provider_id,
        b.state->'provider_ids' AS provider_ids,
        b.status,
        b.no_show,
        b.title,
        b.meeting_type_id,
        b.meeting_type_slug,
        b.meeting_type_name,
        b.start,
        b."end",
        (
            SELECT a.attendee->>'timezone'
            FROM jsonb_array_elements(b.state->'attendees') WITH ORDINALITY AS a (attendee, place)
            WHERE a.attendee->>'timezone' IS NOT NULL
            ORDER BY (a.attendee->>'removed')::boolean, a.place
            LIMIT 1
        ) AS timezone,
        (b.state->>'previous_start')::timestamptz AS previous_start,
        (b.state->>'rescheduled_at')::timestamptz AS rescheduled_at,
        (b.state->>'reschedule_count')::integer AS reschedule_count,
        b.state->>'last_reason' AS last_reason,
        b.state->'hosts' AS hosts,
        b.state->'guests' AS guests,
        (b.state->>'group')::boolean AS "group",
        b.state->>'location' AS location,
        b.state->>'link' AS link,
        b.state->>'notes' AS notes,
        NULLIF(b.state->'payment', 'null') AS payment,
        NULLIF(b.state->'cancel', 'null') AS cancel,
        (b.state->'cancel'->>'at')::timestamptz AS cancelled_at,
        b.state->'metadata' AS metadata,
        b.created_at,
        (b.state->>'updated_at')::timestamptz AS updated_at,
        b.recorded_at,
        b.position
    FROM bookings b
    JOIN checkpoints c ON c.generation = b.generation AND c.live
    """,
    """
    CREATE VIEW bookinghub.v1_attendees AS
    SELECT
        a.booking_id,
        a.attendee_id,
        a.source,
        a.contact_id,
        a.email,
        a.name,
        a.phone,
        s.attendee->>'timezone' AS timezone,
        s.attendee->>'language' AS language,
        a.no_show,
        a.no_show_at,
        a.removed,
        a.removed_at
    FROM attendees a
    JOIN checkpoints c ON c.generation = a.generation AND c.live
    LEFT JOIN bookings b ON b.generation = a.generation AND b.booking_id = a.booking_id
    LEFT JOIN LATERAL (
        SELECT jsonb_path_query_first(
            b.state,
            '$.attendees[*] ? (@.attendee_id == $id)',
            jsonb_build_object('id', a.attendee_id)
        ) AS attendee
    ) s ON true
    """,
    """
    CREATE VIEW bookinghub.v1_contacts AS
    SELECT
        p.contact_id,
        p.email,
        p.phone,
        p.name,
        p.booking_count,
        p.cancellation_count,
        p.reschedule_count,
        p.no_show_count,
        p.last_no_show_at,
        p.last_cancellation_reason,
        p.first_seen_at,
        p.last_seen_at
    FROM contacts p
    JOIN checkpoints c ON c.generation = p.generation AND c.live
    """,
    """
    CREATE VIEW bookinghub.v1_timeline AS
    SELECT
        t.position,
        t.event_id,
        t.type,
        t.booking_id,
        t.provider_id,
        t.source,
        t.occurred_at,
        t.recorded_at,
        t.provenance,
        t.schema_version,
        t.causation_id,
        t.hidden,
        t.detail
    FROM timeline t
    JOIN checkpoints c ON c.generation = t.generation AND c.live
    """,
)


def upgrade() -> None:
    op.create_table(
        "attempts",
        sa.Column("id", WHOLE, nullable=False),
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.Column("at", MOMENT, nullable=False),
        sa.Column("number", NUMBER, nullable=False),
        sa.Column("outcome", TEXT, nullable=False),
        sa.Column("message", TEXT, nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("url", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_attempts"),
    )
    op.create_index("ix_attempts_booking_id", "attempts", ["booking_id"])
    op.create_table(
        "attendees",
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.Column("attendee_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("phone", TEXT, nullable=True),
        sa.Column("no_show", FLAG, nullable=False),
        sa.Column("no_show_at", MOMENT, nullable=True),
        sa.Column("removed", FLAG, nullable=False),
        sa.Column("removed_at", MOMENT, nullable=True),
        sa.Column("joined_at", MOMENT, nullable=True),
        sa.Column("reschedules", NUMBER, nullable=False),
        sa.Column("cancellations", NUMBER, nullable=False),
        sa.Column("no_shows", NUMBER, nullable=False),
        sa.Column("last_no_show_at", MOMENT, nullable=True),
        sa.Column("last_cancellation_reason", TEXT, nullable=True),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.Column("former_contact_ids", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("generation", "booking_id", "attendee_id", name="pk_attendees"),
    )
    op.create_index("ix_attendees_generation_contact_id", "attendees", ["generation", "contact_id"])
    op.create_table(
        "bookings",
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("title", TEXT, nullable=True),
        sa.Column("start", MOMENT, nullable=True),
        sa.Column("end", MOMENT, nullable=True),
        sa.Column("meeting_type_id", TEXT, nullable=True),
        sa.Column("meeting_type_slug", TEXT, nullable=True),
        sa.Column("meeting_type_name", TEXT, nullable=True),
        sa.Column("host_ids", DOCUMENT, nullable=False),
        sa.Column("search", TEXT, nullable=False),
        sa.Column("no_show", TEXT, nullable=False),
        sa.Column("state", DOCUMENT, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=True),
        sa.Column("cancelled_position", WHOLE, nullable=True),
        sa.PrimaryKeyConstraint("generation", "booking_id", name="pk_bookings"),
    )
    op.create_index("ix_bookings_generation_position", "bookings", ["generation", "position"])
    op.create_index("ix_bookings_generation_start", "bookings", ["generation", "start"])
    op.create_index("ix_bookings_generation_status", "bookings", ["generation", "status"])
    op.create_table(
        "checkpoints",
        sa.Column("generation", NUMBER, autoincrement=False, nullable=False),
        sa.Column("live", FLAG, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("event_id", TEXT, nullable=True),
        sa.Column("log_created", TEXT, nullable=True),
        sa.Column("versions", DOCUMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("generation", name="pk_checkpoints"),
    )
    op.create_index(
        "uq_checkpoints_live",
        "checkpoints",
        ["live"],
        unique=True,
        sqlite_where=sa.text("live"),
        postgresql_where=sa.text("live"),
    )
    op.create_table(
        "claims",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("token", TEXT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "key", name="pk_claims"),
    )
    op.create_table(
        "contacts",
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("email", TEXT, nullable=True),
        sa.Column("phone", TEXT, nullable=True),
        sa.Column("name", TEXT, nullable=True),
        sa.Column("booking_count", NUMBER, nullable=False),
        sa.Column("cancellation_count", NUMBER, nullable=False),
        sa.Column("reschedule_count", NUMBER, nullable=False),
        sa.Column("no_show_count", NUMBER, nullable=False),
        sa.Column("last_no_show_at", MOMENT, nullable=True),
        sa.Column("last_cancellation_reason", TEXT, nullable=True),
        sa.Column("first_seen_at", MOMENT, nullable=True),
        sa.Column("last_seen_at", MOMENT, nullable=True),
        sa.Column("position", WHOLE, nullable=False),
        sa.PrimaryKeyConstraint("generation", "contact_id", name="pk_contacts"),
    )
    op.create_table(
        "deliveries",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("event_type", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("cause", TEXT, nullable=True),
        sa.Column("error_class", TEXT, nullable=True),
        sa.Column("error_message", TEXT, nullable=True),
        sa.Column("error_at", MOMENT, nullable=True),
        sa.Column("outcome", TEXT, nullable=True),
        sa.Column("url", TEXT, nullable=True),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("hold", FLAG, nullable=False),
        sa.Column("first_attempt_at", MOMENT, nullable=True),
        sa.Column("unknown_since", MOMENT, nullable=True),
        sa.Column("guard", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("sink", "event_id", "key", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_booking_id", "deliveries", ["booking_id"])
    op.create_index("ix_deliveries_changed_at", "deliveries", ["changed_at"])
    op.create_index("ix_deliveries_due", "deliveries", ["sink", "state", "due_at", "position", "key"])
    op.create_index(
        "ix_deliveries_sink_key_state_position", "deliveries", ["sink", "key", "state", "position"]
    )
    op.create_index(
        "ix_deliveries_guard",
        "deliveries",
        ["sink", "guard", "state"],
        sqlite_where=sa.text("guard IS NOT NULL"),
        postgresql_where=sa.text("guard IS NOT NULL"),
    )
    op.create_table(
        "dirty",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("receipt_id", TEXT, nullable=False),
        sa.Column("sequence", WHOLE, nullable=True),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("marked_at", MOMENT, nullable=False),
        sa.Column("due_at", MOMENT, nullable=False),
        sa.Column("attempts", NUMBER, nullable=False),
        sa.Column("last_error", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("source", "provider_id", "receipt_id", name="pk_dirty"),
    )
    op.create_index("ix_dirty_due_at", "dirty", ["due_at"])
    op.create_index("ix_dirty_receipt_id", "dirty", ["receipt_id"])
    op.create_table(
        "idempotency",
        sa.Column("token_id", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("request_hash", TEXT, nullable=False),
        sa.Column("status", NUMBER, nullable=True),
        sa.Column("response", TEXT, nullable=True),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("token_id", "key", name="pk_idempotency"),
    )
    op.create_index("ix_idempotency_created_at", "idempotency", ["created_at"])
    op.create_table(
        "inbox",
        sa.Column("receipt_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("sequence", WHOLE, nullable=True),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("status", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("provider_id", TEXT, nullable=True),
        sa.Column("version", MOMENT, nullable=True),
        sa.Column("attendee_ids", DOCUMENT, nullable=True),
        sa.Column("digest", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("receipt_id", name="pk_inbox"),
    )
    op.create_index("ix_inbox_digest", "inbox", ["digest"])
    op.create_index("ix_inbox_received_at", "inbox", ["received_at"])
    op.create_index("ix_inbox_source_provider_id", "inbox", ["source", "provider_id"])
    op.create_table(
        "installation",
        sa.Column("id", NUMBER, nullable=False),
        sa.Column("installation_id", TEXT, nullable=False),
        sa.Column("log_created", TEXT, nullable=True),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("diverged_at", MOMENT, nullable=True),
        sa.Column("last_known_position", WHOLE, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_installation"),
    )
    op.create_table(
        "leases",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("owner", TEXT, nullable=False),
        sa.Column("until", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "operations",
        sa.Column("operation_id", TEXT, nullable=False),
        sa.Column("kind", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("done", NUMBER, nullable=False),
        sa.Column("failed", NUMBER, nullable=False),
        sa.Column("total", NUMBER, nullable=True),
        sa.Column("started_at", MOMENT, nullable=False),
        sa.Column("finished_at", MOMENT, nullable=True),
        sa.Column("detail", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("operation_id", name="pk_operations"),
    )
    op.create_index("ix_operations_started_at", "operations", ["started_at"])
    op.create_table(
        "provider_ids",
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("generation", "source", "provider_id", name="pk_provider_ids"),
    )
    op.create_table(
        "quarantine",
        sa.Column("receipt_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("received_at", MOMENT, nullable=False),
        sa.Column("reason", TEXT, nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("resolved_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("receipt_id", name="pk_quarantine"),
    )
    op.create_index("ix_quarantine_state_received_at", "quarantine", ["state", "received_at"])
    op.create_table(
        "sinks",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("start_position", WHOLE, nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("since", MOMENT, nullable=True),
        sa.Column("probe_at", MOMENT, nullable=True),
        sa.Column("last_success_at", MOMENT, nullable=True),
        sa.Column("last_error_class", TEXT, nullable=True),
        sa.Column("last_error_message", TEXT, nullable=True),
        sa.Column("last_error_at", MOMENT, nullable=True),
        sa.Column("target", TEXT, nullable=True),
        sa.Column("wait_until", MOMENT, nullable=True),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("failing_keys", DOCUMENT, nullable=False),
        sa.Column("probes", NUMBER, nullable=False),
        sa.Column("tokens", sa.Float(), nullable=True),
        sa.Column("tokens_at", MOMENT, nullable=True),
        sa.Column("revision", NUMBER, nullable=False),
        sa.Column("registration", DOCUMENT, nullable=True),
        sa.Column("applied", DOCUMENT, nullable=False),
        sa.Column("first_name", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_sinks"),
    )
    op.create_table(
        "sources",
        sa.Column("name", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("last_webhook_at", MOMENT, nullable=True),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("reason", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("name", name="pk_sources"),
    )
    op.create_table(
        "target_receipts",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=True),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("etag", TEXT, nullable=True),
        sa.Column("fingerprint", TEXT, nullable=True),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("url", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("wanted", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("sink", "key", "part", name="pk_target_receipts"),
    )
    op.create_table(
        "timeline",
        sa.Column("generation", NUMBER, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("event_id", TEXT, nullable=False),
        sa.Column("type", TEXT, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("source", TEXT, nullable=False),
        sa.Column("occurred_at", MOMENT, nullable=False),
        sa.Column("recorded_at", MOMENT, nullable=True),
        sa.Column("provenance", TEXT, nullable=False),
        sa.Column("schema_version", NUMBER, nullable=False),
        sa.Column("causation_id", TEXT, nullable=True),
        sa.Column("version", MOMENT, nullable=True),
        sa.Column("hidden", FLAG, nullable=False),
        sa.Column("detail", DOCUMENT, nullable=False),
        sa.PrimaryKeyConstraint("generation", "position", name="pk_timeline"),
    )
    op.create_index("ix_timeline_generation_booking_id", "timeline", ["generation", "booking_id"])
    op.create_index("uq_timeline_generation_event_id", "timeline", ["generation", "event_id"], unique=True)
    op.create_table(
        "tokens",
        sa.Column("token_id", TEXT, nullable=False),
        sa.Column("name", TEXT, nullable=False),
        sa.Column("scope", TEXT, nullable=False),
        sa.Column("hash", TEXT, nullable=False),
        sa.Column("created_at", MOMENT, nullable=False),
        sa.Column("last_used_at", MOMENT, nullable=True),
        sa.Column("revoked_at", MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("token_id", name="pk_tokens"),
    )
    op.create_index("uq_tokens_hash", "tokens", ["hash"], unique=True)
    op.create_table(
        "unconfirmed",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("receipt_id", TEXT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("detail", TEXT, nullable=False),
        sa.PrimaryKeyConstraint("source", "provider_id", name="pk_unconfirmed"),
    )
    op.create_table(
        "ledgers",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("terms", TEXT, nullable=False),
        sa.Column("pools", DOCUMENT, nullable=False),
        sa.Column("agreed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", name="pk_ledgers"),
    )
    op.create_table(
        "ledger_entries",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("state", TEXT, nullable=False),
        sa.Column("line", WHOLE, nullable=False),
        sa.Column("start", MOMENT, nullable=False),
        sa.Column("end", MOMENT, nullable=False),
        sa.Column("busy_from", MOMENT, nullable=False),
        sa.Column("busy_until", MOMENT, nullable=False),
        sa.Column("needs", DOCUMENT, nullable=False),
        sa.Column("units", DOCUMENT, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "key", name="pk_ledger_entries"),
    )
    op.create_index("ix_ledger_entries_sink_busy_until", "ledger_entries", ["sink", "busy_until"])
    op.create_index("ix_ledger_entries_state_sink", "ledger_entries", ["state", "sink"])
    op.create_table(
        "published",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("content", TEXT, nullable=True),
        sa.Column("audiences", DOCUMENT, nullable=False),
        sa.Column("fingerprint", TEXT, nullable=True),
        sa.Column("ends_at", MOMENT, nullable=True),
        sa.Column("sequence", WHOLE, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("changed_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "key", "part", name="pk_published"),
    )
    op.create_index("ix_published_sink_ends_at", "published", ["sink", "ends_at"])
    op.create_table(
        "former_receipts",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("target", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("etag", TEXT, nullable=True),
        sa.Column("fingerprint", TEXT, nullable=True),
        sa.Column("position", WHOLE, nullable=False),
        sa.Column("epoch", NUMBER, nullable=False),
        sa.Column("url", TEXT, nullable=True),
        sa.Column("detail", TEXT, nullable=False),
        sa.Column("data", DOCUMENT, nullable=False),
        sa.Column("updated_at", MOMENT, nullable=False),
        sa.Column("wanted", TEXT, nullable=True),
        sa.Column("left_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "target", "key", "part", name="pk_former_receipts"),
    )
    op.create_table(
        "strays",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("receipt", DOCUMENT, nullable=False),
        sa.Column("found_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "key", "external_id", name="pk_strays"),
    )
    op.create_table(
        "drift_checks",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("next_at", MOMENT, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("compared", NUMBER, nullable=False),
        sa.Column("error", TEXT, nullable=True),
        sa.PrimaryKeyConstraint("sink", name="pk_drift_checks"),
    )
    op.create_table(
        "drift",
        sa.Column("sink", TEXT, nullable=False),
        sa.Column("key", TEXT, nullable=False),
        sa.Column("part", TEXT, nullable=False),
        sa.Column("external_id", TEXT, nullable=False),
        sa.Column("booking_id", TEXT, nullable=True),
        sa.Column("action", TEXT, nullable=False),
        sa.Column("cause", TEXT, nullable=False),
        sa.Column("members", DOCUMENT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("sink", "key", "part", "external_id", name="pk_drift"),
    )
    op.create_index("ix_drift_booking_id", "drift", ["booking_id"])
    op.create_table(
        "polls",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("polled_at", MOMENT, nullable=True),
        sa.Column("succeeded_at", MOMENT, nullable=True),
        sa.Column("failing_since", MOMENT, nullable=True),
        sa.Column("error", TEXT, nullable=True),
        sa.Column("bookings", NUMBER, nullable=False),
        sa.Column("facts", NUMBER, nullable=False),
        sa.Column("duration_seconds", sa.Float(), nullable=True),
        sa.Column("registered", FLAG, nullable=True),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("silent_since", MOMENT, nullable=True),
        sa.Column("silent_changes", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("source", name="pk_polls"),
    )
    op.create_table(
        "source_lists",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("host", TEXT, nullable=False),
        sa.Column("first_seen_at", MOMENT, nullable=False),
        sa.Column("polled_at", MOMENT, nullable=True),
        sa.Column("created_before", MOMENT, nullable=True),
        sa.Column("history_id", TEXT, nullable=True),
        sa.Column("history_from", MOMENT, nullable=True),
        sa.Column("history_until", MOMENT, nullable=True),
        sa.Column("history_next", MOMENT, nullable=True),
        sa.Column("history_done_at", MOMENT, nullable=True),
        sa.Column("history_incomplete", NUMBER, nullable=False),
        sa.Column("history_bookings", NUMBER, nullable=False),
        sa.Column("history_facts", NUMBER, nullable=False),
        sa.PrimaryKeyConstraint("source", "host", name="pk_source_lists"),
    )
    op.create_table(
        "absent",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("provider_id", TEXT, nullable=False),
        sa.Column("since", MOMENT, nullable=False),
        sa.Column("checked_at", MOMENT, nullable=True),
        sa.Column("missing", FLAG, nullable=False),
        sa.PrimaryKeyConstraint("source", "provider_id", name="pk_absent"),
    )
    op.create_table(
        "replacements",
        sa.Column("source", TEXT, nullable=False),
        sa.Column("former_id", TEXT, nullable=False),
        sa.Column("booking_id", TEXT, nullable=False),
        sa.Column("command_id", TEXT, nullable=False),
        sa.Column("contact_id", TEXT, nullable=False),
        sa.Column("start", MOMENT, nullable=False),
        sa.Column("host", TEXT, nullable=True),
        sa.Column("reason", TEXT, nullable=True),
        sa.Column("new_id", TEXT, nullable=True),
        sa.Column("asked_at", MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("source", "former_id", name="pk_replacements"),
    )
    if op.get_context().dialect.name == "postgresql":
        # A role that may not create schemas needs only that an administrator has made this one.
        if op.get_bind().scalar(sa.text("SELECT to_regnamespace('bookinghub')")) is None:
            op.execute("CREATE SCHEMA bookinghub")
        for view in VIEWS:
            op.execute(view)
