"""The tables that are measured, and the drift that is put into local."""

DATABASE = "bench"

# The key of each kind, over a row's number n: columns, definition, values.
KEYS = {
    "integer": ("id BIGINT UNSIGNED NOT NULL", "id", "n"),
    "composite": ("tenant INT NOT NULL, id BIGINT UNSIGNED NOT NULL", "tenant, id", "n DIV 1000, n"),
    "string": ("id CHAR(24) CHARACTER SET ascii NOT NULL", "id", "LEFT(SHA2(n, 256), 24)"),
}


def create(servers, kind, rows, name="t"):
    """Makes production's table of so many rows of about 205 bytes, with three secondary indexes and a JSON column."""
    columns, key, value = KEYS[kind]
    servers.sql("remote", f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}")
    servers.sql(
        "remote",
        f"""CREATE TABLE {name} ({columns}, customer INT UNSIGNED NOT NULL, status ENUM('new', 'paid', 'sent', 'gone') NOT NULL,
                amount DECIMAL(10, 2) NOT NULL, rate FLOAT, weight DOUBLE, note VARCHAR(120), body JSON,
                created_at DATETIME NOT NULL, updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
                PRIMARY KEY ({key}), KEY customer (customer), KEY status_created (status, created_at), KEY updated (updated_at));
            CREATE TABLE digit (n INT PRIMARY KEY); INSERT INTO digit VALUES (0),(1),(2),(3),(4),(5),(6),(7),(8),(9);
            CREATE TABLE thousand (n INT PRIMARY KEY);
            INSERT INTO thousand SELECT a.n + 10 * b.n + 100 * c.n FROM digit a, digit b, digit c;""",
        DATABASE,
    )
    # In order of the number, a stretch at a time.
    for start in range(0, rows, 100_000):
        end = min(rows, start + 100_000)
        servers.sql(
            "remote",
            f"""INSERT INTO {name} SELECT {value}, n * 7919 % 50021, 1 + n % 4, (n * 37 % 1000000) / 100, (n % 1000) / 8, n / 3.1,
                    CONCAT('note ', SHA2(n, 224)), JSON_OBJECT('a', n, 'tags', JSON_ARRAY('x', n % 10), 'name', CONCAT('nm', n % 1000)),
                    '2020-01-01' + INTERVAL n SECOND, '2024-01-01' + INTERVAL n SECOND
                FROM (SELECT {start} + a.n * 1000 + b.n + 1 AS n FROM thousand a, thousand b
                      WHERE a.n < 100 AND {start} + a.n * 1000 + b.n < {end} ORDER BY 1) AS numbers""",
            DATABASE,
        )
    servers.sql("remote", f"DROP TABLE digit, thousand; ANALYZE TABLE {name}", DATABASE)


def create_many(servers, count):
    """Makes so many small tables on production."""
    servers.sql("remote", f"DROP DATABASE IF EXISTS {DATABASE}; CREATE DATABASE {DATABASE}")
    text = []
    for number in range(count):
        text.append(
            f"""CREATE TABLE t{number:03} (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(60) NOT NULL, amount DECIMAL(10, 2),
                    updated_at TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, KEY name (name), KEY updated (updated_at));
                INSERT INTO t{number:03} (name, amount) VALUES ('a', 1), ('b', 2), ('c', {number});"""
        )
    servers.sql("remote", "\n".join(text), DATABASE)


def drift(servers, kind, rows, how):
    """Changes local's rows, and returns how many."""
    number = "CAST(JSON_VALUE(body, '$.a') AS UNSIGNED)"
    condition = {
        "scattered": f"{number} % 1000 = 7",
        "hot range": f"{number} BETWEEN {rows // 2} AND {rows // 2 + max(1, rows // 100)}",
        "a tenth": f"{number} % 10 = 3",
    }[how]
    sql = f"UPDATE t SET amount = amount + 1, note = 'drifted' WHERE {condition}; SELECT ROW_COUNT()"
    return int(servers.value("local", sql, DATABASE))


def touch(servers, rows, changed):
    """Changes some of production's rows as an application would, with updated_at."""
    step = max(1, rows // changed)
    number = "CAST(JSON_VALUE(body, '$.a') AS UNSIGNED)"
    servers.sql(
        "remote",
        f"UPDATE t SET amount = amount + 1, updated_at = UTC_TIMESTAMP() WHERE {number} % {step} = 1 LIMIT {changed}",
        DATABASE,
    )


def bare_query(kind):
    """The bare 64-bit checksum query over the whole table: what the servers need for hashing every row once."""
    _, key, _ = KEYS[kind]
    plain = [name.strip() for name in key.split(",")]
    values = [*plain, "customer", "CAST(status AS BINARY)", "amount", "HEX(POINT(rate, 0))", "HEX(POINT(weight, 0))"]
    values += ["CAST(note AS BINARY)", "SHA2(body, 256)", "created_at", "updated_at", "LENGTH(status)", "LENGTH(note)"]
    columns = [*plain, "customer", "status", "amount", "rate", "weight", "note", "body", "created_at", "updated_at"]
    nulls = "CONCAT(" + ", ".join(f"ISNULL({name})" for name in columns) + ")"
    row = f"SHA2(CONCAT_WS('#', {', '.join(values)}, {nulls}), 256)"
    return f"SELECT COUNT(*), BIT_XOR(CAST(CONV(LEFT({row}, 16), 16, 10) AS UNSIGNED)) FROM t"
