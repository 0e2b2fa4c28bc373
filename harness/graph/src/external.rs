use crate::proto::{EXTERNAL, TensorProto};
use crate::{Error, model};
use std::collections::BTreeSet;

/// Where the bytes of tensors live that a model keeps in other files.
///
/// The implementation confines itself to the model's folder; locations with `..`, absolute ones and ones with
/// backslashes are refused before it is asked.
pub trait ExternalData {
    /// Reads `length` bytes at `offset` of a file, or up to its end.
    ///
    /// Errors: there is no such file, or it has fewer bytes. It must not allocate more than the file holds.
    fn read(&self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, String>;
}

/// Refuses everything: for models in one piece.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoExternalData;

impl ExternalData for NoExternalData {
    fn read(&self, location: &str, _: u64, _: Option<u64>) -> Result<Vec<u8>, String> {
        Err(format!("the model refers to the file `{location}`, and external data is not available here"))
    }
}

/// The names of the files that a model keeps tensors in, each once, in alphabetical order.
///
/// Errors: the bytes are not ONNX, or a location leaves the model's folder.
pub fn external_locations(bytes: &[u8]) -> Result<Vec<String>, Error> {
    let graph = model::decode(bytes)?.graph.unwrap_or_default();
    let attributes = graph.node.iter().flat_map(|node| &node.attribute).filter_map(|attribute| attribute.t.as_ref());
    let tensors = graph.initializer.iter().chain(attributes).filter(|tensor| tensor.data_location == EXTERNAL);
    let locations: Result<BTreeSet<String>, Error> = tensors.map(|tensor| Ok(Place::of(tensor)?.location)).collect();
    Ok(locations?.into_iter().collect())
}

/// Where one tensor's bytes are.
#[derive(Debug, PartialEq)]
pub(crate) struct Place {
    pub(crate) location: String,
    pub(crate) offset: u64,
    pub(crate) length: Option<u64>,
}

impl Place {
    /// Errors: the location is missing or leaves the model's folder, or a number is not one.
    pub(crate) fn of(tensor: &TensorProto) -> Result<Place, Error> {
        let refuse = |reason: String| Error::External { tensor: tensor.name.clone(), reason };
        let entry = |key: &str| {
            let entry = tensor.external_data.iter().find(|entry| entry.key == key);
            entry.map(|entry| entry.value.as_str())
        };
        let number = |key: &str| {
            let parsed = entry(key).map(str::parse::<u64>).transpose();
            parsed
                .map_err(|_| refuse(format!("`{key}` must be a number of bytes, found {:?}", entry(key).unwrap_or(""))))
        };
        let location = entry("location").ok_or_else(|| refuse("it has no `location`".to_owned()))?;
        check_location(location).map_err(refuse)?;
        Ok(Place { location: location.to_owned(), offset: number("offset")?.unwrap_or(0), length: number("length")? })
    }
}

fn check_location(location: &str) -> Result<(), String> {
    let outside = location.contains('\\')
        || location.chars().any(char::is_control)
        || location.split('/').any(|part| matches!(part, "" | "." | ".."));
    if outside {
        return Err(format!(
            "`location` must be a relative path inside the model's folder, without `.`, `..` and backslashes, found {location:?}"
        ));
    }
    Ok(())
}

/// The external tensors of a model, for tests of both modules.
#[cfg(test)]
pub(crate) fn place(entries: &[(&str, &str)]) -> Vec<crate::proto::StringStringEntryProto> {
    let entry = |&(key, value): &(&str, &str)| crate::proto::StringStringEntryProto {
        key: key.to_owned(),
        value: value.to_owned(),
    };
    entries.iter().map(entry).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::{AttributeProto, GraphProto, ModelProto, NodeProto};
    use prost::Message;

    fn external(name: &str, entries: &[(&str, &str)]) -> TensorProto {
        TensorProto {
            name: name.to_owned(),
            data_location: EXTERNAL,
            external_data: place(entries),
            ..TensorProto::default()
        }
    }

    fn bytes(tensors: Vec<TensorProto>) -> Vec<u8> {
        let value = external("c", &[("location", "in/constant.bin")]);
        let attribute = AttributeProto { name: "value".to_owned(), t: Some(value), ..AttributeProto::default() };
        let node = NodeProto { attribute: vec![attribute], ..NodeProto::default() };
        let graph = GraphProto { initializer: tensors, node: vec![node], ..GraphProto::default() };
        ModelProto { graph: Some(graph), ..ModelProto::default() }.encode_to_vec()
    }

    #[test]
    fn lists_every_file_once() {
        let tensors = ["b", "a", "b"].map(|file| external("w", &[("location", file)]));
        assert_eq!(external_locations(&bytes(tensors.to_vec())).unwrap(), ["a", "b", "in/constant.bin"]);
    }

    #[test]
    fn refuses_what_leaves_the_folder() {
        let hostile = ["", "/etc/passwd", "../w", "a/../../w", "a//b", "./w", "..", "a\\b", "C:\\w", "w\0", "a/"];
        for location in hostile {
            let error = external_locations(&bytes(vec![external("w", &[("location", location)])])).unwrap_err();
            assert!(matches!(&error, Error::External { tensor, .. } if tensor == "w"), "{location:?}: {error}");
        }
        let error = external_locations(&bytes(vec![external("w", &[])])).unwrap_err();
        assert_eq!(error.to_string(), "external data of tensor `w`: it has no `location`");
    }

    #[test]
    fn reads_offset_and_length() {
        let tensor = external("w", &[("location", "w.bin"), ("offset", "16"), ("length", "8"), ("checksum", "x")]);
        let expected = Place { location: "w.bin".to_owned(), offset: 16, length: Some(8) };
        assert_eq!(Place::of(&tensor).unwrap(), expected);
        for wrong in ["-1", "", "99999999999999999999", "1e3"] {
            let tensor = external("w", &[("location", "w.bin"), ("offset", wrong)]);
            assert!(Place::of(&tensor).unwrap_err().to_string().contains("`offset` must be a number"), "{wrong}");
        }
    }
}
