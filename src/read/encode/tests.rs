use super::*;
use crate::schema::table::DataType;
use proptest::prelude::*;

pub(crate) fn column(definition: &str) -> Column {
    // `int unsigned`, `varchar(10) latin1`, `decimal(10,2)`, with `?` for nullable.
    let nullable = definition.ends_with('?');
    let definition = definition.trim_end_matches('?');
    let (data_type, rest) = match definition.find(')') {
        Some(end) => definition.split_at(end + 1),
        None => definition.split_once(' ').unwrap_or((definition, "")),
    };
    let (base, arguments) = match data_type.split_once('(') {
        Some((base, arguments)) => (base, Some(arguments.trim_end_matches(')').to_owned())),
        None => (data_type, None),
    };
    let rest = rest.split_whitespace().collect::<Vec<_>>();
    let charset = rest
        .iter()
        .find(|word| !matches!(**word, "unsigned" | "zerofill"))
        .map(|word| (*word).to_owned());
    Column {
        name: "c".into(),
        data_type: DataType {
            base: base.into(),
            arguments,
            unsigned: rest.contains(&"unsigned"),
            zerofill: rest.contains(&"zerofill"),
        },
        charset,
        collation: None,
        nullable,
        default: None,
        on_update: None,
        auto_increment: false,
        generated: None,
        invisible: false,
        srid: None,
        comment: String::new(),
        ..Column::default()
    }
}

fn chosen(local: &str, remote: &str) -> String {
    encoding_for(Some(&column(local)), &column(remote))
        .unwrap()
        .to_string()
}

#[test]
fn each_pair_of_types_has_its_encoding() {
    for (local, remote, expected) in [
        ("int", "int", "plain"),
        ("int", "bigint unsigned", "plain"),
        ("int(5) zerofill", "int", "number"),
        ("bit(3)", "bit(8)", "number"),
        ("year", "year", "plain"),
        ("year", "int", "number"),
        ("decimal(10,2)", "decimal(12,2)", "plain"),
        ("decimal(10,2)", "decimal(12,4)", "decimal(12,4)"),
        ("int", "decimal(12,4)", "decimal(24,4)"),
        ("decimal(65,0)", "decimal(65,30)", "text"),
        ("float", "double", "double"),
        ("int", "double", "double"),
        ("datetime", "datetime(3)", "datetime(3)"),
        ("date", "timestamp(6)", "datetime(6)"),
        ("time", "time(2)", "time(2)"),
        ("varchar(10) utf8mb4", "varchar(20) utf8mb4", "bytes"),
        ("varchar(10) latin1", "varchar(10) utf8mb4", "utf8"),
        ("varchar(10) latin1", "text latin1", "lob"),
        ("text latin1", "text utf8mb4", "lob_utf8"),
        ("enum('a') utf8mb4", "enum('a','b') utf8mb4", "bytes"),
        ("binary(4)", "binary(8)", "padded(8)"),
        ("varbinary(4)", "binary(8)", "bytes"),
        ("blob", "longblob", "lob"),
        ("json", "json", "lob"),
        ("longtext utf8mb4", "json", "lob_utf8"),
        ("point", "geometry", "lob"),
        ("uuid", "uuid", "plain"),
        ("varchar(36) utf8mb4", "uuid", "text"),
        ("int", "varchar(10) utf8mb4", "text"),
    ] {
        assert_eq!(chosen(local, remote), expected, "{local} → {remote}");
    }
    assert!(encoding_for(None, &column("xmltype")).is_err());
}

#[test]
fn a_hash_covers_values_lengths_and_nulls() {
    let hash = row_hash(&[
        ("id", Encoding::Plain),
        ("name", Encoding::Bytes),
        ("note", Encoding::Lob),
        ("at", Encoding::Double),
    ]);
    insta::assert_snapshot!(hash.sql(), @"LEFT(SHA2(CONCAT_WS('#', `id`, CAST(`name` AS BINARY), SHA2(`note`, 256), HEX(POINT(`at`, 0)), LENGTH(`name`), ISNULL(`id`), ISNULL(`name`), ISNULL(`note`), ISNULL(`at`)), 256), 32)");
    let columns = [
        (Expr::column("id"), Encoding::Plain),
        (Expr::column("name"), Encoding::Bytes),
    ];
    insta::assert_snapshot!(checksum_of_whole(&columns).sql(), @"BIT_XOR(CAST(CONV(LEFT(SHA2(IFNULL(CONCAT(`id`, '#', CAST(`name` AS BINARY), '#', LENGTH(`name`), '#', '0#0'), CONCAT_WS('#', `id`, CAST(`name` AS BINARY), LENGTH(`name`), ISNULL(`id`), ISNULL(`name`))), 256), 16), 16, 10) AS UNSIGNED))");
    assert_eq!(checksum_of_whole(&[]), checksum_of(&[]));
    let sum = checksum(&[("id", Encoding::Plain)]);
    insta::assert_snapshot!(sum.sql(), @"BIT_XOR(CAST(CONV(LEFT(SHA2(CONCAT_WS('#', `id`, ISNULL(`id`)), 256), 16), 16, 10) AS UNSIGNED))");
}

