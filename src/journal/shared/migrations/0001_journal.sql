-- The first format. Times that the runs state are text of one width, as they state them; only the
-- end of a claim is the server's own time, since it is judged by the server's clock alone.
CREATE TABLE coppice_journal.run (
    run_id text PRIMARY KEY,
    created_at text COLLATE "C" NOT NULL,
    mode text NOT NULL,
    environment text NOT NULL,
    plan_digest text NOT NULL,
    graph_digest text NOT NULL
);

CREATE TABLE coppice_journal.event (
    run_id text NOT NULL,
    seq bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    epoch bigint NOT NULL,
    kind text NOT NULL,
    body text NOT NULL,
    PRIMARY KEY (run_id, seq)
);

CREATE TABLE coppice_journal.blob (
    digest text PRIMARY KEY,
    bytes bytea NOT NULL
);

-- Rows are never deleted; a holder that is null gave its claim back.
CREATE TABLE coppice_journal.claim (
    target text PRIMARY KEY,
    run_id text NOT NULL,
    epoch bigint NOT NULL,
    holder text,
    until timestamptz NOT NULL
);

CREATE SEQUENCE coppice_journal.epoch;

-- The token tells a request that was sent twice, because the first answer was lost, from two.
CREATE TABLE coppice_journal.request (
    run_id text NOT NULL,
    seq bigint NOT NULL,
    at text COLLATE "C" NOT NULL,
    actor text NOT NULL,
    kind text NOT NULL,
    step text,
    reason text NOT NULL,
    answered_at text COLLATE "C",
    refused text,
    token text NOT NULL UNIQUE,
    PRIMARY KEY (run_id, seq)
);
