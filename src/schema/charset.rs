//! Character sets and their collations, as far as a `SHOW CREATE TABLE` text leaves them out.
//!
//! Must never answer for a set whose default differs between servers that leave it unprinted.

/// Returns the collation a server means when it prints a character set without one.
///
/// A server leaves out the collation only where it is the set's default. `utf8mb4` is left out only by servers whose
/// default is `utf8mb4_general_ci`: MySQL 8 and later always print the collation beside it.
pub fn unprinted_collation(charset: &str) -> Option<String> {
    let suffix = match charset {
        "binary" => return Some("binary".to_owned()),
        "utf8" => return Some("utf8_general_ci".to_owned()),
        "latin1" | "swe7" | "dec8" => "swedish_ci",
        "big5" | "gb2312" | "gbk" | "gb18030" => "chinese_ci",
        "ujis" | "sjis" | "cp932" | "eucjpms" => "japanese_ci",
        "euckr" => "korean_ci",
        "tis620" => "thai_ci",
        "hp8" => "english_ci",
        "cp1257" | "latin2" | "latin5" | "latin7" | "ascii" | "hebrew" | "koi8u" | "koi8r"
        | "greek" | "cp1250" | "cp1251" | "cp1256" | "armscii8" | "utf8mb3" | "utf8mb4"
        | "ucs2" | "cp866" | "keybcs2" | "macce" | "macroman" | "cp852" | "cp850" | "utf16"
        | "utf16le" | "utf32" | "geostd8" => "general_ci",
        _ => return None,
    };
    Some(match charset {
        "latin5" => "latin5_turkish_ci".to_owned(),
        _ => format!("{charset}_{suffix}"),
    })
}

/// Returns the character set a collation belongs to.
pub fn of_collation(collation: &str) -> &str {
    collation
        .split_once('_')
        .map_or(collation, |(charset, _)| charset)
}

/// Returns whether every string of one character set is a string of the other.
pub fn widens(from: &str, to: &str) -> bool {
    let narrow_unicode = |name: &str| matches!(name, "utf8" | "utf8mb3" | "ucs2");
    match to {
        "binary" => true,
        _ if from == to => true,
        _ if from == "binary" => false,
        "utf8mb4" | "utf16" | "utf16le" | "utf32" => true,
        _ if narrow_unicode(to) => {
            narrow_unicode(from)
                || matches!(from, "ascii" | "latin1" | "latin2" | "latin5" | "latin7")
        }
        _ => from == "ascii",
    }
}

/// How finely a collation tells strings apart: greater is finer; equal ranks of different collations say nothing.
pub fn fineness(collation: &str) -> u8 {
    if collation == "binary" || collation.ends_with("_bin") {
        3
    } else if collation.ends_with("_as_cs") || collation.ends_with("_cs") {
        2
    } else {
        u8::from(collation.ends_with("_as_ci"))
    }
}
