//! The model of a base table, as read from `SHOW CREATE TABLE`.
//!
//! Must never hold what the text does not say (no guessed defaults), so that print(parse(text)) gives the text back.

use crate::value::ValueKind;
use std::collections::BTreeMap;

/// A base table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Table {
    /// Name, without the database.
    pub name: String,
    /// Columns in table order.
    pub columns: Vec<Column>,
    /// All indexes, the primary key included, in the order the server prints them.
    pub indexes: Vec<Index>,
    /// Foreign keys in the order the server prints them.
    pub foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints in the order the server prints them.
    pub checks: Vec<Check>,
    /// Table options by upper-case name (`ENGINE`, `CHARSET`, `COLLATE`, `COMMENT`, `ROW_FORMAT`, …), values as
    /// printed (COMMENT unquoted). An engine's own option (MariaDB's `` `page_compressed` ``) is under its name in
    /// backticks. `AUTO_INCREMENT` is left out: it is data, not schema.
    pub options: BTreeMap<String, String>,
    /// The PARTITION BY clause, normalised, without the version comment around it.
    pub partitioning: Option<String>,
}

/// A column.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "a column has that many independent attributes"
)]
pub struct Column {
    /// Name.
    pub name: String,
    /// Type.
    pub data_type: DataType,
    /// Effective character set (the table's where the column names none); `None` for types that have none.
    pub charset: Option<String>,
    /// Effective collation where the text settles it.
    pub collation: Option<String>,
    /// Whether the text names `CHARACTER SET` at the column itself.
    pub explicit_charset: bool,
    /// Whether the text names `COLLATE` at the column itself.
    pub explicit_collation: bool,
    /// Whether NULL is allowed.
    pub nullable: bool,
    /// `DEFAULT` as SQL text (`'x'`, `NULL`, `CURRENT_TIMESTAMP(3)`, `(uuid())`), `None` where there is none.
    pub default: Option<String>,
    /// `ON UPDATE` expression, for example `CURRENT_TIMESTAMP(6)`.
    pub on_update: Option<String>,
    /// Whether the column is `AUTO_INCREMENT`.
    pub auto_increment: bool,
    /// For a generated column, its expression and storage.
    pub generated: Option<Generated>,
    /// Whether the column is invisible to `SELECT *`.
    pub invisible: bool,
    /// Spatial reference system, for geometry columns restricted to one.
    pub srid: Option<u32>,
    /// Comment, unquoted.
    pub comment: String,
    /// MariaDB's column-level CHECK: the expression as printed, with its outer parentheses.
    pub check: Option<String>,
    /// Other attributes as printed (`COMPRESSED`, `COLUMN_FORMAT DYNAMIC`, `STORAGE DISK`, `NOT SECONDARY`, …).
    pub other: Vec<String>,
}

/// A generated column's expression.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// The expression as printed, with its outer parentheses.
    pub expression: String,
    /// Whether it is STORED (PERSISTENT); otherwise VIRTUAL.
    pub stored: bool,
}

/// A column type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DataType {
    /// Lower-case base name: `int`, `varchar`, `enum`, `datetime`, …
    pub base: String,
    /// What stands in the parentheses, as printed without them: `10,2`, `255`, `'a','b'`.
    pub arguments: Option<String>,
    /// Whether `unsigned` is printed.
    pub unsigned: bool,
    /// Whether `zerofill` is printed.
    pub zerofill: bool,
}

/// What a type's values are made of, which decides how they are encoded, compared and fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TypeClass {
    /// TINYINT … BIGINT.
    Integer,
    /// DECIMAL.
    Decimal,
    /// FLOAT.
    Float,
    /// DOUBLE.
    Double,
    /// BIT.
    Bit,
    /// YEAR.
    Year,
    /// DATE, TIME, DATETIME.
    Temporal,
    /// TIMESTAMP (depends on the session's time zone, which is always UTC here).
    Timestamp,
    /// CHAR, VARCHAR.
    Text,
    /// TINYTEXT … LONGTEXT.
    LongText,
    /// BINARY, VARBINARY.
    Binary,
    /// TINYBLOB … LONGBLOB, MySQL's VECTOR.
    Blob,
    /// ENUM.
    Enum,
    /// SET.
    Set,
    /// MySQL's binary JSON (MariaDB's JSON is LONGTEXT).
    Json,
    /// GEOMETRY and its subtypes.
    Geometry,
    /// MariaDB's UUID, INET4, INET6: fixed binary values printed as text.
    TextualBinary,
}

impl DataType {
    /// Returns the type's class, or `None` for a type this tool does not know.
    pub fn class(&self) -> Option<TypeClass> {
        Some(match self.base.as_str() {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => {
                TypeClass::Integer
            }
            "decimal" | "numeric" => TypeClass::Decimal,
            "float" => TypeClass::Float,
            "double" | "real" => TypeClass::Double,
            "bit" => TypeClass::Bit,
            "year" => TypeClass::Year,
            "date" | "time" | "datetime" => TypeClass::Temporal,
            "timestamp" => TypeClass::Timestamp,
            "char" | "varchar" => TypeClass::Text,
            "tinytext" | "text" | "mediumtext" | "longtext" => TypeClass::LongText,
            "binary" | "varbinary" => TypeClass::Binary,
            "tinyblob" | "blob" | "mediumblob" | "longblob" | "vector" => TypeClass::Blob,
            "enum" => TypeClass::Enum,
            "set" => TypeClass::Set,
            "json" => TypeClass::Json,
            "geometry" | "point" | "linestring" | "polygon" | "multipoint" | "multilinestring"
            | "multipolygon" | "geometrycollection" | "geomcollection" => TypeClass::Geometry,
            "uuid" | "inet4" | "inet6" => TypeClass::TextualBinary,
            _ => return None,
        })
    }
}

