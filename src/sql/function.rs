//! The functions that a read may call, and which of them a user's rule may.
//!
//! Must never list one that writes, locks, sleeps, or gives another answer for the same row: `NOW`, `RAND`, `UUID`.

macro_rules! functions {
    ($($(#[doc = $doc:literal])* $variant:ident $name:literal $rule:expr;)*) => {
        /// A function of the closed list.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Function {
            $($(#[doc = $doc])* $variant,)*
        }

        impl Function {
            /// Every function.
            const ALL: &[Self] = &[$(Self::$variant),*];

            /// Returns its name in SQL.
            pub fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)*
                }
            }

            /// Returns the least and the greatest number of arguments in a rule; `None` where rules may not call it.
            pub fn in_rules(self) -> Option<(usize, usize)> {
                match self {
                    $(Self::$variant => $rule,)*
                }
            }
        }
    };
}

/// No limit worth naming.
const MANY: usize = 100;

functions! {
    /// `COUNT(x)`.
    Count "COUNT" None;
    /// `SUM(x)`.
    Sum "SUM" None;
    /// `MIN(x)`.
    Min "MIN" None;
    /// `MAX(x)`.
    Max "MAX" None;
    /// `BIT_XOR(x)`.
    BitXor "BIT_XOR" None;
    /// `POINT(x, y)`: raw IEEE bytes of doubles.
    Point "POINT" None;
    /// `SHA2(x, bits)`.
    Sha2 "SHA2" Some((2, 2));
    /// `CRC32(x)`: for spreading keys over buckets only, never for comparing rows (FACTS.md, finding 2).
    Crc32 "CRC32" Some((1, 1));
    /// `HEX(x)`.
    Hex "HEX" Some((1, 1));
    /// `UNHEX(x)`.
    Unhex "UNHEX" Some((1, 1));
    /// `CONV(x, from, to)`.
    Conv "CONV" Some((3, 3));
    /// `CONCAT(…)`.
    Concat "CONCAT" Some((1, MANY));
    /// `CONCAT_WS(separator, …)`.
    ConcatWs "CONCAT_WS" Some((2, MANY));
    /// `LEFT(x, n)`.
    Left "LEFT" Some((2, 2));
    /// `RIGHT(x, n)`.
    Right "RIGHT" Some((2, 2));
    /// `SUBSTRING(x, from, n)`.
    Substring "SUBSTRING" Some((2, 3));
    /// `SUBSTRING_INDEX(x, delimiter, n)`.
    SubstringIndex "SUBSTRING_INDEX" Some((3, 3));
    /// `LOWER(x)`.
    Lower "LOWER" Some((1, 1));
    /// `UPPER(x)`.
    Upper "UPPER" Some((1, 1));
    /// `TRIM(x)`.
    Trim "TRIM" Some((1, 1));
    /// `LTRIM(x)`.
    Ltrim "LTRIM" Some((1, 1));
    /// `RTRIM(x)`.
    Rtrim "RTRIM" Some((1, 1));
    /// `LPAD(x, n, filling)`.
    Lpad "LPAD" Some((3, 3));
    /// `RPAD(x, n, filling)`.
    Rpad "RPAD" Some((3, 3));
    /// `REPLACE(x, from, to)`.
    Replace "REPLACE" Some((3, 3));
    /// `REPEAT(x, n)`.
    Repeat "REPEAT" Some((2, 2));
    /// `REVERSE(x)`.
    Reverse "REVERSE" Some((1, 1));
    /// `INSTR(x, part)`.
    Instr "INSTR" Some((2, 2));
    /// `LOCATE(part, x, from)`.
    Locate "LOCATE" Some((2, 3));
    /// `FIND_IN_SET(x, list)`.
    FindInSet "FIND_IN_SET" Some((2, 2));
    /// `FIELD(x, …)`.
    Field "FIELD" Some((2, MANY));
    /// `ELT(n, …)`.
    Elt "ELT" Some((2, MANY));
    /// `ASCII(x)`.
    Ascii "ASCII" Some((1, 1));
    /// `LENGTH(x)`, in bytes.
    Length "LENGTH" Some((1, 1));
    /// `CHAR_LENGTH(x)`.
    CharLength "CHAR_LENGTH" Some((1, 1));
    /// `COALESCE(…)`.
    Coalesce "COALESCE" Some((1, MANY));
    /// `IFNULL(x, y)`.
    IfNull "IFNULL" Some((2, 2));
    /// `NULLIF(x, y)`.
    NullIf "NULLIF" Some((2, 2));
    /// `IF(x, y, z)`.
    If "IF" Some((3, 3));
    /// `ISNULL(x)`.
    IsNull "ISNULL" Some((1, 1));
    /// `GREATEST(…)`.
    Greatest "GREATEST" Some((2, MANY));
    /// `LEAST(…)`.
    Least "LEAST" Some((2, MANY));
    /// `ABS(x)`.
    Abs "ABS" Some((1, 1));
    /// `SIGN(x)`.
    Sign "SIGN" Some((1, 1));
    /// `FLOOR(x)`.
    Floor "FLOOR" Some((1, 1));
    /// `CEILING(x)`.
    Ceiling "CEILING" Some((1, 1));
    /// `ROUND(x, digits)`.
    Round "ROUND" Some((1, 2));
    /// `TRUNCATE(x, digits)`.
    Truncate "TRUNCATE" Some((2, 2));
    /// `MOD(x, y)`.
    Mod "MOD" Some((2, 2));
    /// `DATE(x)`.
    Date "DATE" Some((1, 1));
    /// `TIME(x)`.
    Time "TIME" Some((1, 1));
    /// `YEAR(x)`.
    Year "YEAR" Some((1, 1));
    /// `QUARTER(x)`.
    Quarter "QUARTER" Some((1, 1));
    /// `MONTH(x)`.
    Month "MONTH" Some((1, 1));
    /// `DAYOFMONTH(x)`.
    DayOfMonth "DAYOFMONTH" Some((1, 1));
    /// `DAYOFWEEK(x)`.
    DayOfWeek "DAYOFWEEK" Some((1, 1));
    /// `DAYOFYEAR(x)`.
    DayOfYear "DAYOFYEAR" Some((1, 1));
    /// `WEEKDAY(x)`.
    WeekDay "WEEKDAY" Some((1, 1));
    /// `HOUR(x)`.
    Hour "HOUR" Some((1, 1));
    /// `MINUTE(x)`.
    Minute "MINUTE" Some((1, 1));
    /// `SECOND(x)`.
    Second "SECOND" Some((1, 1));
    /// `LAST_DAY(x)`.
    LastDay "LAST_DAY" Some((1, 1));
    /// `DATEDIFF(x, y)`, in days.
    DateDiff "DATEDIFF" Some((2, 2));
    /// `TO_DAYS(x)`.
    ToDays "TO_DAYS" Some((1, 1));
    /// `UNIX_TIMESTAMP(x)`: sessions are in UTC.
    UnixTimestamp "UNIX_TIMESTAMP" Some((1, 1));
    /// `FROM_UNIXTIME(x)`: sessions are in UTC.
    FromUnixTime "FROM_UNIXTIME" Some((1, 1));
    /// `JSON_EXTRACT(x, path)`.
    JsonExtract "JSON_EXTRACT" Some((2, 2));
    /// `JSON_UNQUOTE(x)`.
    JsonUnquote "JSON_UNQUOTE" Some((1, 1));
    /// `JSON_VALID(x)`.
    JsonValid "JSON_VALID" Some((1, 1));
    /// `JSON_LENGTH(x)`.
    JsonLength "JSON_LENGTH" Some((1, 1));
}

/// Other spellings that rules may use.
const ALIASES: [(&str, Function); 9] = [
    ("SUBSTR", Function::Substring),
    ("MID", Function::Substring),
    ("LCASE", Function::Lower),
    ("UCASE", Function::Upper),
    ("OCTET_LENGTH", Function::Length),
    ("CHARACTER_LENGTH", Function::CharLength),
    ("CEIL", Function::Ceiling),
    ("DAY", Function::DayOfMonth),
    ("NVL", Function::IfNull),
];

impl Function {
    /// Returns the function of a rule's name, any case.
    pub fn for_rules(name: &str) -> Option<Self> {
        let name = name.to_ascii_uppercase();
        Self::ALL
            .iter()
            .copied()
            .find(|function| function.in_rules().is_some() && function.name() == name)
            .or_else(|| {
                ALIASES
                    .iter()
                    .find(|(alias, _)| *alias == name)
                    .map(|(_, function)| *function)
            })
    }

    /// Returns the names that rules may use.
    pub fn names_for_rules() -> impl Iterator<Item = &'static str> {
        Self::ALL
            .iter()
            .filter(|function| function.in_rules().is_some())
            .map(|function| function.name())
            .chain(ALIASES.iter().map(|(alias, _)| *alias))
    }
}
