//! One entry of `attacks` or `probes`: the short name of a preset, or a name followed by every number.

use crate::long_form::{LongForm, WithoutName};
use registry::yaml::{Located, Place};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{DeserializeSeed, Error, IgnoredAny, MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

/// What a list of entries holds: attacks or probes.
pub trait Kind: Clone + fmt::Debug {
    /// Everything that a long form says, but for the entry's own name.
    type Form: Clone + fmt::Debug;
    /// `attack`.
    const NAME: &'static str;
    /// `an attack`.
    const ONE: &'static str;
    /// A preset, to show what is expected.
    const PRESET: &'static str;
    /// A name with a long form, to show what is expected.
    const LONG: &'static str;

    /// The names of presets.
    fn presets() -> Vec<&'static str>;

    /// The names that have long forms.
    fn long() -> Vec<&'static str>;

    /// Reads the mapping that follows the name `long`, one of [`Kind::long`].
    fn read<'de, D: Deserializer<'de>>(long: &str, form: D) -> Result<Self::Form, D::Error>;

    /// The schemas of the long forms.
    fn forms(generator: &mut SchemaGenerator) -> Vec<LongForm>;
}

/// One entry of a list.
#[derive(Clone, Debug)]
pub enum Entry<K: Kind> {
    /// The short name of an exact setting: `pgd-20`.
    Preset(String),
    /// `pgd: { ... }`, with the entry's name in the report where it has one.
    Long(Option<Located<String>>, K::Form),
    /// The long form of something that there is not, with its name.
    Unknown(Located<String>),
}

impl<K: Kind> Entry<K> {
    /// What the entry, which stands at `place`, is called in the report, and where that is written; `long` is what its
    /// long form is called.
    pub(crate) fn own_name(&self, place: Place, long: &str) -> (String, Place) {
        match self {
            Entry::Long(Some(name), _) => (name.value.clone(), name.place),
            Entry::Preset(name) => (name.clone(), place),
            Entry::Long(None, _) | Entry::Unknown(_) => (long.to_owned(), place),
        }
    }
}

impl<'de, K: Kind> Deserialize<'de> for Entry<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(EntryVisitor(PhantomData))
    }
}

struct EntryVisitor<K>(PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for EntryVisitor<K> {
    type Value = Entry<K>;

    fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let (preset, one, long) = (K::PRESET, K::ONE, K::LONG);
        write!(f, "the name of a preset (`{preset}`) or {one} with its numbers (`{long}: {{ ... }}`)")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Entry<K>, E> {
        Ok(Entry::Preset(name.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entry<K>, A::Error> {
        let Some(long) = map.next_key::<Located<String>>()? else {
            return Err(A::Error::custom(format!("an entry needs the name of {}", K::ONE)));
        };
        let entry = if K::long().contains(&long.as_str()) {
            let mut name = None;
            let form = map.next_value_seed(FormSeed::<K> { long: &long, name: &mut name, kind: PhantomData })?;
            Entry::Long(name, form)
        } else {
            map.next_value::<IgnoredAny>().map(|_| Entry::Unknown(long))?
        };
        match map.next_key::<String>()? {
            None => Ok(entry),
            Some(second) => {
                Err(A::Error::custom(format!("an entry holds one {}, and `{second}` is a second one", K::NAME)))
            }
        }
    }
}

struct FormSeed<'a, K> {
    long: &'a str,
    name: &'a mut Option<Located<String>>,
    kind: PhantomData<K>,
}

impl<'de, K: Kind> DeserializeSeed<'de> for FormSeed<'_, K> {
    type Value = K::Form;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<K::Form, D::Error> {
        K::read(self.long, WithoutName { deserializer, name: self.name })
    }
}

impl<K: Kind> JsonSchema for Entry<K> {
    fn schema_name() -> Cow<'static, str> {
        let mut name = K::NAME.to_owned();
        name[..1].make_ascii_uppercase();
        name.into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let presets = json_schema!({ "enum": K::presets() });
        let forms = K::forms(generator).into_iter().map(|form| form.named(generator));
        let any: Vec<Schema> = std::iter::once(presets).chain(forms).collect();
        json_schema!({
            "description": format!("The short name of a preset, or one {} with all its numbers.", K::NAME),
            "anyOf": any
        })
    }
}