#[test]
fn a_quick_sum_tells_each_value_from_what_stands_behind_it() {
    let of = |definition: &str, encoding| {
        let column = column(definition);
        let source = (Expr::column("c"), encoding);
        Quick::new(source, Some(&column), [Some(&column), Some(&column)], true)
    };
    let quick = |columns: &[Quick]| {
        let sql = quick_checksum_of(columns).sql();
        let (_, rest) = sql.split_once("IFNULL(").unwrap();
        let (quick, full) = rest.split_once(", CONCAT_WS('#', '?', ").unwrap();
        (quick.to_owned(), full.to_owned())
    };
    let (parts, full) = quick(&[
        of("int", Encoding::Plain),
        of("int?", Encoding::Plain),
        of("varchar(9) utf8mb4?", Encoding::Bytes),
        of("double?", Encoding::Double),
        of("binary(4)?", Encoding::Padded(8)),
    ]);
    insta::assert_snapshot!(parts, @"CONCAT(CAST('' AS BINARY), ISNULL(`c`), '#', ISNULL(`c`), '#', `c`, '#', IFNULL(`c`, ''), '#', IFNULL(POINT(`c`, 0), ''), '#', IFNULL(RPAD(CAST(`c` AS BINARY), 8, X'00'), ''), '#', IFNULL(`c`, ''))");
    insta::assert_snapshot!(full, @"`c`, `c`, CAST(`c` AS BINARY), HEX(POINT(`c`, 0)), RPAD(CAST(`c` AS BINARY), 8, X'00'), LENGTH(`c`), ISNULL(`c`), ISNULL(`c`), ISNULL(`c`), ISNULL(`c`), ISNULL(`c`))), 256), 16), 16, 10) AS UNSIGNED))");
    // The last text needs no length, other text does; labels without a separator need none.
    let (parts, _) = quick(&[
        of("text utf8mb4?", Encoding::Lob),
        of("enum('a','b') latin1?", Encoding::Bytes),
        of("enum('a#','b') latin1", Encoding::Bytes),
        of("varchar(9) utf8mb4", Encoding::Bytes),
        of("json?", Encoding::Lob),
    ]);
    insta::assert_snapshot!(parts, @"CONCAT(CAST('' AS BINARY), IFNULL(LENGTH(`c`), -1), '#', ISNULL(`c`), '#', LENGTH(`c`), '#', IFNULL(`c`, ''), '#', IFNULL(`c`, ''), '#', IFNULL(`c`, ''), '#', `c`, '#', `c`)");
    let (parts, _) = quick(&[of("varchar(9) utf16", Encoding::Bytes)]);
    insta::assert_snapshot!(parts, @"CONCAT('', '#', CAST(`c` AS BINARY))");
    // Long values of long rows are hashed by themselves.
    let long = column("text utf8mb4?");
    let long = Quick::new(
        (Expr::column("c"), Encoding::Lob),
        Some(&long),
        [Some(&long), Some(&long)],
        false,
    );
    insta::assert_snapshot!(quick(&[long]).0, @"CONCAT('', '#', IFNULL(SHA2(`c`, 256), ''))");
    // A mask's value may be of any type.
    let masked = Quick::new((Expr::text("x"), Encoding::Plain), None, [None, None], true);
    insta::assert_snapshot!(quick_hash_of(&[masked]).sql(), @"LEFT(SHA2(IFNULL(CONCAT(ISNULL('x'), '#', IFNULL('x', '')), CONCAT_WS('#', '?', 'x', ISNULL('x'))), 256), 32)");
    insta::assert_snapshot!(quick_hash_of(&[]).sql(), @"LEFT(SHA2(IFNULL(CONCAT(''), CONCAT_WS('#', '?', '')), 256), 32)");
}

