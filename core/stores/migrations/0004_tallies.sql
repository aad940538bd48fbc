-- Sums that an overview of 100,000 takes shows at once, and tags without a look at the takes that have none.

-- How many takes of each day have ended how, and their estimates in millionths of a dollar, so that sums stay exact when
-- takes are taken out again. Takes under way are few and are counted as they stand: their moves cost nothing here.
create table tallies (
    owner     text not null,
    day       integer not null,  -- days since 1970
    model     text not null,
    provider  text not null,
    state     text not null,
    takes     integer not null,  -- may be 0: all of them are gone
    micros    integer not null,
    unpriced  integer not null,  -- of the takes, those without an estimate
    primary key (owner, day desc, model, provider, state)
) without rowid;
insert into tallies (owner, day, model, provider, state, takes, micros, unpriced)
    select owner, seq / 86400000000000, model, provider, state, count(*),
        sum(cast(round(coalesce(cost_estimate_usd, 0) * 1000000) as integer)), sum(cost_estimate_usd is null)
    from jobs where is_open = 0 and binned_at is null group by 1, 2, 3, 4, 5;

create trigger tallies_more after insert on jobs when new.is_open = 0 and new.binned_at is null
begin
    insert into tallies (owner, day, model, provider, state, takes, micros, unpriced)
        values (new.owner, new.seq / 86400000000000, new.model, new.provider, new.state, 1,
            cast(round(coalesce(new.cost_estimate_usd, 0) * 1000000) as integer), new.cost_estimate_usd is null)
        on conflict (owner, day, model, provider, state) do update set
            takes = takes + 1, micros = micros + excluded.micros, unpriced = unpriced + excluded.unpriced;
end;
create trigger tallies_less after delete on jobs when old.is_open = 0 and old.binned_at is null
begin
    update tallies set
        takes = takes - 1,
        micros = micros - cast(round(coalesce(old.cost_estimate_usd, 0) * 1000000) as integer),
        unpriced = unpriced - (old.cost_estimate_usd is null)
        where owner = old.owner and day = old.seq / 86400000000000 and model = old.model and provider = old.provider
            and state = old.state;
end;
-- What a job costs is written once, with its row: only these three move a take from one tally to another.
create trigger tallies_out after update of owner, state, binned_at on jobs when old.is_open = 0 and old.binned_at is null
begin
    update tallies set
        takes = takes - 1,
        micros = micros - cast(round(coalesce(old.cost_estimate_usd, 0) * 1000000) as integer),
        unpriced = unpriced - (old.cost_estimate_usd is null)
        where owner = old.owner and day = old.seq / 86400000000000 and model = old.model and provider = old.provider
            and state = old.state;
end;
create trigger tallies_in after update of owner, state, binned_at on jobs when new.is_open = 0 and new.binned_at is null
begin
    insert into tallies (owner, day, model, provider, state, takes, micros, unpriced)
        values (new.owner, new.seq / 86400000000000, new.model, new.provider, new.state, 1,
            cast(round(coalesce(new.cost_estimate_usd, 0) * 1000000) as integer), new.cost_estimate_usd is null)
        on conflict (owner, day, model, provider, state) do update set
            takes = takes + 1, micros = micros + excluded.micros, unpriced = unpriced + excluded.unpriced;
end;

create index jobs_tagged on jobs (owner, tags) where tags <> '[]' and binned_at is null;
