//! Keys that are a string or an object: read by hand, so that an error inside the object names its own path.

use super::mask::{KINDS, MaskObject};
use super::{DatabaseName, Mask, RenamedDatabase};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

impl<'de> Deserialize<'de> for DatabaseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOr {
            expected: "a database name, or an object with `remote` and `local`",
            text: |name| Ok(Self::Same(name)),
            object: |renamed| Ok(Self::Renamed(renamed)),
            types: PhantomData::<RenamedDatabase>,
        })
    }
}

impl JsonSchema for DatabaseName {
    fn schema_name() -> Cow<'static, str> {
        "DatabaseName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A database's name; an object where the local name differs.",
            "anyOf": [{ "type": "string" }, generator.subschema_for::<RenamedDatabase>()]
        })
    }
}

impl JsonSchema for Mask {
    fn schema_name() -> Cow<'static, str> {
        "Mask".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "The name of a built-in mask, or an object with more to say.",
            "anyOf": [
                { "type": "string", "enum": KINDS },
                generator.subschema_for::<MaskObject>()
            ]
        })
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOr {
            expected: "the name of a mask, or an object with `kind` or `sql`",
            text: |name| Self::named(&name),
            object: Self::described,
            types: PhantomData::<MaskObject>,
        })
    }
}

struct StringOr<T, O> {
    expected: &'static str,
    text: fn(String) -> Result<T, String>,
    object: fn(O) -> Result<T, String>,
    types: PhantomData<O>,
}

impl<'de, T, O: Deserialize<'de>> Visitor<'de> for StringOr<T, O> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        (self.text)(text.to_owned()).map_err(E::custom)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        let object = O::deserialize(MapAccessDeserializer::new(map))?;
        (self.object)(object).map_err(A::Error::custom)
    }
}
