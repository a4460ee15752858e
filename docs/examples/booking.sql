-- An invented back office of a translation agency, as a booking system keeps it: projects are what is invoiced.
-- Plain SQL for SQLite, PostgreSQL and MariaDB. See booking.toml for the queries that map it.

CREATE TABLE office (
    id INTEGER PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    vat_number VARCHAR(20) NOT NULL,
    country VARCHAR(2) NOT NULL,
    iban VARCHAR(34)
);

CREATE TABLE customer (
    id INTEGER PRIMARY KEY,
    name VARCHAR(100) NOT NULL,
    vat_number VARCHAR(20),
    street VARCHAR(100),
    city VARCHAR(60),
    postcode VARCHAR(12),
    country VARCHAR(2),
    invoice_email VARCHAR(100),
    is_person INTEGER NOT NULL
);

CREATE TABLE vat_code (
    code VARCHAR(10) PRIMARY KEY,
    percent NUMERIC(6,3) NOT NULL,
    category VARCHAR(3) NOT NULL,
    reason VARCHAR(20)
);

-- status: quoted, running, invoiced, cancelled. document: F invoice, R credit note, whose amounts are negative here.
CREATE TABLE project (
    id INTEGER PRIMARY KEY,
    office_id INTEGER NOT NULL,
    customer_id INTEGER NOT NULL,
    title VARCHAR(100) NOT NULL,
    status VARCHAR(10) NOT NULL,
    document VARCHAR(1),
    invoice_number VARCHAR(20),
    invoice_date DATE,
    due_date DATE,
    currency VARCHAR(3) NOT NULL,
    customer_order VARCHAR(40),
    corrects_project_id INTEGER,
    total_net NUMERIC(12,2) NOT NULL,
    total_vat NUMERIC(12,2) NOT NULL,
    irpf_percent NUMERIC(5,2),
    irpf_amount NUMERIC(12,2),
    total_payable NUMERIC(12,2) NOT NULL,
    reference VARCHAR(40),
    project_xref VARCHAR(120),
    updated_at TIMESTAMP NULL
);

CREATE INDEX project_changed ON project (updated_at, id);

-- One row per kind of work; rate is before VAT and before the discount, amount after it.
CREATE TABLE task (
    id INTEGER PRIMARY KEY,
    project_id INTEGER NOT NULL,
    position INTEGER NOT NULL,
    description VARCHAR(200) NOT NULL,
    quantity NUMERIC(12,3) NOT NULL,
    unit VARCHAR(10) NOT NULL,
    rate NUMERIC(12,4) NOT NULL,
    discount NUMERIC(12,2),
    amount NUMERIC(12,2) NOT NULL,
    vat_code VARCHAR(10) NOT NULL
);

CREATE INDEX task_of_project ON task (project_id, position);

CREATE TABLE project_vat (
    project_id INTEGER NOT NULL,
    vat_code VARCHAR(10) NOT NULL,
    base NUMERIC(12,2) NOT NULL,
    amount NUMERIC(12,2) NOT NULL,
    PRIMARY KEY (project_id, vat_code)
);

INSERT INTO office VALUES
    (1, 'Palabras al Vuelo, S.L.', 'ESB76543214', 'ES', 'ES9121000418450200051332'),
    (2, 'Mots Voyageurs SAS', 'FR44732829320', 'FR', 'FR7630006000011234567890189');

INSERT INTO customer VALUES
    (10, 'Editorial Faro Norte, S.A.', 'ESA58818501', 'Calle del Puerto, 7', 'Santander', '39001', 'ES',
     'facturas@faronorte.example', 0),
    (11, 'Hafenwerk Reisen GmbH', 'DE136695976', 'Am Kai 3', 'Hamburg', '20457', 'DE',
     'rechnung@hafenwerk.example', 0),
    (12, 'Maison du Voyage SAS', 'FR44732829320', '4 rue des Quais', 'Nantes', '44000', 'FR',
     'compta@maisonvoyage.example', 0);

