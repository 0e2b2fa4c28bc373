//! Tensors of a file: every way in which ONNX can store the elements, checked before anything is allocated.

use crate::external::{ExternalData, Place};
use crate::graph::elements;
use crate::proto::{EXTERNAL, TensorProto};
use crate::{DType, Data, Error, Tensor};
use half::{bf16, f16};

/// Reads a tensor.
///
/// Errors: the element type is not known, a dimension is negative, the elements are not as many as the shape says, are
/// out of range or not finite (a single element may be infinite: it is a bound or a fill value, not a weight).
pub(crate) fn decode(proto: &TensorProto, external: &dyn ExternalData) -> Result<Tensor, Error> {
    let refuse = |reason: String| Error::Decode(format!("tensor `{}`: {reason}", proto.name));
    let dtype = element_type(proto.data_type).map_err(refuse)?;
    let shape = shape(&proto.dims).map_err(refuse)?;
    let count = elements(&shape).map_err(refuse)?;
    let bytes = count * dtype.bytes();
    if proto.segment.is_some() {
        return Err(refuse("it is stored in segments, which is not supported".to_owned()));
    }
    let data = if proto.data_location == EXTERNAL {
        from_raw(dtype, &read_external(proto, bytes as u64, external)?)
    } else if let Some(raw) = &proto.raw_data {
        if raw.len() != bytes {
            let reason = format!("shape {shape:?} of {dtype} needs {bytes} bytes of raw data, found {}", raw.len());
            return Err(refuse(reason));
        }
        from_raw(dtype, raw)
    } else {
        from_fields(dtype, proto, count)
    };
    let data = data.map_err(refuse)?;
    if let Data::Float(values) = &data {
        check_finite(values).map_err(refuse)?;
    }
    Ok(match data {
        Data::Float(values) => Tensor::float(dtype, &shape, values),
        Data::Int(values) => Tensor::int(dtype, &shape, values),
    })
}

/// Writes a tensor as raw data.
pub(crate) fn encode(name: &str, tensor: &Tensor) -> TensorProto {
    TensorProto {
        name: name.to_owned(),
        dims: tensor.shape().iter().map(|&dim| dim as i64).collect(),
        data_type: tensor.dtype().onnx(),
        raw_data: Some(to_raw(tensor)),
        ..TensorProto::default()
    }
}

/// The element type with this number.
///
/// Errors: Tinyassay does not read it.
pub(crate) fn element_type(number: i32) -> Result<DType, String> {
    DType::from_onnx(number).ok_or_else(|| {
        let known: Vec<&str> = DType::ALL.iter().map(|row| row.2).collect();
        format!("element type {number} is not supported, only {}", known.join(", "))
    })
}

fn shape(dims: &[i64]) -> Result<Vec<usize>, String> {
    let dim = |&dim: &i64| usize::try_from(dim).map_err(|_| format!("dimension {dim} of shape {dims:?} is negative"));
    dims.iter().map(dim).collect()
}

fn read_external(proto: &TensorProto, bytes: u64, external: &dyn ExternalData) -> Result<Vec<u8>, Error> {
    let refuse = |reason: String| Error::External { tensor: proto.name.clone(), reason };
    let place = Place::of(proto)?;
    if let Some(length) = place.length.filter(|&length| length != bytes) {
        return Err(refuse(format!("its shape needs {bytes} bytes, `length` says {length}")));
    }
    let data = external.read(&place.location, place.offset, Some(bytes)).map_err(refuse)?;
    if data.len() as u64 != bytes {
        return Err(refuse(format!("its shape needs {bytes} bytes, `{}` gave {}", place.location, data.len())));
    }
    Ok(data)
}

fn check_finite(values: &[f64]) -> Result<(), String> {
    let wrong = values.iter().position(|value| value.is_nan() || (value.is_infinite() && values.len() > 1));
    wrong.map_or(Ok(()), |index| Err(format!("element {index} is {}", values[index])))
}

macro_rules! chunks {
    ($bytes:expr, $ty:ty) => {
        $bytes.as_chunks().0.iter().map(|chunk| <$ty>::from_le_bytes(*chunk))
    };
}

