-- What pages ask at every refresh and every filter, without a walk along all takes of an owner. No index here costs a new
-- take more: one takes another's place, the others hold what is rare.

drop index jobs_changed;
create index jobs_changed on jobs (owner, version);

drop index history_starred;
create index history_starred on jobs
    (owner, seq desc, model, state, provider, aspect, rating, cost_estimate_usd, duration_s)
    where binned_at is null and starred = 1;
create index history_rated on jobs
    (owner, seq desc, model, state, provider, aspect, rating, cost_estimate_usd, duration_s)
    where binned_at is null and rating is not null;
create index history_failed on jobs
    (owner, seq desc, model, state, provider, aspect, rating, cost_estimate_usd, duration_s)
    where binned_at is null and state in ('failed', 'cancelled', 'unknown');

-- The words that the search knows, one by one.
create virtual table terms using fts5vocab('words', 'instance');
