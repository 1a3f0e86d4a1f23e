
-- columns added, dropped, moved
CREATE TABLE t (id int NOT NULL PRIMARY KEY, a int, b varchar(10), c date)
=>
CREATE TABLE t (z int NOT NULL, id int NOT NULL PRIMARY KEY, c date, a int, n varchar(5) NOT NULL DEFAULT 'x', g geometry NOT NULL)
-- widened and narrowed
CREATE TABLE t (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, a varchar(10) NOT NULL, b int NOT NULL, c text, d datetime NOT NULL, e enum('a','b'), f decimal(10,2))
=>
CREATE TABLE t (id bigint NOT NULL AUTO_INCREMENT PRIMARY KEY, a varchar(100), b smallint, c varchar(255) NOT NULL DEFAULT '', d datetime(6), e enum('a','c') NOT NULL, f decimal(8,4) NOT NULL)
-- incompatible
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b int, c int unsigned, d char(5))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, b date, c int, d datetime)
-- indexes in another order
CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b int, c varchar(300), KEY k1 (a), KEY k3 (b), UNIQUE KEY u1 (b), KEY k4 (c(10)))
=>
CREATE TABLE t (id int PRIMARY KEY, a int NOT NULL, b int, c varchar(300), KEY k3 (b), KEY k2 (a, b), KEY k1 (a), UNIQUE KEY u2 (b, a), UNIQUE KEY u0 (a), KEY k4 (c(20)), FULLTEXT KEY f (c))
-- primary key with counter
CREATE TABLE t (id int NOT NULL AUTO_INCREMENT, a int NOT NULL, b int NOT NULL, PRIMARY KEY (id), UNIQUE KEY u (a))
=>
CREATE TABLE t (id int NOT NULL, a int NOT NULL, b int NOT NULL, PRIMARY KEY (a, b), KEY id (id))
-- surrogate key
CREATE TABLE t (a int NOT NULL, b int NOT NULL, PRIMARY KEY (a, b))
=>
CREATE TABLE t (id int NOT NULL AUTO_INCREMENT, a int NOT NULL, b int NOT NULL, PRIMARY KEY (id), UNIQUE KEY ab (a, b))
-- primary key loses a column that goes
CREATE TABLE t (a int NOT NULL, b int NOT NULL, c int, PRIMARY KEY (a, b))
=>
CREATE TABLE t (a int NOT NULL, c int, PRIMARY KEY (a))
-- counter moves
CREATE TABLE t (a int NOT NULL AUTO_INCREMENT, b int NOT NULL, PRIMARY KEY (a), KEY b (b))
=>
CREATE TABLE t (a int NOT NULL, b int NOT NULL AUTO_INCREMENT, PRIMARY KEY (b), KEY a (a))
-- charset of the table
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b text, c varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin, d varchar(10) CHARACTER SET ascii) CHARSET=latin1
=>
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b text CHARACTER SET latin1, c varchar(10), d varchar(10) CHARACTER SET utf8mb4) CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
-- charset named or not
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), b varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci) CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
=>
CREATE TABLE t (id int PRIMARY KEY, a varchar(10) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci, b varchar(10)) CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci
-- generated
CREATE TABLE t (id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a + 2) STORED, x int AS (a+3) STORED, y int AS (a+4), KEY v (v), KEY s (s))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, v int AS (a + 5) VIRTUAL, s int AS (a + 7) STORED, x int, y int, KEY v (v), KEY s (s))
-- generated storage
CREATE TABLE t (id int PRIMARY KEY, a int, v int AS (a + 1) VIRTUAL, s int AS (a + 2) STORED, KEY v (v), UNIQUE KEY s (s))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, v int AS (a + 1) STORED, s int AS (a + 2) VIRTUAL, KEY v (v), UNIQUE KEY s (s))
-- base to generated
CREATE TABLE t (id int PRIMARY KEY, a int, v int NOT NULL, s int, KEY v (v))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, v int AS (a + 1) STORED, s int AS (a + 2) VIRTUAL, KEY v (v), KEY s (s))
-- checks
CREATE TABLE t (id int PRIMARY KEY, a int, b int, CONSTRAINT c1 CHECK (a > 0), CONSTRAINT c2 CHECK (b > 0), CONSTRAINT c4 CHECK (a < b))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, CONSTRAINT c1 CHECK (a > 1), CONSTRAINT c3 CHECK (a < 100))
-- check enforcement [mysql]
CREATE TABLE t (id int PRIMARY KEY, a int, CONSTRAINT c1 CHECK (a > 0))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, CONSTRAINT c1 CHECK (a > 0) NOT ENFORCED)
-- column checks [mariadb]
CREATE TABLE t (id int PRIMARY KEY, a int CHECK (a > 0), b int, j text)
=>
CREATE TABLE t (id int PRIMARY KEY, a int CHECK (a > 1), b int CHECK (b > 0), j json NOT NULL, k json NOT NULL)
-- foreign keys
CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, CONSTRAINT f1 FOREIGN KEY (a) REFERENCES p (id), CONSTRAINT f2 FOREIGN KEY (b) REFERENCES p (id), CONSTRAINT f4 FOREIGN KEY (c) REFERENCES p (id))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, b bigint, c int, CONSTRAINT f1 FOREIGN KEY (a) REFERENCES p (id) ON DELETE CASCADE, CONSTRAINT f3 FOREIGN KEY (b) REFERENCES p (id) ON UPDATE CASCADE ON DELETE SET NULL, CONSTRAINT f4 FOREIGN KEY (c) REFERENCES p (id), KEY c2 (c, id))
-- self reference
CREATE TABLE t (id int PRIMARY KEY, a int, CONSTRAINT f1 FOREIGN KEY (a) REFERENCES t (id))
=>
CREATE TABLE t (id bigint PRIMARY KEY, a bigint, CONSTRAINT f1 FOREIGN KEY (a) REFERENCES t (id))
-- options
CREATE TABLE t (id int PRIMARY KEY) COMMENT='old' ROW_FORMAT=COMPACT STATS_PERSISTENT=1 MAX_ROWS=100 MIN_ROWS=3 AVG_ROW_LENGTH=7 CHECKSUM=1
=>
CREATE TABLE t (id int PRIMARY KEY) COMMENT='new\'s \\ x' KEY_BLOCK_SIZE=8 STATS_AUTO_RECALC=0
-- row format taken back
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), KEY a (a)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=4
=>
CREATE TABLE t (id int PRIMARY KEY, a varchar(10), KEY a (a))
-- engine
CREATE TABLE t (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, a text, FULLTEXT KEY f (a)) ENGINE=MyISAM
=>
CREATE TABLE t (id int NOT NULL AUTO_INCREMENT PRIMARY KEY, a text, b int, FULLTEXT KEY f (a)) ENGINE=InnoDB
-- partitions appended
CREATE TABLE t (id int NOT NULL, d date NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (YEAR(d)) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN (2010))
=>
CREATE TABLE t (id int NOT NULL, d date NOT NULL, a int, PRIMARY KEY (id, d)) PARTITION BY RANGE (YEAR(d)) (PARTITION p0 VALUES LESS THAN (2000), PARTITION p1 VALUES LESS THAN (2010), PARTITION p2 VALUES LESS THAN (2020) COMMENT = 'a,b')
-- partitions dropped and reorganised
CREATE TABLE t (id int NOT NULL, d int NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (d) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20), PARTITION pm VALUES LESS THAN MAXVALUE)
=>
CREATE TABLE t (id int NOT NULL, d int NOT NULL, PRIMARY KEY (id, d)) PARTITION BY RANGE (d) (PARTITION p1 VALUES LESS THAN (15), PARTITION p2 VALUES LESS THAN (30))
-- partitioned or not, key changes along
CREATE TABLE t (id int NOT NULL, d int NOT NULL, e int, PRIMARY KEY (id), UNIQUE KEY u (id, e))
=>
CREATE TABLE t (id int NOT NULL, d int NOT NULL, e int, PRIMARY KEY (id, d)) PARTITION BY HASH (d) PARTITIONS 3
-- other partition column
CREATE TABLE t (id int NOT NULL, d int NOT NULL, e int NOT NULL, PRIMARY KEY (id, d)) PARTITION BY LIST (d) (PARTITION a VALUES IN (1,2), PARTITION b VALUES IN (3))
=>
CREATE TABLE t (id int NOT NULL, d int NOT NULL, e int NOT NULL, PRIMARY KEY (id, e)) PARTITION BY RANGE (e) SUBPARTITION BY HASH (id) SUBPARTITIONS 2 (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)
-- partitioned loses its foreign key's company
CREATE TABLE t (id int NOT NULL, d int NOT NULL, PRIMARY KEY (id, d), CONSTRAINT f FOREIGN KEY (d) REFERENCES p (id))
=>
CREATE TABLE t (id int NOT NULL, d int NOT NULL, PRIMARY KEY (id, d)) PARTITION BY KEY (id) PARTITIONS 2
-- invisible and functional [mysql]
CREATE TABLE t (id int PRIMARY KEY, a int, b varchar(10), KEY a (a), KEY fx ((lower(b))), KEY d (a DESC))
=>
CREATE TABLE t (id int PRIMARY KEY, a int INVISIBLE, b varchar(10) DEFAULT (upper('x')), KEY a (a) INVISIBLE, KEY fx ((upper(b)), a DESC), KEY d (a))
-- ignored [mariadb]
CREATE TABLE t (id int PRIMARY KEY, a int, KEY a (a), KEY b (a, id) IGNORED)
=>
CREATE TABLE t (id int PRIMARY KEY, a int INVISIBLE, KEY a (a) IGNORED, KEY b (a, id))
-- functional unique over narrowing [mysql]
CREATE TABLE t (id int PRIMARY KEY, b text)
=>
CREATE TABLE t (id int PRIMARY KEY, b varchar(20), UNIQUE KEY u (b), UNIQUE KEY fx ((lower(b))))
-- spatial
CREATE TABLE t (id int PRIMARY KEY, p point)
=>
CREATE TABLE t (id int PRIMARY KEY, p point NOT NULL, q polygon NOT NULL, SPATIAL KEY p (p), SPATIAL KEY q (q))
-- srid [mysql]
CREATE TABLE t (id int PRIMARY KEY, p point NOT NULL, SPATIAL KEY p (p))
=>
CREATE TABLE t (id int PRIMARY KEY, p point NOT NULL SRID 4326, SPATIAL KEY p (p))
-- json and vector [mysql]
CREATE TABLE t (id int PRIMARY KEY, j text, v vector(3))
=>
CREATE TABLE t (id int PRIMARY KEY, j json NOT NULL, v vector(4), w json NOT NULL)
-- names in another case
CREATE TABLE t (Id int PRIMARY KEY, Name varchar(10), KEY Name (Name))
=>
CREATE TABLE t (id int PRIMARY KEY, name varchar(10) NOT NULL, KEY name (name))
-- hostile names
CREATE TABLE t (`a``b` int PRIMARY KEY, `c.d` int COMMENT 'it''s \\ "q"', `e f` varchar(3) DEFAULT '\'')
=>
CREATE TABLE t (`a``b` int PRIMARY KEY, `c.d` int COMMENT 'other\nline', `é ñ` varchar(3) DEFAULT '\\', KEY `k``x` (`c.d`))
-- timestamps
CREATE TABLE t (id int PRIMARY KEY, a timestamp NULL, b datetime, c timestamp NOT NULL DEFAULT '2000-01-01 00:00:00')
=>
CREATE TABLE t (id int PRIMARY KEY, a timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, b timestamp(3) NULL DEFAULT CURRENT_TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP(3), c datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, d timestamp NOT NULL)
-- unique text to prefix
CREATE TABLE t (id int PRIMARY KEY, a varchar(100), UNIQUE KEY a (a), KEY b (a, id))
=>
CREATE TABLE t (id int PRIMARY KEY, a text, UNIQUE KEY a (a(50)), KEY b (a(20), id))
-- column with index goes
CREATE TABLE t (id int PRIMARY KEY, a int, b int, KEY ab (a, b), UNIQUE KEY b (b), CONSTRAINT ck CHECK (b > a))
=>
CREATE TABLE t (id int PRIMARY KEY, a int)
-- sets
CREATE TABLE t (id int PRIMARY KEY, s set('a','b','c'), e enum('x','y'))
=>
CREATE TABLE t (id int PRIMARY KEY, s set('b','c','d') NOT NULL DEFAULT 'b', e varchar(10))
-- collation gets coarser under a unique key
CREATE TABLE t (id int PRIMARY KEY, a varchar(10) COLLATE utf8mb4_bin, UNIQUE KEY a (a)) CHARSET=utf8mb4
=>
CREATE TABLE t (id int PRIMARY KEY, a varchar(10) COLLATE utf8mb4_unicode_ci, UNIQUE KEY a (a)) CHARSET=utf8mb4
-- keys of foreign keys keep their order
CREATE TABLE t (id smallint PRIMARY KEY, code varchar(5), parent smallint, KEY c_b (code), KEY c_c (parent), CONSTRAINT c_b FOREIGN KEY (code) REFERENCES b (code), CONSTRAINT c_c FOREIGN KEY (parent) REFERENCES t (id))
=>
CREATE TABLE t (id int PRIMARY KEY, code char(3), parent int, KEY c_b (code), KEY c_c (parent), CONSTRAINT c_b FOREIGN KEY (code) REFERENCES b (code), CONSTRAINT c_c FOREIGN KEY (parent) REFERENCES t (id))
-- only the order of indexes
CREATE TABLE t (id int PRIMARY KEY, code varchar(5), parent int, KEY c_b (code), KEY c_c (parent), CONSTRAINT c_b FOREIGN KEY (code) REFERENCES b (code), CONSTRAINT c_c FOREIGN KEY (parent) REFERENCES t (id))
=>
CREATE TABLE t (id int PRIMARY KEY, code varchar(5), parent int, KEY c_c (parent), KEY c_b (code), CONSTRAINT c_b FOREIGN KEY (code) REFERENCES b (code), CONSTRAINT c_c FOREIGN KEY (parent) REFERENCES t (id) ON DELETE CASCADE)
-- an index's name goes to other columns, and its foreign key with it
CREATE TABLE t (id int PRIMARY KEY, a int, b int, KEY k (a), KEY k2 (b), CONSTRAINT f FOREIGN KEY (a) REFERENCES p (id), CONSTRAINT f2 FOREIGN KEY (b) REFERENCES p (id))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, b int, c int, KEY k (c), KEY k2 (b, c), KEY k3 (b), CONSTRAINT f FOREIGN KEY (c) REFERENCES q (id), CONSTRAINT f2 FOREIGN KEY (b) REFERENCES p (id))
-- both together are too long for a row
CREATE TABLE t (id int PRIMARY KEY, a varchar(9000), b varchar(6000) NOT NULL) CHARSET=utf8mb4
=>
CREATE TABLE t (id int PRIMARY KEY, c varchar(9000), d varchar(6000) NOT NULL) CHARSET=utf8mb4
-- several fulltext indexes
CREATE TABLE t (id int PRIMARY KEY, a text, b text, c varchar(100), FULLTEXT KEY fz (c))
=>
CREATE TABLE t (id int PRIMARY KEY, a text, b text, c varchar(100), n int, FULLTEXT KEY fa (a), FULLTEXT KEY fb (b), FULLTEXT KEY fc (a, c), KEY c (c))
-- stored becomes plain of another type
CREATE TABLE t (id int PRIMARY KEY, a int, s int AS (a + 1) STORED, w int AS (a + 2) STORED, KEY s (s))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, s varchar(3), w bigint NOT NULL, KEY s (s))
-- checks in another order
CREATE TABLE t (id int PRIMARY KEY, a int, b int, CONSTRAINT c1 CHECK (a > 0), CONSTRAINT c2 CHECK (b > 0), CONSTRAINT c3 CHECK (b > -1))
=>
CREATE TABLE t (id int PRIMARY KEY, a int, b int, CONSTRAINT c3 CHECK (b > -1), CONSTRAINT c2 CHECK (b > 0), CONSTRAINT c0 CHECK (a < 50), CONSTRAINT c1 CHECK (a > 0))
-- decimals beyond the signed range
CREATE TABLE t (id int PRIMARY KEY, d decimal(30,0) NOT NULL, KEY d (d))
=>
CREATE TABLE t (id int PRIMARY KEY, d bigint unsigned NOT NULL, KEY d (d))