fn from_raw(dtype: DType, bytes: &[u8]) -> Result<Data, String> {
    Ok(match dtype {
        DType::F32 => Data::Float(chunks!(bytes, f32).map(f64::from).collect()),
        DType::F64 => Data::Float(chunks!(bytes, f64).collect()),
        DType::F16 => Data::Float(chunks!(bytes, f16).map(f16::to_f64).collect()),
        DType::BF16 => Data::Float(chunks!(bytes, bf16).map(bf16::to_f64).collect()),
        DType::I8 => Data::Int(chunks!(bytes, i8).map(i64::from).collect()),
        DType::U8 => Data::Int(bytes.iter().map(|&byte| byte.into()).collect()),
        DType::I16 => Data::Int(chunks!(bytes, i16).map(i64::from).collect()),
        DType::U16 => Data::Int(chunks!(bytes, u16).map(i64::from).collect()),
        DType::I32 => Data::Int(chunks!(bytes, i32).map(i64::from).collect()),
        DType::U32 => Data::Int(chunks!(bytes, u32).map(i64::from).collect()),
        DType::I64 => Data::Int(chunks!(bytes, i64).collect()),
        DType::Bool => in_range(DType::Bool, bytes.iter().map(|&byte| byte.into()))?,
    })
}

fn from_fields(dtype: DType, proto: &TensorProto, count: usize) -> Result<Data, String> {
    let (field, found) = match dtype {
        DType::F32 => ("float_data", proto.float_data.len()),
        DType::F64 => ("double_data", proto.double_data.len()),
        DType::I64 => ("int64_data", proto.int64_data.len()),
        DType::U32 => ("uint64_data", proto.uint64_data.len()),
        _ => ("int32_data", proto.int32_data.len()),
    };
    if found != count {
        return Err(format!("its shape needs {count} elements of {dtype}, `{field}` has {found}"));
    }
    let ints = || proto.int32_data.iter().map(|&value| i64::from(value));
    let bits = || ints().map(|value| u16::try_from(value).map_err(|_| format!("{value} is not 16 bits of a {dtype}")));
    Ok(match dtype {
        DType::F32 => Data::Float(proto.float_data.iter().map(|&value| value.into()).collect()),
        DType::F64 => Data::Float(proto.double_data.clone()),
        DType::F16 => {
            Data::Float(bits().map(|bits| Ok(f16::from_bits(bits?).to_f64())).collect::<Result<_, String>>()?)
        }
        DType::BF16 => {
            Data::Float(bits().map(|bits| Ok(bf16::from_bits(bits?).to_f64())).collect::<Result<_, String>>()?)
        }
        DType::I64 => Data::Int(proto.int64_data.clone()),
        DType::U32 => in_range(dtype, proto.uint64_data.iter().map(|&value| i64::try_from(value).unwrap_or(i64::MAX)))?,
        DType::I8 | DType::U8 | DType::I16 | DType::U16 | DType::I32 | DType::Bool => in_range(dtype, ints())?,
    })
}

fn in_range(dtype: DType, values: impl Iterator<Item = i64>) -> Result<Data, String> {
    let (low, high) = dtype.int_range().expect("called for integer types");
    let check = |value: i64| {
        let inside = (low..=high).contains(&value);
        if inside { Ok(value) } else { Err(format!("{value} is not a value of {dtype}")) }
    };
    Ok(Data::Int(values.map(check).collect::<Result<_, String>>()?))
}

