-- What a few months and a developer's experiments made of the local copy: an older schema, missing and stale rows, leftovers.
DROP TRIGGER products_sku;
DROP VIEW revenue_by_month;
CREATE VIEW revenue_by_month AS SELECT DATE_FORMAT(ordered_at, '%Y-%m') AS month, COUNT(*) AS orders FROM orders GROUP BY month;
DROP PROCEDURE orders_of;
CREATE PROCEDURE cleanup_experiment () SELECT 'to be removed';

ALTER TABLE customers DROP COLUMN preferences, ADD COLUMN fax VARCHAR(30) NULL, MODIFY name VARCHAR(60) NOT NULL;
ALTER TABLE orders DROP COLUMN currency, DROP KEY ordered_at;
ALTER TABLE products DROP CONSTRAINT price_positive, MODIFY price DECIMAL(8,2) NOT NULL;
DROP TABLE coupons;
CREATE TABLE import_2024 (id INT PRIMARY KEY, line TEXT);
INSERT INTO import_2024 VALUES (1, 'left over'), (2, 'left over');

UPDATE products SET price = price + 1 WHERE id % 100 = 7;
UPDATE orders SET status = 'new' WHERE id > 39900;
UPDATE customers SET name = 'Test Customer', fax = '0043 1' WHERE id IN (17, 23);
UPDATE categories SET name = 'Camping' WHERE id = 5;
UPDATE stock SET quantity = 0 WHERE warehouse = 'ZRH' AND product_id % 40 = 1;
DELETE FROM order_items WHERE order_id > 39000;
DELETE FROM payments WHERE order_id > 29500;
DELETE FROM orders WHERE id > 39950;
DELETE FROM reviews WHERE id > 5900;
INSERT INTO customers (id, email, name, country, created_at) VALUES (90001, 'me@localhost', 'Me Myself', 'AT', '2026-01-01');
INSERT INTO reviews (id, product_id, customer_id, stars, body) VALUES (90001, 1, 90001, 5, 'my own test');
