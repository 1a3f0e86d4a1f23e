//! Keys that are a string or an object: read by hand, so that an error inside the object names its own path.

use super::{DatabaseName, Mask, RenamedDatabase, SqlMask};
use serde::de::value::MapAccessDeserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::fmt;
use std::marker::PhantomData;

impl<'de> Deserialize<'de> for DatabaseName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOr {
            expected: "a database name, or an object with `remote` and `local`",
            text: Self::Same,
            object: Self::Renamed,
            types: PhantomData::<RenamedDatabase>,
        })
    }
}

impl<'de> Deserialize<'de> for Mask {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(StringOr {
            expected: "the name of a mask, or an object with `sql`",
            text: Self::Kind,
            object: Self::Sql,
            types: PhantomData::<SqlMask>,
        })
    }
}

struct StringOr<T, O> {
    expected: &'static str,
    text: fn(String) -> T,
    object: fn(O) -> T,
    types: PhantomData<O>,
}

impl<'de, T, O: Deserialize<'de>> Visitor<'de> for StringOr<T, O> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.expected)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        Ok((self.text)(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
        O::deserialize(MapAccessDeserializer::new(map)).map(self.object)
    }
}
