-- The engine remembers the blocks stored last, so that an insert repeated under its token adds only what is missing. An insert of
-- events of many months is many blocks; the window holds thousands of inserts, and a repetition follows its crash at once.
alter table events modify setting non_replicated_deduplication_window = 10000
