"""The first ledger."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
PREFIXED = sa.String(length=255).with_variant(sa.String(length=255, collation="C"), "postgresql")


def _tell_of_large_ledgers() -> None:
    """Tell SQLite that many jobs may have one status, as they have after the first look into a large ERP.

    It would take a status for the best thing to search by, and read all due jobs to learn which accounts have any.
    Nobody else writes such figures: they stay as they are.
    """
    op.execute("ANALYZE")  # makes the table, which is empty as yet
    op.execute("INSERT INTO sqlite_stat1 VALUES ('job', 'ix_job_status', '1000000 20000 1')")
    op.execute("INSERT INTO sqlite_stat1 VALUES ('job', 'ix_job_status_reason', '1000000 20000 2000')")
    op.execute("ANALYZE sqlite_schema")  # reads it


def upgrade() -> None:
    op.create_table(
        "account",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("environment", sa.String(length=32), nullable=True),
        sa.Column("host", sa.String(length=255), nullable=True),
        sa.Column("account_id", sa.String(length=64), nullable=True),
        sa.Column("remote_id", sa.String(length=64), nullable=True),
        sa.Column("tax_number", sa.String(length=64), nullable=True),
        sa.Column("rounding_method", sa.String(length=32), nullable=True),
        sa.Column("round_before_sum", sa.Boolean(), nullable=True),
        sa.Column("apply_taxes_per_line", sa.Boolean(), nullable=True),
        sa.Column("arithmetic_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("number_guard", sa.Boolean(), nullable=True),
        sa.Column("list_delay", sa.Double(), nullable=True),
        sa.Column("probed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_reason", sa.String(length=64), nullable=True),
        sa.Column("paused_details", sa.Text(), nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.String(length=128), nullable=True),
        sa.Column("probe_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("probes", sa.Integer(), nullable=False),
        sa.Column("ramp_step", sa.Integer(), nullable=True),
        sa.Column("polled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("poll_after", sa.DateTime(timezone=True), nullable=True),
        sa.Column("webhooks_proved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("archived_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("compare_asked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_account")),
    )
    op.create_table(
        "budget",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("next_at", sa.Double(), nullable=False),
        sa.Column("paused_until", sa.Double(), nullable=False),
        sa.Column("lowered", sa.Double(), nullable=True),
        sa.Column("lowered_at", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_budget")),
    )
    op.create_table(
        "call",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("operation", sa.String(length=32), nullable=False),
        sa.Column("status", sa.String(length=8), nullable=False),
        sa.Column("within", sa.Integer(), nullable=False),
        sa.Column("calls", sa.BigInteger(), nullable=False),
        sa.Column("seconds", sa.Double(), nullable=False),
        sa.PrimaryKeyConstraint("account", "operation", "status", "within", name=op.f("pk_call")),
    )
    op.create_table(
        "call_minute",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("calls", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("account", "minute", name=op.f("pk_call_minute")),
    )
    op.create_table(
        "contact_link",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=255), nullable=False),
        sa.Column("contact_id", sa.String(length=64), nullable=True),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("own_email", sa.Text(), nullable=True),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("open_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("taken", sa.Boolean(), nullable=False),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "identity", name=op.f("pk_contact_link")),
    )
    op.create_table(
        "directory",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("identifier", sa.String(length=255), nullable=False),
        sa.Column("transport", sa.String(length=64), nullable=True),
        sa.Column("document", sa.String(length=255), nullable=True),
        sa.Column("valid_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("account", "identifier", name=op.f("pk_directory")),
    )
    op.create_table(
        "job",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("source", sa.String(length=64), nullable=False),
        sa.Column("company", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(24), nullable=False),
        sa.Column("number", PREFIXED, nullable=True),
        sa.Column("issue_date", sa.Date(), nullable=True),
        sa.Column("confirmed_on", sa.Date(), nullable=True),
        sa.Column("currency", sa.String(length=8), nullable=True),
        sa.Column("total", sa.String(40), nullable=True),
        sa.Column("customer", sa.String(length=255), nullable=True),
        sa.Column("size", sa.Double(), nullable=True),
        sa.Column("customer_key", PREFIXED, nullable=True),
        sa.Column("tax_number", sa.String(length=64), nullable=True),
        sa.Column("original_key", sa.String(length=255), nullable=True),
        sa.Column("original_number", sa.String(length=255), nullable=True),
        sa.Column("original_date", sa.Date(), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stage", sa.String(24), nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_owner", sa.String(length=255), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("fence", sa.Integer(), nullable=False),
        sa.Column("lapses", sa.Integer(), nullable=False),
        sa.Column("open_effect", sa.String(24), nullable=True),
        sa.Column("open_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("looks", sa.Integer(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.Column("fingerprint", sa.String(length=64), nullable=True),
        sa.Column("content", sa.LargeBinary(), nullable=True),
        sa.Column("contact_id", sa.String(length=64), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("xref", sa.String(length=255), nullable=True),
        sa.Column("remote_state", sa.String(length=64), nullable=True),
        sa.Column("state_changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_event", sa.String(length=64), nullable=True),
        sa.Column("state_note", sa.Text(), nullable=True),
        sa.Column("state_recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state_unrecorded", sa.Boolean(), nullable=False),
        sa.Column("mark_due", sa.Boolean(), nullable=False),
        sa.Column("acknowledged", sa.Boolean(), nullable=False),
        sa.Column("report_refused", sa.Boolean(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ramp_step", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_job")),
        sa.UniqueConstraint("source", "company", "key", name=op.f("uq_job_source_company_key")),
    )
    op.create_index(
        "ix_job_due",
        "job",
        ["account", "due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_job_source_due",
        "job",
        ["source", "account", "due_at"],
        unique=False,
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.create_index(
        "ix_job_leased",
        "job",
        ["leased_until"],
        unique=False,
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
    op.create_index(
        "ix_job_mark_due",
        "job",
        ["account"],
        unique=False,
        sqlite_where=sa.text("mark_due = 1"),
        postgresql_where=sa.text("mark_due"),
    )
    op.create_index("ix_job_number", "job", ["number", "source", "company"], unique=False)
    op.create_index(
        "ix_job_original",
        "job",
        ["source", "original_key"],
        unique=False,
        sqlite_where=sa.text("original_key IS NOT NULL"),
        postgresql_where=sa.text("original_key IS NOT NULL"),
    )
    op.create_index(
        "ix_job_contact",
        "job",
        ["account", "contact_id"],
        unique=False,
        sqlite_where=sa.text("contact_id IS NOT NULL"),
        postgresql_where=sa.text("contact_id IS NOT NULL"),
    )
    op.create_index(
        "ix_job_ramp",
        "job",
        ["account", "ramp_step"],
        unique=False,
        sqlite_where=sa.text("ramp_step IS NOT NULL"),
        postgresql_where=sa.text("ramp_step IS NOT NULL"),
    )
    op.create_index(
        "ix_job_reference",
        "job",
        ["reference"],
        unique=False,
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.create_index(
        "ix_job_sent",
        "job",
        ["sent_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NOT NULL"),
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    op.create_index(
        "ix_job_account_sent",
        "job",
        ["account", "sent_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NOT NULL"),
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    op.create_index("ix_job_status", "job", ["status", "id"], unique=False)
    op.create_index("ix_job_account", "job", ["account", "id"], unique=False)
    op.create_index("ix_job_issue_date", "job", ["issue_date", "id"], unique=False)
    op.create_index("ix_job_customer_key", "job", ["customer_key", "id"], unique=False)
    op.create_index("ix_job_size", "job", ["size"], unique=False)
    op.create_index(
        "ix_job_stage",
        "job",
        ["stage", "id"],
        unique=False,
        sqlite_where=sa.text("stage <> 'recorded'"),
        postgresql_where=sa.text("stage <> 'recorded'"),
    )
    op.create_index(
        "ix_job_reason",
        "job",
        ["reason", "id"],
        unique=False,
        sqlite_where=sa.text("reason IS NOT NULL"),
        postgresql_where=sa.text("reason IS NOT NULL"),
    )
    op.create_index(
        "ix_job_tax_number",
        "job",
        ["tax_number", "id"],
        unique=False,
        sqlite_where=sa.text("tax_number IS NOT NULL"),
        postgresql_where=sa.text("tax_number IS NOT NULL"),
    )
    op.create_index(
        "ix_job_remote_state",
        "job",
        ["remote_state", "id"],
        unique=False,
        sqlite_where=sa.text("remote_state IS NOT NULL"),
        postgresql_where=sa.text("remote_state IS NOT NULL"),
    )
    op.create_index("ix_job_status_reason", "job", ["status", "reason"], unique=False)
    op.create_index(
        "ix_job_unrecorded",
        "job",
        ["source"],
        unique=False,
        sqlite_where=sa.text("state_unrecorded = 1"),
        postgresql_where=sa.text("state_unrecorded"),
    )
    op.create_table(
        "inbox",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("event_id", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=True),
        sa.Column("document", sa.String(length=64), nullable=True),
        sa.Column("state", sa.String(length=64), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.Column("triggered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_inbox")),
        sa.UniqueConstraint("account", "code", "event_id", name=op.f("uq_inbox_account_code_event_id")),
    )
    op.create_index(
        "ix_inbox_open",
        "inbox",
        ["code", "received_at"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL AND outcome IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL AND outcome IS NULL"),
    )
    op.create_index("ix_inbox_received", "inbox", ["account", "received_at"], unique=False)
    op.create_index(
        "ix_inbox_unsettled",
        "inbox",
        ["subject"],
        unique=False,
        sqlite_where=sa.text("settled_at IS NULL"),
        postgresql_where=sa.text("settled_at IS NULL"),
    )
    op.create_table(
        "tax_report",
        sa.Column("id", sa.String(length=64), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("reference", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=32), nullable=True),
        sa.Column("label", sa.String(length=255), nullable=True),
        sa.Column("state", sa.String(length=64), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("url", sa.Text(), nullable=True),
        sa.Column("qr", sa.Text(), nullable=True),
        sa.Column("problem", sa.Text(), nullable=True),
        sa.Column("corrects", sa.Boolean(), nullable=True),
        sa.Column("corrected_by", sa.String(length=64), nullable=True),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column("settled", sa.Boolean(), nullable=False),
        sa.Column("ask_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("unrecorded", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tax_report")),
    )
    op.create_index(
        "ix_tax_report_open",
        "tax_report",
        ["account", "ask_at"],
        unique=False,
        sqlite_where=sa.text("settled = 0"),
        postgresql_where=sa.text("NOT settled"),
    )
    op.create_index(
        "ix_tax_report_unrecorded",
        "tax_report",
        ["account"],
        unique=False,
        sqlite_where=sa.text("unrecorded = 1"),
        postgresql_where=sa.text("unrecorded"),
    )
    op.create_index("ix_tax_report_reference", "tax_report", ["reference"], unique=False)
    op.create_table(
        "person",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("role", sa.String(24), nullable=False),
        sa.Column("password", sa.String(length=255), nullable=False),
        sa.Column("language", sa.String(length=8), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_person")),
    )
    op.create_table(
        "session",
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("person", sa.String(length=64), nullable=False),
        sa.Column("form_key", sa.String(length=64), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(["person"], ["person.name"], name=op.f("fk_session_person"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("digest", name=op.f("pk_session")),
    )
    op.create_index(op.f("ix_session_person"), "session", ["person"], unique=False)
    op.create_table(
        "failed_sign_in",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("address", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_failed_sign_in")),
    )
    op.create_index("ix_failed_sign_in_at", "failed_sign_in", ["at"], unique=False)
    op.create_table(
        "token",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.Column("scopes", sa.String(length=64), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_token")),
        sa.UniqueConstraint("digest", name=op.f("uq_token_digest")),
    )
    op.create_table(
        "answer",
        sa.Column("token", sa.String(length=64), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request", sa.String(length=64), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("body", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("token", "key", name=op.f("pk_answer")),
    )
    op.create_index(op.f("ix_answer_at"), "answer", ["at"], unique=False)
    op.create_table(
        "deed",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("bulk_id", ID, nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_deed")),
    )
    op.create_index("ix_deed_who", "deed", ["who", "id"], unique=False)
    op.create_table(
        "bulk",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("act", sa.String(length=16), nullable=False),
        sa.Column("chosen", sa.Text(), nullable=True),
        sa.Column("who", sa.String(length=128), nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("pace", sa.Integer(), nullable=True),
        sa.Column("total", sa.Integer(), nullable=False),
        sa.Column("done", sa.Integer(), nullable=False),
        sa.Column("changed", sa.Integer(), nullable=False),
        sa.Column("stopped", sa.Boolean(), nullable=False),
        sa.Column("stopped_by", sa.String(length=128), nullable=True),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_bulk")),
    )
    op.create_index(op.f("ix_bulk_next_at"), "bulk", ["next_at"], unique=False)
    op.create_table(
        "bulk_item",
        sa.Column("bulk_id", ID, nullable=False),
        sa.Column("place", sa.Integer(), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("status", sa.String(24), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("result", sa.String(length=24), nullable=True),
        sa.ForeignKeyConstraint(["bulk_id"], ["bulk.id"], name=op.f("fk_bulk_item_bulk_id"), ondelete="CASCADE"),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_bulk_item_job_id")),
        sa.PrimaryKeyConstraint("bulk_id", "place", name=op.f("pk_bulk_item")),
    )
    op.create_table(
        "lease",
        sa.Column("name", sa.String(length=128), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_lease")),
    )
    op.create_table(
        "source",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=512), nullable=True),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=True),
        sa.Column("discovered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("swept_for", sa.String(length=64), nullable=True),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("compared_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("compared_id", ID, nullable=True),
        sa.Column("rechecked_id", ID, nullable=True),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.String(length=128), nullable=True),
        sa.Column("paused_note", sa.Text(), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_source")),
    )
    op.create_table(
        "stamp",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("identity", sa.String(length=512), nullable=False),
        sa.Column("bound_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("who", sa.String(length=128), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_stamp")),
    )
    op.create_table(
        "vat_number",
        sa.Column("number", sa.String(length=64), nullable=False),
        sa.Column("registered", sa.Boolean(), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_vat_number")),
    )
    op.create_table(
        "archive",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("piece", sa.String(24), nullable=False),
        sa.Column("keeping", sa.String(24), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tries", sa.Integer(), nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("missing_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("name", sa.String(length=255), nullable=True),
        sa.Column("sha256", sa.String(length=64), nullable=True),
        sa.Column("size", sa.BigInteger(), nullable=True),
        sa.Column("kept_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("list_number", sa.Integer(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_archive_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_archive")),
        sa.UniqueConstraint("job_id", "piece", name=op.f("uq_archive_job_id_piece")),
    )
    op.create_index(
        "ix_archive_due",
        "archive",
        ["account", "due_at"],
        unique=False,
        sqlite_where=sa.text("keeping IN ('due', 'storing')"),
        postgresql_where=sa.text("keeping IN ('due', 'storing')"),
    )
    op.create_index(
        "ix_archive_absent",
        "archive",
        ["account"],
        unique=False,
        sqlite_where=sa.text("keeping = 'absent'"),
        postgresql_where=sa.text("keeping = 'absent'"),
    )
    op.create_index("ix_archive_name", "archive", ["name"], unique=False)
    op.create_index(
        "ix_archive_unlisted",
        "archive",
        ["id"],
        unique=False,
        sqlite_where=sa.text("keeping = 'kept' AND list_number IS NULL"),
        postgresql_where=sa.text("keeping = 'kept' AND list_number IS NULL"),
    )
    op.create_table(
        "archive_list",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=255), nullable=False),
        sa.Column("sha256", sa.String(length=64), nullable=False),
        sa.Column("made_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("number", name=op.f("pk_archive_list")),
    )
    op.create_table(
        "reconciliation",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("owner", sa.String(length=255), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("first_day", sa.Date(), nullable=True),
        sa.Column("last_day", sa.Date(), nullable=True),
        sa.Column("erp", sa.Integer(), nullable=False),
        sa.Column("ledger", sa.Integer(), nullable=False),
        sa.Column("remote", sa.Integer(), nullable=False),
        sa.Column("differences", sa.Integer(), nullable=False),
        sa.Column("for_person", sa.Integer(), nullable=False),
        sa.Column("by_reason", sa.Text(), nullable=True),
        sa.Column("fault", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_reconciliation")),
    )
    op.create_index("ix_reconciliation_account", "reconciliation", ["account", "id"], unique=False)
    op.create_table(
        "difference",
        sa.Column("run_id", ID, nullable=False),
        sa.Column("seq", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("source", sa.String(length=64), nullable=True),
        sa.Column("company", sa.String(length=64), nullable=True),
        sa.Column("key", sa.String(length=255), nullable=True),
        sa.Column("job_id", ID, nullable=True),
        sa.Column("number", sa.String(length=255), nullable=True),
        sa.Column("issue_date", sa.Date(), nullable=True),
        sa.Column("currency", sa.String(length=8), nullable=True),
        sa.Column("total", sa.String(40), nullable=True),
        sa.Column("reference", sa.String(length=64), nullable=True),
        sa.Column("command", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["run_id"], ["reconciliation.id"], name=op.f("fk_difference_run_id")),
        sa.PrimaryKeyConstraint("run_id", "seq", name=op.f("pk_difference")),
    )
    op.create_table(
        "event",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("what", sa.String(length=32), nullable=False),
        sa.Column("stage", sa.String(24), nullable=False),
        sa.Column("effect", sa.String(24), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("reason", sa.String(length=64), nullable=True),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("request_id", sa.String(length=128), nullable=True),
        sa.Column("answer", sa.LargeBinary(), nullable=True),
        sa.Column("who", sa.String(length=128), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_event_job_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_event")),
    )
    op.create_index("ix_event_job", "event", ["job_id", "id"], unique=False)
    op.create_table(
        "number_claim",
        sa.Column("account", sa.String(length=64), nullable=False),
        sa.Column("number_key", sa.String(length=600), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_number_claim_job_id")),
        sa.PrimaryKeyConstraint("account", "number_key", name=op.f("pk_number_claim")),
    )
    op.create_index(op.f("ix_number_claim_job_id"), "number_claim", ["job_id"], unique=False)
    op.create_table(
        "alarm",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("code", sa.String(length=64), nullable=False),
        sa.Column("subject", sa.String(length=255), nullable=False),
        sa.Column("details", sa.Text(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_alarm")),
    )
    op.create_index(
        "uq_alarm_lasting",
        "alarm",
        ["code", "subject"],
        unique=True,
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.create_index(
        "ix_alarm_open",
        "alarm",
        ["id"],
        unique=False,
        sqlite_where=sa.text("NOT closed"),
        postgresql_where=sa.text("NOT closed"),
    )
    op.create_table(
        "notification",
        sa.Column("id", ID, sa.Identity(always=False), nullable=False),
        sa.Column("key", sa.String(length=255), nullable=False),
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=24), nullable=False),
        sa.Column("alarm_id", ID, nullable=True),
        sa.Column("fact", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(["alarm_id"], ["alarm.id"], name=op.f("fk_notification_alarm_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification")),
        sa.UniqueConstraint("key", name=op.f("uq_notification_key")),
    )
    op.create_index(
        "ix_notification_due",
        "notification",
        ["due_at"],
        unique=False,
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.create_index("ix_notification_recipient", "notification", ["recipient", "kind", "id"], unique=False)
    op.create_table(
        "told",
        sa.Column("recipient", sa.String(length=64), nullable=False),
        sa.Column("job_id", ID, nullable=False),
        sa.Column("reason", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(["job_id"], ["job.id"], name=op.f("fk_told_job_id")),
        sa.PrimaryKeyConstraint("recipient", "job_id", name=op.f("pk_told")),
    )
    op.create_table(
        "sign_of_life",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_sign_of_life")),
    )
    if op.get_bind().dialect.name == "sqlite":
        _tell_of_large_ledgers()


def downgrade() -> None:
    op.drop_table("difference")
    op.drop_index("ix_reconciliation_account", table_name="reconciliation")
    op.drop_table("reconciliation")
    op.drop_table("sign_of_life")
    op.drop_table("told")
    op.drop_index("ix_notification_recipient", table_name="notification")
    op.drop_index(
        "ix_notification_due",
        table_name="notification",
        sqlite_where=sa.text("sent_at IS NULL"),
        postgresql_where=sa.text("sent_at IS NULL"),
    )
    op.drop_table("notification")
    op.drop_index(
        "ix_alarm_open",
        table_name="alarm",
        sqlite_where=sa.text("NOT closed"),
        postgresql_where=sa.text("NOT closed"),
    )
    op.drop_index(
        "uq_alarm_lasting",
        table_name="alarm",
        sqlite_where=sa.text("ended_at IS NULL"),
        postgresql_where=sa.text("ended_at IS NULL"),
    )
    op.drop_table("alarm")
    op.drop_table("tax_report")
    op.drop_table("inbox")
    op.drop_table("archive_list")
    op.drop_index(
        "ix_archive_unlisted",
        table_name="archive",
        sqlite_where=sa.text("keeping = 'kept' AND list_number IS NULL"),
        postgresql_where=sa.text("keeping = 'kept' AND list_number IS NULL"),
    )
    op.drop_index("ix_archive_name", table_name="archive")
    op.drop_index(
        "ix_archive_absent",
        table_name="archive",
        sqlite_where=sa.text("keeping = 'absent'"),
        postgresql_where=sa.text("keeping = 'absent'"),
    )
    op.drop_index(
        "ix_archive_due",
        table_name="archive",
        sqlite_where=sa.text("keeping IN ('due', 'storing')"),
        postgresql_where=sa.text("keeping IN ('due', 'storing')"),
    )
    op.drop_table("archive")
    op.drop_index(op.f("ix_number_claim_job_id"), table_name="number_claim")
    op.drop_table("number_claim")
    op.drop_index("ix_event_job", table_name="event")
    op.drop_table("event")
    op.drop_table("stamp")
    op.drop_table("vat_number")
    op.drop_table("source")
    op.drop_table("lease")
    op.drop_index(
        "ix_job_unrecorded",
        table_name="job",
        sqlite_where=sa.text("state_unrecorded = 1"),
        postgresql_where=sa.text("state_unrecorded"),
    )
    op.drop_table("bulk_item")
    op.drop_index(op.f("ix_bulk_next_at"), table_name="bulk")
    op.drop_table("bulk")
    op.drop_index("ix_deed_who", table_name="deed")
    op.drop_table("deed")
    op.drop_index(op.f("ix_answer_at"), table_name="answer")
    op.drop_table("answer")
    op.drop_table("token")
    op.drop_index("ix_failed_sign_in_at", table_name="failed_sign_in")
    op.drop_table("failed_sign_in")
    op.drop_index(op.f("ix_session_person"), table_name="session")
    op.drop_table("session")
    op.drop_table("person")
    op.drop_index("ix_job_status_reason", table_name="job")
    op.drop_index(
        "ix_job_stage",
        table_name="job",
        sqlite_where=sa.text("stage <> 'recorded'"),
        postgresql_where=sa.text("stage <> 'recorded'"),
    )
    op.drop_index(
        "ix_job_reason",
        table_name="job",
        sqlite_where=sa.text("reason IS NOT NULL"),
        postgresql_where=sa.text("reason IS NOT NULL"),
    )
    op.drop_index(
        "ix_job_remote_state",
        table_name="job",
        sqlite_where=sa.text("remote_state IS NOT NULL"),
        postgresql_where=sa.text("remote_state IS NOT NULL"),
    )
    op.drop_index(
        "ix_job_tax_number",
        table_name="job",
        sqlite_where=sa.text("tax_number IS NOT NULL"),
        postgresql_where=sa.text("tax_number IS NOT NULL"),
    )
    op.drop_index("ix_job_size", table_name="job")
    op.drop_index("ix_job_customer_key", table_name="job")
    op.drop_index("ix_job_issue_date", table_name="job")
    op.drop_index("ix_job_account", table_name="job")
    op.drop_index("ix_job_status", table_name="job")
    op.drop_index(
        "ix_job_sent",
        table_name="job",
        sqlite_where=sa.text("sent_at IS NOT NULL"),
        postgresql_where=sa.text("sent_at IS NOT NULL"),
    )
    op.drop_index(
        "ix_job_reference",
        table_name="job",
        sqlite_where=sa.text("reference IS NOT NULL"),
        postgresql_where=sa.text("reference IS NOT NULL"),
    )
    op.drop_index(
        "ix_job_mark_due",
        table_name="job",
        sqlite_where=sa.text("mark_due = 1"),
        postgresql_where=sa.text("mark_due"),
    )
    op.drop_index(
        "ix_job_original",
        table_name="job",
        sqlite_where=sa.text("original_key IS NOT NULL"),
        postgresql_where=sa.text("original_key IS NOT NULL"),
    )
    op.drop_index("ix_job_number", table_name="job")
    op.drop_index(
        "ix_job_leased",
        table_name="job",
        sqlite_where=sa.text("status = 'running'"),
        postgresql_where=sa.text("status = 'running'"),
    )
    op.drop_index(
        "ix_job_source_due",
        table_name="job",
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_index(
        "ix_job_due",
        table_name="job",
        sqlite_where=sa.text("status = 'pending'"),
        postgresql_where=sa.text("status = 'pending'"),
    )
    op.drop_table("job")
    op.drop_table("directory")
    op.drop_table("contact_link")
    op.drop_table("call_minute")
    op.drop_table("call")
    op.drop_table("budget")
    op.drop_table("account")
