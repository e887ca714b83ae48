-- By measurement (docs/event-store.md): rows of one insert lie apart in the order of the table, so differences compress worse than values.
alter table events modify column stored DateTime64(3, 'UTC') codec(ZSTD(1));
alter table events modify column sequence UInt64 codec(ZSTD(1))
