-- Jobs, their history, and the counter that tells pages what changed.
-- Times are UTC text with microseconds (2026-11-23T09:30:00.000000Z): they sort as they read.

create table jobs (
    id                text primary key,
    owner             text not null,
    model             text not null,
    provider          text not null,
    endpoint          text not null,
    prompt            text not null,
    inputs            text not null,
    options           text not null,
    nonce             text,
    parent_id         text,
    still             text,
    estimate_low_usd  real,
    cost_estimate_usd real,
    cost_basis        text not null,
    created_at        text not null,

    cancel_requested  integer not null,

    state             text not null check (state in
        ('waiting', 'submitting', 'queued', 'running', 'saving', 'succeeded', 'failed', 'cancelled', 'unknown')),
    uploads           text not null,
    request_id        text,
    status_url        text,
    response_url      text,
    cancel_url        text,
    position          integer,
    progress          real,
    eta_s             real,
    stage             text not null,
    trouble           text not null,
    faults            integer not null,
    cancel_sent       integer not null,
    logs              text not null,
    output            text,
    submitted_at      text,
    started_at        text,

    error             text,
    video             text,
    finished_at       text,

    due_at            text not null,
    lease_owner       text,
    lease_until       text,
    fence             integer not null,
    version           integer not null,
    updated_at        text not null,

    is_open           integer not null generated always as
        (state in ('waiting', 'submitting', 'queued', 'running', 'saving')) stored
);

create unique index jobs_nonce on jobs (owner, nonce) where nonce is not null;
create index jobs_by_owner on jobs (owner, created_at desc, id desc);
create index jobs_by_owner_model on jobs (owner, model, created_at desc, id desc);
create index jobs_by_time on jobs (created_at desc, id desc);
create index jobs_changed on jobs (version);
create index jobs_open on jobs (provider, state, due_at) where is_open = 1;

create table events (
    job_id     text not null references jobs (id) on delete cascade,
    seq        integer not null,
    at         text not null,
    from_state text,
    to_state   text not null,
    why        text not null,
    primary key (job_id, seq)
) without rowid;

create table counter (value integer not null);
insert into counter (value) values (0);
