-- What people add to their takes, and what makes 100,000 of them quick to find.

-- Place in the history: microseconds of created_at times a thousand, plus a number that tells jobs of one microsecond apart.
alter table jobs add column seq integer;
alter table jobs add column note text not null default '';
alter table jobs add column tags text not null default '[]';
alter table jobs add column rating integer check (rating between 1 and 5);
alter table jobs add column binned_at text;
alter table jobs add column duration_s real;
alter table jobs add column aspect text not null default '';

update jobs set
    duration_s = json_extract(video, '$.duration_s'),
    aspect = case
        when video is null then coalesce(json_extract(inputs, '$.aspect_ratio'), '')
        when json_extract(video, '$.width') * 1.0 / json_extract(video, '$.height') between 1.689 and 1.867 then '16:9'
        when json_extract(video, '$.width') * 1.0 / json_extract(video, '$.height') between 0.534 and 0.591 then '9:16'
        when json_extract(video, '$.width') * 1.0 / json_extract(video, '$.height') between 0.95 and 1.05 then '1:1'
        when json_extract(video, '$.width') * 1.0 / json_extract(video, '$.height') between 1.267 and 1.4 then '4:3'
        when json_extract(video, '$.width') * 1.0 / json_extract(video, '$.height') between 0.7125 and 0.7875 then '3:4'
        when json_extract(video, '$.width') * 1.0 / json_extract(video, '$.height') between 2.217 and 2.45 then '21:9'
        else 'other'
    end;

update jobs set seq = (
    select ranked.seq from (
        select id, (strftime('%s', created_at) * 1000000 + cast(substr(created_at, 21, 6) as integer)) * 1000
            + row_number() over (partition by created_at order by id) - 1 as seq
        from jobs
    ) as ranked
    where ranked.id = jobs.id
);

create unique index jobs_seq on jobs (seq desc);

-- Every index costs each new take a page of disk. One wide index answers any filter of the history without a look at the
-- rows; one over the few open jobs answers all that the engine asks.
drop index jobs_by_owner;
drop index jobs_by_owner_model;
drop index jobs_by_time;
drop index jobs_open;
drop index jobs_waiting;
drop index jobs_due;
drop index jobs_twins;  -- an owner's last ten minutes are a handful of rows of the history
create index jobs_due on jobs (due_at, provider, state, lease_until, owner) where is_open = 1;
create index history on jobs
    (owner, seq desc, binned_at, model, state, provider, aspect, starred, rating, cost_estimate_usd, duration_s);
create index history_starred on jobs (owner, seq desc) where binned_at is null and starred = 1;
create index jobs_binned on jobs (binned_at) where binned_at is not null;
create index jobs_children on jobs (parent_id, seq) where parent_id is not null;

-- How many takes each owner has of each day, so that a page far back is found without counting up to it.
create table days (
    owner  text not null,
    day    integer not null,  -- days since 1970
    takes  integer not null,
    primary key (owner, day desc)
) without rowid;
insert into days (owner, day, takes)
    select owner, seq / 86400000000000, count(*) from jobs where binned_at is null group by 1, 2;
create trigger days_more after insert on jobs when new.binned_at is null
begin
    insert into days (owner, day, takes) values (new.owner, new.seq / 86400000000000, 1)
        on conflict (owner, day) do update set takes = takes + 1;
end;
create trigger days_less after delete on jobs when old.binned_at is null
begin
    update days set takes = takes - 1 where owner = old.owner and day = old.seq / 86400000000000;
end;
create trigger days_moved after update of owner, binned_at on jobs
begin
    update days set takes = takes - 1
        where old.binned_at is null and owner = old.owner and day = old.seq / 86400000000000;
    insert into days (owner, day, takes)
        select new.owner, new.seq / 86400000000000, 1 where new.binned_at is null
        on conflict (owner, day) do update set takes = takes + 1;
end;

-- Words of a take, folded by `core.stores.search.fold`; the rowid is the job's seq, so that matches come newest first.
create virtual table words using fts5 (
    prompt, negative, note, tags, error, who,
    tokenize = "unicode61 remove_diacritics 2", prefix = '2 3'
);
insert into words (rowid, prompt, negative, note, tags, error, who)
    select seq, prompt, coalesce(json_extract(inputs, '$.negative_prompt'), ''), '', '',
        coalesce(json_extract(error, '$.message'), ''),
        'zz' || replace(replace(lower(owner), '-', ''), '_', '') || 'zz zz' || replace(replace(model, '-', ''), '_', '')
            || 'zz zz' || provider || 'zz'
    from jobs;
-- Rows whose words are not in there yet, or have changed.
create table unread (seq integer primary key);
create trigger words_go after delete on jobs
begin
    delete from words where rowid = old.seq;
    delete from unread where seq = old.seq;
end;

create table views (
    owner   text not null,
    name    text not null,
    search  text not null,
    at      text not null,
    primary key (owner, name)
) without rowid;
