//! Long forms are read by the attacks and probes themselves, as variants of their enums; a suite adds a `name` to each.
//! Nothing is buffered on the way, so that every complaint keeps its place in the file.

use registry::yaml::Located;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeSeed, Deserializer, EnumAccess, Error, IntoDeserializer, MapAccess, VariantAccess, Visitor,
};
use serde::{Deserialize, forward_to_deserialize_any};
use serde_json::json;
use std::fmt;

/// The schema of one long form.
pub struct LongForm {
    /// `pgd`.
    pub name: String,
    /// A reference to the definition of its mapping.
    pub form: Schema,
}

impl LongForm {
    /// The forms of an enum whose variants are written `name: { ... }`.
    pub(crate) fn of<T: JsonSchema>(generator: &mut SchemaGenerator) -> Vec<Self> {
        let schema = T::json_schema(generator);
        let variants = schema.get("oneOf").and_then(|variants| variants.as_array()).cloned().unwrap_or_default();
        let properties = variants.iter().filter_map(|variant| variant.get("properties")?.as_object());
        let pairs = properties.flatten();
        pairs
            .filter_map(|(name, form)| Some(Self { name: name.clone(), form: form.clone().try_into().ok()? }))
            .collect()
    }

    /// `{ pgd: { name: ..., ... } }`; gives the definition of the mapping its `name`.
    pub(crate) fn named(self, generator: &mut SchemaGenerator) -> Schema {
        let Self { name, form } = self;
        let own = json_schema!({
            "description": format!("The entry's name in the report. Without it: `{name}`."),
            "type": "string"
        });
        let definition = form.get("$ref").and_then(|target| target.as_str()?.rsplit('/').next().map(str::to_owned));
        let definitions = generator.definitions_mut();
        let mapping = definition.and_then(|definition| definitions.get_mut(&definition)?.as_object_mut());
        // A form without any number has no properties yet.
        let properties = mapping.map(|mapping| mapping.entry("properties").or_insert_with(|| json!({})));
        if let Some(properties) = properties.and_then(|properties| properties.as_object_mut()) {
            properties.insert("name".to_owned(), own.to_value());
        }
        json_schema!({
            "type": "object", "properties": { name.clone(): form }, "required": [name], "additionalProperties": false
        })
    }
}

/// Reads a variant of `T` out of its name and the mapping that follows it.
pub(crate) fn variant<'de, T: Deserialize<'de>, D: Deserializer<'de>>(name: &str, form: D) -> Result<T, D::Error> {
    T::deserialize(Tagged { name, form })
}

struct Tagged<'a, D> {
    name: &'a str,
    form: D,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Tagged<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, 'a, D: Deserializer<'de>> EnumAccess<'de> for Tagged<'a, D> {
    type Error = D::Error;
    type Variant = Content<D>;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, Content<D>), D::Error> {
        let name: StrDeserializer<'a, D::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, Content(self.form)))
    }
}

struct Content<D>(D);

impl<'de, D: Deserializer<'de>> VariantAccess<'de> for Content<D> {
    type Error = D::Error;

    fn unit_variant(self) -> Result<(), D::Error> {
        <()>::deserialize(self.0)
    }

    fn newtype_variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<S::Value, D::Error> {
        seed.deserialize(self.0)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct("", fields, visitor)
    }
}

/// A mapping without its key `name`, which goes to `name` instead.
pub(crate) struct WithoutName<'a, D> {
    pub(crate) deserializer: D,
    pub(crate) name: &'a mut Option<Located<String>>,
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for WithoutName<'_, D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.deserializer.deserialize_map(Rest { visitor, name: self.name })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

struct Rest<'a, T> {
    visitor: T,
    name: &'a mut Option<Located<String>>,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for Rest<'_, V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        self.visitor.expecting(f)
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.visitor.visit_map(Rest { visitor: map, name: self.name })
    }
}

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Rest<'_, A> {
    type Error = A::Error;

    fn next_key_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<Option<S::Value>, A::Error> {
        let mut seed = Some(seed);
        loop {
            match self.visitor.next_key_seed(Key(&mut seed))? {
                None => return Ok(None),
                Some(Some(key)) => return Ok(Some(key)),
                Some(None) => *self.name = Some(self.visitor.next_value()?),
            }
        }
    }

    fn next_value_seed<S: DeserializeSeed<'de>>(&mut self, seed: S) -> Result<S::Value, A::Error> {
        self.visitor.next_value_seed(seed)
    }
}

/// Reads a key, unless it is `name`.
struct Key<'a, S>(&'a mut Option<S>);

impl<'de, S: DeserializeSeed<'de>> DeserializeSeed<'de> for Key<'_, S> {
    type Value = Option<S::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_identifier(self)
    }
}

impl<'de, S: DeserializeSeed<'de>> Visitor<'de> for Key<'_, S> {
    type Value = Option<S::Value>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<Self::Value, E> {
        match self.0.take() {
            Some(seed) if key != "name" => {
                let key: StrDeserializer<E> = key.into_deserializer();
                seed.deserialize(key).map(Some)
            }
            seed => {
                *self.0 = seed;
                Ok(None)
            }
        }
    }
}