#[test]
fn defaults_stand_for_new_columns() {
    let simulated = |definition: &str, default: Option<&str>| {
        let mut column = column(definition);
        column.default = default.map(str::to_owned);
        simulated_default(&column).map(|expr| expr.sql()).ok()
    };
    for (definition, default, expected) in [
        ("int?", None, Some("NULL")),
        ("int?", Some("NULL"), Some("NULL")),
        ("int", Some("'7'"), Some("7")),
        ("int", Some("7"), Some("7")),
        ("bit(4)", Some("b'101'"), Some("5")),
        ("decimal(10,3)", Some("'1.5'"), Some("1.500")),
        ("decimal(10,1)", Some("1.55"), None),
        ("decimal(10,0)", Some("'-0'"), None),
        ("char(5) utf8mb4", Some("'ab  '"), Some("_utf8mb4 X'6162'")),
        ("varchar(5) latin1", Some("'é'"), None),
        (
            "varchar(5) utf8mb4",
            Some("'it''s'"),
            Some("_utf8mb4 X'69742773'"),
        ),
        ("varchar(5) utf8mb4", None, Some("_utf8mb4 X''")),
        (
            "datetime(3)",
            Some("'2020-01-01 00:00:00.000'"),
            Some("'2020-01-01 00:00:00.000'"),
        ),
        ("datetime(3)", Some("CURRENT_TIMESTAMP(3)"), None),
        ("datetime", None, None),
        ("varchar(36) utf8mb4", Some("(uuid())"), None),
        ("binary(2)", None, Some("X'0000'")),
    ] {
        assert_eq!(
            simulated(definition, default).as_deref(),
            expected,
            "{definition} DEFAULT {default:?}"
        );
    }
}

#[test]
fn literals_are_literals() {
    let text = |definition: &str, value: Value| literal(&column(definition), &value).ok();
    let cases = [
        ("int", Value::Integer(5), Some("5")),
        (
            "bigint unsigned",
            Value::Text("18446744073709551615".into()),
            Some("18446744073709551615"),
        ),
        ("int", Value::Text("1 OR 1=1".into()), None),
        ("int", Value::Bytes(vec![1]), None),
        ("int", Value::Null, Some("NULL")),
        ("double", Value::Text("-1.5e-300".into()), Some("-1.5e-300")),
        ("double", Value::Text("0.1".into()), Some("0.1e0")),
        ("double", Value::Text("1e1;x".into()), None),
        ("float", Value::Integer(3), Some("3")),
        (
            "varchar(9) utf8mb4",
            Value::Text("o'\\".into()),
            Some("_utf8mb4 X'6f275c'"),
        ),
        ("varchar(9) utf8mb4", Value::Integer(5), Some("'5'")),
        (
            "varchar(9) sjis",
            Value::Bytes(vec![0x83, 0x60]),
            Some("_sjis X'8360'"),
        ),
        ("blob", Value::Bytes(vec![0, 255]), Some("X'00ff'")),
        (
            "json",
            Value::Text("{\"a\": \"\\n\"}".into()),
            Some("_utf8mb4 X'7b2261223a20225c6e227d'"),
        ),
        (
            "date",
            Value::Text("0000-00-00".into()),
            Some("'0000-00-00'"),
        ),
        ("year", Value::Text("0000".into()), Some("'0000'")),
    ];
    for (definition, value, expected) in cases {
        assert_eq!(
            text(definition, value.clone()).as_deref(),
            expected,
            "{definition} {value}"
        );
    }
}

#[test]
fn an_empty_enum_value_is_told_from_an_empty_label() {
    let empty = Value::Text(String::new());
    assert!(needs_lenient_mode(&column("enum('a','b')"), &empty));
    assert!(needs_lenient_mode(&column("enum('''','b,''')"), &empty));
    assert!(!needs_lenient_mode(&column("enum('a','')"), &empty));
    assert!(!needs_lenient_mode(&column("set('a')"), &empty));
    assert!(!needs_lenient_mode(
        &column("enum('a')"),
        &Value::Text("a".into())
    ));
}

proptest! {
    #[test]
    fn an_encoding_comes_back_from_its_text(kind in 0..12usize, one in 0..66u32, other in 0..31u32) {
        let encoding = [
            Encoding::Plain, Encoding::Number, Encoding::Bytes, Encoding::Padded(one), Encoding::Lob, Encoding::Double,
            Encoding::Utf8, Encoding::LobUtf8, Encoding::Decimal(one, other), Encoding::Datetime(other),
            Encoding::Time(other), Encoding::Text,
        ][kind];
        prop_assert_eq!(encoding.to_string().parse::<Encoding>(), Ok(encoding));
    }

    #[test]
    fn no_other_text_is_an_encoding(text in "[a-z_]{0,9}(\\([0-9, ]{0,5}\\)?)?") {
        if let Ok(encoding) = text.parse::<Encoding>() {
            prop_assert_eq!(encoding.to_string(), text);
        }
    }
}

#[test]
fn the_hash_of_nothing_is_that_of_an_empty_text() {
    let sql = super::hash_of(&[]).sql();
    assert_eq!(sql, "LEFT(SHA2(CONCAT_WS('#', ''), 256), 32)");
    // printf '' | sha256sum
    assert!(
        "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
            .starts_with(super::HASH_OF_NOTHING)
    );
}
