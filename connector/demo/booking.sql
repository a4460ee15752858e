-- The back office of an invented travel and translation agency: what is invoiced is a project.
-- How it is read: connector/cli/samples/sql.toml.

CREATE TABLE office (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    vat_number TEXT NOT NULL,
    country TEXT NOT NULL
);

CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name TEXT NOT NULL,
    vat_number TEXT,
    siret TEXT,
    is_public INTEGER NOT NULL DEFAULT 0,
    service_code TEXT,
    street TEXT,
    city TEXT,
    postcode TEXT,
    country TEXT NOT NULL,
    invoice_email TEXT
);

-- An amount-only ("absolute") tax has no percentage.
CREATE TABLE vat_code (
    code TEXT PRIMARY KEY,
    percent NUMERIC,
    category TEXT,
    reason TEXT
);

-- status: quoted, invoiced, cancelled. document: F invoice, R credit note, whose amounts are negative.
CREATE TABLE project (
    id INTEGER PRIMARY KEY,
    office_id INTEGER NOT NULL REFERENCES office (id),
    customer_id INTEGER NOT NULL REFERENCES customer (id),
    title TEXT NOT NULL,
    status TEXT NOT NULL,
    document TEXT,
    invoice_number TEXT,
    invoice_date DATE,
    due_date DATE,
    currency TEXT NOT NULL,
    customer_order TEXT,
    corrects_project_id INTEGER REFERENCES project (id),
    total_net NUMERIC NOT NULL,
    total_vat NUMERIC NOT NULL,
    total_payable NUMERIC NOT NULL,
    pay_to TEXT,
    reference TEXT,
    project_xref TEXT,
    updated_at TEXT NOT NULL
);

CREATE INDEX project_changed ON project (updated_at, id);

CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL REFERENCES project (id),
    position INTEGER NOT NULL,
    description TEXT NOT NULL,
    quantity NUMERIC NOT NULL,
    unit TEXT NOT NULL,
    rate NUMERIC NOT NULL,
    amount NUMERIC NOT NULL,
    vat_code TEXT REFERENCES vat_code (code)
);

CREATE INDEX task_of_project ON task (project_id, position);

CREATE TABLE project_vat (
    project_id INTEGER NOT NULL REFERENCES project (id),
    vat_code TEXT NOT NULL REFERENCES vat_code (code),
    base NUMERIC NOT NULL,
    amount NUMERIC NOT NULL,
    PRIMARY KEY (project_id, vat_code)
);