impl DataType {
    /// Returns whether values of the type have a character set.
    pub fn has_charset(&self) -> bool {
        matches!(
            self.class(),
            Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set)
        )
    }
}

impl Column {
    /// Returns how the column's cells read into plan values. Rows are always fetched as `read::rows` selects them:
    /// text that converts to UTF-8 and back as UTF-8, everything else as raw bytes.
    pub fn value_kind(&self) -> ValueKind {
        match self.data_type.class() {
            Some(TypeClass::Integer | TypeClass::Year | TypeClass::Bit) => ValueKind::Integer,
            Some(TypeClass::Binary | TypeClass::Blob | TypeClass::Geometry) | None => {
                ValueKind::Bytes
            }
            Some(TypeClass::Text | TypeClass::LongText | TypeClass::Enum | TypeClass::Set) => {
                match self.charset.as_deref() {
                    Some("binary") => ValueKind::Bytes,
                    Some(charset) if !converts_to_utf8(charset) => ValueKind::Bytes,
                    _ => ValueKind::Text,
                }
            }
            Some(_) => ValueKind::Text,
        }
    }
}

/// Returns whether every string of a character set converts to utf8mb4 and back to the same bytes.
///
/// Only sets for which that is certain are named; others travel as raw bytes with an introducer.
pub fn converts_to_utf8(charset: &str) -> bool {
    matches!(charset, "utf8mb4" | "utf8mb3" | "utf8" | "ascii" | "latin1")
}

/// A part of an index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IndexPart {
    /// The column, or `None` for an expression.
    pub column: Option<String>,
    /// The expression as printed, with its own parentheses, for a functional part.
    pub expression: Option<String>,
    /// Prefix length in characters (bytes for binary columns).
    pub prefix: Option<u32>,
    /// Whether the part is DESC.
    pub descending: bool,
}

/// The kinds of indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum IndexKind {
    /// PRIMARY KEY.
    Primary,
    /// UNIQUE KEY.
    Unique,
    /// KEY.
    Plain,
    /// FULLTEXT KEY.
    Fulltext,
    /// SPATIAL KEY.
    Spatial,
    /// MariaDB's VECTOR KEY.
    Vector,
}

/// An index.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Name; `PRIMARY` for the primary key.
    pub name: String,
    /// Kind.
    pub kind: IndexKind,
    /// Parts in order.
    pub parts: Vec<IndexPart>,
    /// What stands behind the parts, without version comments: `USING HASH`, `COMMENT 'x'`, `INVISIBLE`,
    /// ``WITH PARSER `ngram` ``, `KEY_BLOCK_SIZE=4`, in printed order.
    pub options: Vec<String>,
}

/// A foreign key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ForeignKey {
    /// Constraint name.
    pub name: String,
    /// Referencing columns in order.
    pub columns: Vec<String>,
    /// Referenced database where the text names one.
    pub referenced_database: Option<String>,
    /// Referenced table.
    pub referenced_table: String,
    /// Referenced columns in order.
    pub referenced_columns: Vec<String>,
    /// `ON DELETE` action as printed, `None` for the default.
    pub on_delete: Option<String>,
    /// `ON UPDATE` action as printed, `None` for the default.
    pub on_update: Option<String>,
}

/// A CHECK constraint at table level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// Constraint name.
    pub name: String,
    /// The expression as printed, with its outer parentheses.
    pub expression: String,
    /// Whether it is enforced.
    pub enforced: bool,
}

impl Table {
    /// Returns the column of that name. Column names compare without regard to case, as the servers do.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.columns
            .iter()
            .find(|column| column.name.to_lowercase() == name.to_lowercase())
    }

    /// Returns the primary key, if the table has one.
    pub fn primary_key(&self) -> Option<&Index> {
        self.indexes
            .iter()
            .find(|index| index.kind == IndexKind::Primary)
    }

    /// Returns the columns by which rows are told apart: the primary key, else the first unique index over NOT NULL
    /// columns; `None` where there is neither. An index with a prefix, an expression or a generated column does not
    /// serve.
    pub fn comparison_key(&self) -> Option<Vec<&Column>> {
        self.comparison_keys().into_iter().next()
    }

    /// Returns all such keys, the best first.
    pub fn comparison_keys(&self) -> Vec<Vec<&Column>> {
        let whole_columns = |index: &Index| -> Option<Vec<&Column>> {
            index
                .parts
                .iter()
                .map(|part| {
                    let column = self.column(part.column.as_deref()?)?;
                    (part.prefix.is_none() && !column.nullable && column.generated.is_none())
                        .then_some(column)
                })
                .collect()
        };
        let of_kind = |kind: IndexKind| {
            self.indexes
                .iter()
                .filter(move |index| index.kind == kind)
                .filter_map(whole_columns)
        };
        of_kind(IndexKind::Primary)
            .chain(of_kind(IndexKind::Unique))
            .collect()
    }

    /// Returns whether a unique index over NOT NULL columns, all of them among these (in lower case), keeps rows apart.
    pub fn keeps_apart(&self, names: &[String]) -> bool {
        self.indexes.iter().any(|index| {
            matches!(index.kind, IndexKind::Primary | IndexKind::Unique)
                && index.parts.iter().all(|part| {
                    part.prefix.is_none()
                        && part.column.as_ref().is_some_and(|name| {
                            names.contains(&name.to_lowercase())
                                && self.column(name).is_some_and(|column| !column.nullable)
                        })
                })
        })
    }
}