INSERT INTO vat_code VALUES
    ('ES21', 21, 'S', NULL),
    ('ES10', 10, 'S', NULL),
    ('EU-RC', 0, 'AE', 'VATEX-EU-AE'),
    ('FR20', 20, 'S', NULL);

INSERT INTO project VALUES
    (100, 1, 10, 'Travel guide, two languages', 'invoiced', 'F', 'P-2026-001', '2026-09-01', '2026-10-01', 'EUR',
     'FN-4471', NULL, 1149.92, 241.48, NULL, NULL, 1391.40, NULL, NULL, '2026-09-01 09:30:00'),
    (101, 1, 11, 'Booking terms', 'invoiced', 'F', 'P-2026-002', '2026-09-02', '2026-10-02', 'EUR',
     NULL, NULL, 411.11, 0.00, NULL, NULL, 411.11, NULL, NULL, '2026-09-02 16:05:10'),
    (102, 1, 10, 'Interpreting at a fair', 'invoiced', 'F', 'P-2026-003', '2026-09-03', '2026-10-03', 'EUR',
     'FN-4490', NULL, 800.00, 168.00, 15, -120.00, 848.00, NULL, NULL, '2026-09-03 11:00:00'),
    (103, 1, 10, 'Travel guide, correction', 'invoiced', 'R', 'A-2026-001', '2026-09-10', '2026-09-10', 'EUR',
     NULL, 100, -100.00, -21.00, NULL, NULL, -121.00, NULL, NULL, '2026-09-10 08:00:00'),
    (104, 1, 10, 'Menu cards', 'running', NULL, NULL, NULL, NULL, 'EUR',
     NULL, NULL, 60.00, 12.60, NULL, NULL, 72.60, NULL, NULL, '2026-09-11 10:00:00'),
    (105, 1, 11, 'Leaflet', 'cancelled', 'F', 'P-2026-004', '2026-09-12', '2026-10-12', 'EUR',
     NULL, NULL, 50.00, 10.50, NULL, NULL, 60.50, NULL, NULL, '2026-09-12 12:00:00'),
    (106, 2, 12, 'Site web', 'invoiced', 'F', 'P-2026-001', '2026-09-14', '2026-10-14', 'EUR',
     'MV-77', NULL, 900.00, 180.00, NULL, NULL, 1080.00, NULL, NULL, '2026-09-14 12:00:00');

INSERT INTO task VALUES
    (1, 100, 1, 'Translation EN-ES, 12,500 words', 12500, 'word', 0.0875, NULL, 1093.75, 'ES21'),
    (2, 100, 2, 'Proof-reading', 2.5, 'hour', 25.50, 7.58, 56.17, 'ES21'),
    (3, 101, 1, 'Legal translation DE-ES', 0.333, 'day', 1234.565, NULL, 411.11, 'EU-RC'),
    (4, 102, 1, 'Simultaneous interpreting', 2, 'day', 400, NULL, 800.00, 'ES21'),
    (5, 103, 1, 'Words counted twice', -1000, 'word', 0.1, NULL, -100.00, 'ES21'),
    (6, 104, 1, 'Menu cards in four languages', 4, 'page', 15, NULL, 60.00, 'ES21'),
    (7, 105, 1, 'Leaflet', 1, 'page', 50, NULL, 50.00, 'ES21'),
    (8, 106, 1, 'Traduction du site', 9000, 'word', 0.1, NULL, 900.00, 'FR20');

INSERT INTO project_vat VALUES
    (100, 'ES21', 1149.92, 241.48),
    (101, 'EU-RC', 411.11, 0.00),
    (102, 'ES21', 800.00, 168.00),
    (103, 'ES21', -100.00, -21.00),
    (104, 'ES21', 60.00, 12.60),
    (105, 'ES21', 50.00, 10.50),
    (106, 'FR20', 900.00, 180.00);
