-- Production's shop: twelve tables, a view, a trigger, a procedure.
CREATE TABLE countries (code CHAR(2) PRIMARY KEY, name VARCHAR(60) NOT NULL);
CREATE TABLE customers (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, email VARCHAR(120) NOT NULL, name VARCHAR(80) NOT NULL, country CHAR(2) NOT NULL,
  born DATE NULL, newsletter TINYINT(1) NOT NULL DEFAULT 0, preferences JSON NULL, created_at DATETIME NOT NULL,
  UNIQUE KEY email (email), KEY country (country), CONSTRAINT customers_country FOREIGN KEY (country) REFERENCES countries (code));
CREATE TABLE addresses (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, customer_id INT UNSIGNED NOT NULL, kind ENUM('billing', 'delivery') NOT NULL,
  street VARCHAR(100) NOT NULL, city VARCHAR(60) NOT NULL, KEY customer_id (customer_id),
  CONSTRAINT addresses_customer FOREIGN KEY (customer_id) REFERENCES customers (id) ON DELETE CASCADE);
CREATE TABLE categories (
  id SMALLINT UNSIGNED PRIMARY KEY, parent_id SMALLINT UNSIGNED NULL, name VARCHAR(60) NOT NULL, UNIQUE KEY name (name),
  CONSTRAINT categories_parent FOREIGN KEY (parent_id) REFERENCES categories (id));
CREATE TABLE suppliers (id SMALLINT UNSIGNED PRIMARY KEY, name VARCHAR(80) NOT NULL, terms TEXT NULL);
CREATE TABLE products (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, sku VARCHAR(20) NOT NULL, name VARCHAR(120) NOT NULL, category_id SMALLINT UNSIGNED NOT NULL,
  supplier_id SMALLINT UNSIGNED NOT NULL, price DECIMAL(10,2) NOT NULL, attributes JSON NULL, discontinued_on DATE NULL,
  UNIQUE KEY sku (sku), KEY category_id (category_id), KEY supplier_id (supplier_id),
  CONSTRAINT products_category FOREIGN KEY (category_id) REFERENCES categories (id),
  CONSTRAINT products_supplier FOREIGN KEY (supplier_id) REFERENCES suppliers (id), CONSTRAINT price_positive CHECK (price >= 0));
CREATE TABLE stock (
  product_id INT UNSIGNED NOT NULL, warehouse CHAR(3) NOT NULL, quantity INT NOT NULL, PRIMARY KEY (product_id, warehouse),
  CONSTRAINT stock_product FOREIGN KEY (product_id) REFERENCES products (id) ON DELETE CASCADE);
CREATE TABLE orders (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, customer_id INT UNSIGNED NOT NULL, status ENUM('new', 'paid', 'shipped', 'returned') NOT NULL DEFAULT 'new',
  ordered_at DATETIME(3) NOT NULL, total DECIMAL(12,2) NOT NULL, currency CHAR(3) NOT NULL DEFAULT 'EUR', note VARCHAR(200) NULL,
  KEY customer_id (customer_id), KEY ordered_at (ordered_at), CONSTRAINT orders_customer FOREIGN KEY (customer_id) REFERENCES customers (id));
CREATE TABLE order_items (
  order_id INT UNSIGNED NOT NULL, position TINYINT UNSIGNED NOT NULL, product_id INT UNSIGNED NOT NULL, quantity SMALLINT UNSIGNED NOT NULL,
  price DECIMAL(10,2) NOT NULL, PRIMARY KEY (order_id, position), KEY product_id (product_id),
  CONSTRAINT items_order FOREIGN KEY (order_id) REFERENCES orders (id) ON DELETE CASCADE,
  CONSTRAINT items_product FOREIGN KEY (product_id) REFERENCES products (id));
CREATE TABLE payments (
  id BINARY(16) PRIMARY KEY, order_id INT UNSIGNED NOT NULL, method ENUM('card', 'transfer', 'invoice') NOT NULL, amount DECIMAL(12,2) NOT NULL,
  paid_at DATETIME NOT NULL, KEY order_id (order_id), CONSTRAINT payments_order FOREIGN KEY (order_id) REFERENCES orders (id));
CREATE TABLE coupons (code VARCHAR(20) PRIMARY KEY, percent TINYINT UNSIGNED NOT NULL, valid_until DATE NULL);
CREATE TABLE reviews (
  id INT UNSIGNED PRIMARY KEY AUTO_INCREMENT, product_id INT UNSIGNED NOT NULL, customer_id INT UNSIGNED NOT NULL, stars TINYINT NOT NULL, body TEXT NULL,
  KEY product_id (product_id), KEY customer_id (customer_id), CONSTRAINT reviews_product FOREIGN KEY (product_id) REFERENCES products (id),
  CONSTRAINT reviews_customer FOREIGN KEY (customer_id) REFERENCES customers (id));

CREATE VIEW revenue_by_month AS
  SELECT DATE_FORMAT(ordered_at, '%Y-%m') AS month, COUNT(*) AS orders, SUM(total) AS revenue FROM orders WHERE status <> 'returned' GROUP BY month;
CREATE PROCEDURE orders_of (IN who INT UNSIGNED) SELECT id, ordered_at, total FROM orders WHERE customer_id = who ORDER BY ordered_at DESC;
CREATE TRIGGER products_sku BEFORE INSERT ON products FOR EACH ROW SET NEW.sku = UPPER(NEW.sku);
