-- Whether a take begins with the last frame of the one that it grew out of. Of takes made before, nobody knows.
alter table jobs add column continues integer not null default 0;
