-- +goose Up

-- Covering: a CRL is written from this index alone, one partition of it from one range.
CREATE INDEX ledger_revoked ON ledger (authority, serial, revoked_at, reason, not_after)
	WHERE revoked_revision IS NOT NULL;