fn to_raw(tensor: &Tensor) -> Vec<u8> {
    let dtype = tensor.dtype();
    let mut raw = Vec::with_capacity(tensor.len() * dtype.bytes());
    match tensor.data() {
        Data::Int(values) => {
            values.iter().for_each(|value| raw.extend_from_slice(&value.to_le_bytes()[..dtype.bytes()]));
        }
        Data::Float(values) => values.iter().for_each(|&value| match dtype {
            DType::F64 => raw.extend_from_slice(&value.to_le_bytes()),
            DType::F16 => raw.extend_from_slice(&f16::from_f64(value).to_le_bytes()),
            DType::BF16 => raw.extend_from_slice(&bf16::from_f64(value).to_le_bytes()),
            _ => raw.extend_from_slice(&(value as f32).to_le_bytes()),
        }),
    }
    raw
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::NoExternalData;
    use crate::external::place;

    /// One tensor of every type, with values that its bytes must keep apart.
    fn samples() -> Vec<Tensor> {
        let sample = |&(dtype, ..): &(DType, i32, &str, usize)| match dtype.int_range() {
            None => Tensor::float(dtype, &[2, 2], vec![0.5, -1.75, 0.0, 12.0]),
            Some((low, high)) => Tensor::int(dtype, &[3], vec![low, high, 1]),
        };
        DType::ALL.iter().map(sample).collect()
    }

    /// The typed field of the specification instead of raw data.
    fn typed(tensor: &Tensor) -> TensorProto {
        let mut proto = TensorProto { raw_data: None, ..encode("t", tensor) };
        let floats = || tensor.floats().unwrap().iter();
        let ints = || tensor.integers().unwrap().iter();
        match tensor.dtype() {
            DType::F32 => proto.float_data = floats().map(|&value| value as f32).collect(),
            DType::F64 => proto.double_data = floats().copied().collect(),
            DType::F16 => proto.int32_data = floats().map(|&value| f16::from_f64(value).to_bits().into()).collect(),
            DType::BF16 => proto.int32_data = floats().map(|&value| bf16::from_f64(value).to_bits().into()).collect(),
            DType::I64 => proto.int64_data = ints().copied().collect(),
            DType::U32 => proto.uint64_data = ints().map(|&value| value as u64).collect(),
            _ => proto.int32_data = ints().map(|&value| value as i32).collect(),
        }
        proto
    }

    struct File(Vec<u8>);

    impl ExternalData for File {
        fn read(&self, location: &str, offset: u64, length: Option<u64>) -> Result<Vec<u8>, String> {
            assert_eq!(location, "w.bin");
            let start = usize::try_from(offset).map_err(|error| error.to_string())?;
            let end = length.map_or(Some(self.0.len() as u64), |length| offset.checked_add(length));
            let end = end.and_then(|end| usize::try_from(end).ok()).ok_or("out of range")?;
            Ok(self.0.get(start..end).ok_or("out of range")?.to_vec())
        }
    }

    fn external(tensor: &Tensor, entries: &[(&str, &str)]) -> (TensorProto, Vec<u8>) {
        let mut proto = encode("t", tensor);
        let raw = proto.raw_data.take().unwrap();
        proto.data_location = EXTERNAL;
        proto.external_data = place(entries);
        (proto, raw)
    }

    #[test]
    fn every_type_and_every_storage_reads_back() {
        for tensor in samples() {
            assert_eq!(decode(&encode("t", &tensor), &NoExternalData).unwrap(), tensor, "raw");
            assert_eq!(decode(&typed(&tensor), &NoExternalData).unwrap(), tensor, "typed");
            let (proto, raw) = external(&tensor, &[("location", "w.bin"), ("offset", "3")]);
            let file = File([vec![9; 3], raw, vec![9; 2]].concat());
            assert_eq!(decode(&proto, &file).unwrap(), tensor, "external");
        }
    }

    #[test]
    fn values_out_of_range_are_refused() {
        let with = |dtype: DType, value: i32| {
            let proto = TensorProto {
                name: "t".to_owned(),
                dims: vec![1],
                data_type: dtype.onnx(),
                int32_data: vec![value],
                ..TensorProto::default()
            };
            decode(&proto, &NoExternalData)
        };
        for (dtype, value) in [
            (DType::I8, 128),
            (DType::U8, -1),
            (DType::U16, 65536),
            (DType::I16, -32769),
            (DType::Bool, 2),
            (DType::F16, 65536),
            (DType::BF16, -1),
        ] {
            assert!(with(dtype, value).is_err(), "{value} as {dtype}");
        }
        assert!(with(DType::I32, i32::MIN).is_ok());
        let mut bool = encode("t", &Tensor::int(DType::Bool, &[1], vec![1]));
        bool.raw_data = Some(vec![7]);
        assert!(decode(&bool, &NoExternalData).is_err());
    }

    #[test]
    fn external_data_must_agree_with_the_shape() {
        let tensor = Tensor::f32(&[2], [1.0, 2.0]);
        let (proto, raw) = external(&tensor, &[("location", "w.bin"), ("length", "8")]);
        assert_eq!(decode(&proto, &File(raw.clone())).unwrap(), tensor);
        let error = decode(&proto, &File(raw[..7].to_vec())).unwrap_err();
        assert_eq!(error.to_string(), "external data of tensor `t`: out of range");
        let (proto, raw) = external(&tensor, &[("location", "w.bin"), ("length", "9")]);
        let error = decode(&proto, &File(raw)).unwrap_err().to_string();
        assert!(error.contains("its shape needs 8 bytes, `length` says 9"), "{error}");
        let error = decode(&proto, &NoExternalData).unwrap_err();
        assert!(matches!(error, Error::External { .. }));
    }

    #[test]
    fn external_tensors_of_hostile_size_are_left_to_the_file() {
        let (mut proto, raw) = external(&Tensor::f32(&[2], [1.0, 2.0]), &[("location", "w.bin")]);
        proto.dims = vec![1 << 40];
        assert!(decode(&proto, &File(raw)).is_err());
    }

    #[test]
    fn empty_tensors_have_a_shape() {
        let empty = Tensor::ints([]);
        assert_eq!(decode(&encode("t", &empty), &NoExternalData).unwrap(), empty);
    }
}
