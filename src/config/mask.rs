//! A mask of the config: the name of a built-in kind, or an object with more to say.
//!
//! Must never take an option that the kind has no use for: what is not ignored in silence is not taken.

use crate::nearest::nearest;
use schemars::JsonSchema;
use serde::Deserialize;

/// What becomes of a column's values on their way from production.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mask {
    /// How they are replaced.
    pub kind: MaskKind,
    /// The name under which columns share a key, so that equal values stay equal across them.
    pub group: Option<String>,
}

/// The kinds of masks; what each gives is in docs/masking.md.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum MaskKind {
    /// The values as they are: for a column that only looks personal.
    Keep,
    /// NULL.
    Null,
    /// One value for all.
    Fixed(Option<String>),
    /// Hexadecimal digits, or a number.
    Hash,
    /// An address of example.com.
    Email,
    /// A made-up name.
    Name(NamePart),
    /// A number that nobody has.
    Phone,
    /// As many digits as there were characters.
    Digits,
    /// A date some days before, at most so many.
    DateShift(u32),
    /// As many asterisks as there were characters.
    Redact,
    /// An expression.
    Sql {
        /// Its text.
        text: String,
        /// Whether the user vouches that different rows get different values.
        unique: bool,
    },
}

/// What a made-up name consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum NamePart {
    /// A given name.
    First,
    /// A family name.
    Last,
    /// Both.
    Full,
}

/// The names of the kinds.
pub(super) const KINDS: [&str; 10] = [
    "keep",
    "null",
    "fixed",
    "hash",
    "email",
    "name",
    "phone",
    "digits",
    "date_shift",
    "redact",
];

/// How far `date_shift` goes at most where the config does not say, in days.
const DAYS: u32 = 30;

/// A mask given as an object.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct MaskObject {
    /// The name of a built-in kind.
    #[serde(default)]
    #[schemars(extend("enum" = KINDS))]
    pub(super) kind: Option<String>,
    /// An expression, instead of a kind.
    #[serde(default)]
    pub(super) sql: Option<String>,
    /// The name under which columns share a key.
    #[serde(default)]
    pub(super) group: Option<String>,
    /// For `fixed`: the value.
    #[serde(default)]
    pub(super) value: Option<FixedValue>,
    /// For `date_shift`: how many days at most.
    #[serde(default)]
    #[schemars(range(min = 1, max = 3650))]
    pub(super) days: Option<u32>,
    /// For `name`: `first`, `last` or `full`.
    #[serde(default)]
    pub(super) part: Option<NamePart>,
    /// For `sql`: the promise that different rows get different values.
    #[serde(default)]
    pub(super) unique: Option<bool>,
}

/// The value of a `fixed` mask.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(untagged)]
pub(super) enum FixedValue {
    /// A whole number.
    Number(i64),
    /// Text, or a number or date as MySQL prints it.
    Text(String),
}

impl MaskKind {
    /// Returns the kind's name, as the config has it.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Keep => "keep",
            Self::Null => "null",
            Self::Fixed(_) => "fixed",
            Self::Hash => "hash",
            Self::Email => "email",
            Self::Name(_) => "name",
            Self::Phone => "phone",
            Self::Digits => "digits",
            Self::DateShift(_) => "date_shift",
            Self::Redact => "redact",
            Self::Sql { .. } => "sql",
        }
    }

    /// Returns whether its values are made with the mask key.
    pub fn needs_key(&self) -> bool {
        matches!(
            self,
            Self::Hash
                | Self::Email
                | Self::Name(_)
                | Self::Phone
                | Self::Digits
                | Self::DateShift(_)
        )
    }
}

impl Mask {
    /// Reads the name of a kind.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub(super) fn named(name: &str) -> Result<Self, String> {
        let kind = match name {
            "keep" => MaskKind::Keep,
            "null" => MaskKind::Null,
            "fixed" => MaskKind::Fixed(None),
            "hash" => MaskKind::Hash,
            "email" => MaskKind::Email,
            "name" => MaskKind::Name(NamePart::Full),
            "phone" => MaskKind::Phone,
            "digits" => MaskKind::Digits,
            "date_shift" => MaskKind::DateShift(DAYS),
            "redact" => MaskKind::Redact,
            _ => {
                return Err(match nearest(name, KINDS) {
                    Some(meant) => format!("found \"{name}\"; did you mean \"{meant}\"?"),
                    None => format!(
                        "found \"{name}\", expected one of \"{}\", or an object with `kind` or `sql`",
                        KINDS.join("\", \"")
                    ),
                });
            }
        };
        Ok(Self { kind, group: None })
    }

    /// Reads an object.
    ///
    /// # Errors
    /// What was found and what is expected.
    pub(super) fn described(object: MaskObject) -> Result<Self, String> {
        let mut mask = match (&object.kind, object.sql) {
            (Some(name), None) => Self::named(name).map_err(|why| format!("`kind`: {why}"))?,
            (None, Some(text)) => Self {
                kind: MaskKind::Sql {
                    text,
                    unique: object.unique.unwrap_or(false),
                },
                group: None,
            },
            (Some(_), Some(_)) => {
                return Err("found `kind` and `sql`, expected only one of them".into());
            }
            (None, None) => {
                return Err("found neither `kind` nor `sql`, expected one of them".into());
            }
        };
        let needless = |key: &str, wanted: &str| {
            Err(format!("found `{key}`, which only {wanted} has use for"))
        };
        match (&mut mask.kind, object.value) {
            (_, None) => {}
            (MaskKind::Fixed(value), Some(FixedValue::Text(text))) => *value = Some(text),
            (MaskKind::Fixed(value), Some(FixedValue::Number(number))) => {
                *value = Some(number.to_string());
            }
            _ => return needless("value", "\"fixed\""),
        }
        match (&mut mask.kind, object.days) {
            (_, None) => {}
            (MaskKind::DateShift(days), Some(wanted @ 1..=3650)) => *days = wanted,
            (MaskKind::DateShift(_), Some(other)) => {
                return Err(format!("`days`: found {other}, expected 1 to 3650"));
            }
            _ => return needless("days", "\"date_shift\""),
        }
        match (&mut mask.kind, object.part) {
            (_, None) => {}
            (MaskKind::Name(part), Some(wanted)) => *part = wanted,
            _ => return needless("part", "\"name\""),
        }
        if object.unique.is_some() && !matches!(mask.kind, MaskKind::Sql { .. }) {
            return needless("unique", "`sql`");
        }
        if let Some(group) = object.group {
            if !mask.kind.needs_key() {
                return needless("group", "a kind with a key");
            }
            if group.is_empty() {
                return Err("`group`: found an empty name".into());
            }
            mask.group = Some(group);
        }
        Ok(mask)
    }
}
