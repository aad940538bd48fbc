-- What the engine needs beyond the first schema: the order of waiting jobs, twins, waits, files in use, and events
-- that nobody rewrites.

alter table jobs add column fingerprint text;
alter table jobs add column rank real not null default 0;
alter table jobs add column starred integer not null default 0;
alter table jobs add column told_request_id text;
alter table jobs add column cancel_answer text not null default '';
alter table jobs add column usual_s real;
alter table jobs add column slow_s real;

update jobs set rank = (julianday(created_at) - 2440587.5) * 86400.0;
update jobs set due_at = '9999-01-01T00:00:00.000000Z' where state = 'unknown';

create index jobs_due on jobs (due_at) where is_open = 1;
create index jobs_unknown on jobs (due_at) where state = 'unknown';
create index jobs_waiting on jobs (provider, owner, rank) where state = 'waiting';
create index jobs_twins on jobs (owner, fingerprint, created_at desc) where fingerprint is not null;
create index jobs_waits on jobs (model, provider, finished_at desc) where state = 'succeeded';
create index jobs_finished on jobs (finished_at) where state in ('succeeded', 'failed', 'cancelled');

-- Which job uses which stored file, so that a file goes with its last job and no sooner.
create table uses (
    key     text not null,
    job_id  text not null references jobs (id) on delete cascade,
    primary key (key, job_id)
) without rowid;
create index uses_by_job on uses (job_id);

insert or ignore into uses (key, job_id)
    select value, id from (
        select tree.value as value, jobs.id as id from jobs, json_tree(jobs.inputs) as tree where tree.type = 'text'
        union all select still, id from jobs where still is not null
        union all select json_extract(video, '$.key'), id from jobs where video is not null
        union all select json_extract(video, '$.poster'), id from jobs where video is not null
    )
    where length(value) between 67 and 69 and substr(value, 65, 1) = '.' and not substr(value, 1, 64) glob '*[^0-9a-f]*';

-- The history of a job is only ever added to. It goes with its job: by then the row of the job is gone.
create trigger events_stay before update on events
begin
    select raise(abort, 'the history of a job is not rewritten');
end;
create trigger events_stay_whole before delete on events
when exists (select 1 from jobs where id = old.job_id)
begin
    select raise(abort, 'the history of a job is not cut');
end;
