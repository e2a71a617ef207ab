-- A store as the program with schema version 1 made it (`sqlite3 store.db .dump`): four revisions,
-- a purged row that was given again, and a log whose first revision was compacted away.
PRAGMA journal_mode = WAL;
PRAGMA application_id = 0x54496e76;
PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE store (
  id INTEGER PRIMARY KEY CHECK (id = 1),
  epoch BLOB NOT NULL,
  revision INTEGER NOT NULL,         -- of the newest commit with changes
  oldest_revision INTEGER NOT NULL,  -- `changes` holds all that came after it
  oldest_changes INTEGER NOT NULL,   -- how many changes that revision had
  next_seq INTEGER NOT NULL,         -- of the next change
  log_changes INTEGER NOT NULL,      -- in `changes` now
  log_bytes INTEGER NOT NULL         -- of their `before` and `after`
) STRICT;
INSERT INTO store VALUES(1,X'b5943c47c8470443f0d5121834b4d9c8',4,1,1,7,5,22);
CREATE TABLE sources (
  id TEXT PRIMARY KEY,
  status BLOB NOT NULL               -- tokeninventory.v1.Source
) STRICT, WITHOUT ROWID;
INSERT INTO sources VALUES('github',X'737461747573206f6620676974687562');
INSERT INTO sources VALUES('slack',X'737461747573206f6620736c61636b');
CREATE TABLE scopes (
  id INTEGER PRIMARY KEY,
  source TEXT NOT NULL,
  stream TEXT NOT NULL,
  key TEXT NOT NULL,
  item_json TEXT NOT NULL,
  absent_passes INTEGER NOT NULL
) STRICT;
INSERT INTO scopes VALUES(1,'github','tokens','','',0);
INSERT INTO scopes VALUES(2,'github','tokens','org-2','{"a":1}',2);
CREATE TABLE tokens (
  "row" INTEGER PRIMARY KEY,
  marks BLOB NOT NULL,               -- storage/scope_marks.h
  token BLOB NOT NULL                -- tokeninventory.v1.Token
) STRICT;
INSERT INTO tokens VALUES(1,X'0101',X'00ff27');
INSERT INTO tokens VALUES(2,X'0200',X'7a776569');
CREATE TABLE revisions (
  revision INTEGER PRIMARY KEY,
  commit_time INTEGER NOT NULL,      -- nanoseconds since 1970
  first_seq INTEGER NOT NULL,
  changes INTEGER NOT NULL,
  bytes INTEGER NOT NULL
) STRICT;
INSERT INTO revisions VALUES(2,1800000001123456789,2,2,9);
INSERT INTO revisions VALUES(3,1800000002123456789,4,2,7);
INSERT INTO revisions VALUES(4,1800000003123456789,6,1,6);
CREATE TABLE changes (
  seq INTEGER PRIMARY KEY,
  revision INTEGER NOT NULL,
  "row" INTEGER NOT NULL,
  cause INTEGER NOT NULL,            -- tokeninventory.v1.TokenChange.Cause
  before BLOB NOT NULL,              -- tokeninventory.v1.Token; empty: none
  after BLOB NOT NULL                -- likewise
) STRICT;
INSERT INTO changes VALUES(2,2,2,1,X'',X'74776f');
INSERT INTO changes VALUES(3,2,1,3,X'6f6e65',X'756e6f');
INSERT INTO changes VALUES(4,3,2,6,X'74776f',X'');
INSERT INTO changes VALUES(5,3,2,1,X'',X'7a776569');
INSERT INTO changes VALUES(6,4,1,2,X'756e6f',X'00ff27');
CREATE INDEX changes_by_row ON changes ("row");
COMMIT;
