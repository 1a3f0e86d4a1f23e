-- About 200,000 rows, the same on every run.
CREATE TEMPORARY TABLE n (i INT PRIMARY KEY)
  WITH d AS (SELECT 0 AS i UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL SELECT 6 UNION ALL SELECT 7
    UNION ALL SELECT 8 UNION ALL SELECT 9)
  SELECT 1 + a.i + 10 * b.i + 100 * c.i + 1000 * e.i + 10000 * f.i AS i FROM d a, d b, d c, d e, d f WHERE f.i < 5;

INSERT INTO countries VALUES ('AT', 'Austria'), ('CH', 'Switzerland'), ('DE', 'Germany'), ('FR', 'France'), ('IT', 'Italy'), ('PL', 'Poland');
INSERT INTO customers (id, email, name, country, born, newsletter, preferences, created_at)
  SELECT i, CONCAT(LOWER(ELT(1 + i % 8, 'anna', 'bela', 'carl', 'dora', 'emil', 'fritzi', 'gül', 'hugo')), i, '@example.com'),
    CONCAT(ELT(1 + i % 8, 'Anna', 'Béla', 'Carl', 'Dóra', 'Emil', 'Fritzi', 'Gül', 'Hugo'), ' ', ELT(1 + i % 7, 'Moser', 'Novák', 'Østby', 'Peña', 'Řehoř', 'Szabó', 'Weiß')),
    ELT(1 + i % 6, 'AT', 'CH', 'DE', 'FR', 'IT', 'PL'), IF(i % 5, '1950-01-01' + INTERVAL (i * 37) % 20000 DAY, NULL), i % 3 = 0,
    IF(i % 4, JSON_OBJECT('language', ELT(1 + i % 3, 'de', 'fr', 'it'), 'sizes', JSON_ARRAY(i % 46, 'M')), NULL), '2023-01-01' + INTERVAL i * 53 MINUTE
  FROM n WHERE i <= 20000;
INSERT INTO addresses (id, customer_id, kind, street, city)
  SELECT i, i, 'billing', CONCAT('Hauptstraße ', i % 200), ELT(1 + i % 5, 'Wien', 'Zürich', 'München', 'Łódź', 'Lyon') FROM n WHERE i <= 20000;
INSERT INTO categories VALUES (1, NULL, 'Clothing'), (2, 1, 'Shoes'), (3, 1, 'Jackets'), (4, NULL, 'Outdoor'), (5, 4, 'Tents'), (6, 4, 'Climbing');
INSERT INTO suppliers SELECT i, CONCAT('Supplier ', i), IF(i % 2, '30 days net', NULL) FROM n WHERE i <= 40;
INSERT INTO products (id, sku, name, category_id, supplier_id, price, attributes, discontinued_on)
  SELECT i, CONCAT('DW-', LPAD(i, 5, '0')), CONCAT(ELT(1 + i % 6, 'Trail', 'Alpine', 'City', 'Rain', 'Winter', 'Summit'), ' ', ELT(1 + i % 4, 'boot', 'jacket', 'tent', 'rope'), ' ', i),
    2 + i % 5, 1 + i % 40, (i * 719) % 40000 / 100, JSON_OBJECT('weight', i % 900, 'colour', ELT(1 + i % 3, 'red', 'blue', 'grün')), IF(i % 50, NULL, '2026-06-30')
  FROM n WHERE i <= 2000;
INSERT INTO stock SELECT i, w.code, (i * 31) % 120 FROM n, (SELECT 'VIE' AS code UNION SELECT 'ZRH') w WHERE i <= 2000;
INSERT INTO orders (id, customer_id, status, ordered_at, total, currency, note)
  SELECT i, 1 + (i * 7) % 20000, ELT(1 + i % 4, 'paid', 'shipped', 'shipped', 'returned'), '2025-01-01' + INTERVAL i * 19 MINUTE + INTERVAL i % 1000 * 1000 MICROSECOND,
    (i * 389) % 90000 / 100, IF(i % 9, 'EUR', 'CHF'), IF(i % 11, NULL, 'please ring twice') FROM n WHERE i <= 40000;
INSERT INTO order_items SELECT i, p.position, 1 + (i * p.position * 13) % 2000, 1 + i % 3, (i * 719) % 40000 / 100
  FROM n, (SELECT 1 AS position UNION SELECT 2) p WHERE i <= 40000;
INSERT INTO payments SELECT UNHEX(LEFT(SHA2(i, 256), 32)), i, ELT(1 + i % 3, 'card', 'transfer', 'invoice'), (i * 389) % 90000 / 100, '2025-01-02' + INTERVAL i * 19 MINUTE
  FROM n WHERE i <= 30000;
INSERT INTO coupons VALUES ('WELCOME10', 10, NULL), ('SUMMER26', 15, '2026-08-31'), ('WINTER26', 20, '2027-01-31');
INSERT INTO reviews (id, product_id, customer_id, stars, body)
  SELECT i, 1 + i % 2000, 1 + (i * 3) % 20000, 1 + i % 5, ELT(1 + i % 4, 'Kept me dry.', 'Too small 😕', 'Très bien !', NULL) FROM n WHERE i <= 6000;
DROP TEMPORARY TABLE n;
