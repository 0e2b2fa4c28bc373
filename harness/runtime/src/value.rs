use crate::Error;
use graph::{DType, Data, Tensor};
use half::{bf16, f16};
use ort::value::{DynValue, PrimitiveTensorElementType, TensorElementType};
use std::fmt::Debug;

/// The element type of ONNX Runtime as ours; `None` where we have none.
pub(crate) fn dtype(ty: TensorElementType) -> Option<DType> {
    Some(match ty {
        TensorElementType::Float16 => DType::F16,
        TensorElementType::Bfloat16 => DType::BF16,
        TensorElementType::Float32 => DType::F32,
        TensorElementType::Float64 => DType::F64,
        TensorElementType::Int8 => DType::I8,
        TensorElementType::Uint8 => DType::U8,
        TensorElementType::Int16 => DType::I16,
        TensorElementType::Uint16 => DType::U16,
        TensorElementType::Int32 => DType::I32,
        TensorElementType::Uint32 => DType::U32,
        TensorElementType::Int64 => DType::I64,
        TensorElementType::Bool => DType::Bool,
        _ => return None,
    })
}

/// An element type that ONNX Runtime's tensors hold, made from the wide elements of ours.
trait Element: PrimitiveTensorElementType + Debug + Copy + 'static {
    fn from_float(value: f64) -> Self;
    fn from_int(value: i64) -> Self;
    fn to_float(self) -> f64;
    fn to_int(self) -> i64;
}

macro_rules! float_element {
    ($($ty:ty: $from:expr, $to:expr;)*) => {$(
        impl Element for $ty {
            fn from_float(value: f64) -> Self { $from(value) }
            fn from_int(value: i64) -> Self { $from(value as f64) }
            fn to_float(self) -> f64 { $to(self) }
            fn to_int(self) -> i64 { $to(self) as i64 }
        }
    )*};
}

macro_rules! int_element {
    ($($ty:ty)*) => {$(
        impl Element for $ty {
            fn from_float(value: f64) -> Self { value as $ty }
            fn from_int(value: i64) -> Self { value as $ty }
            fn to_float(self) -> f64 { self as f64 }
            fn to_int(self) -> i64 { self as i64 }
        }
    )*};
}

float_element! {
    f64: |value| value, |value| value;
    f32: |value| value as f32, f64::from;
    f16: f16::from_f64, f16::to_f64;
    bf16: bf16::from_f64, bf16::to_f64;
}
int_element! { i8 u8 i16 u16 i32 u32 i64 }

impl Element for bool {
    fn from_float(value: f64) -> Self {
        value != 0.0
    }
    fn from_int(value: i64) -> Self {
        value != 0
    }
    fn to_float(self) -> f64 {
        f64::from(u8::from(self))
    }
    fn to_int(self) -> i64 {
        self.into()
    }
}

/// Calls a generic function with the Rust type of a [`DType`].
macro_rules! with_element {
    ($dtype:expr, $function:ident($($argument:expr),*)) => {
        match $dtype {
            DType::F16 => $function::<f16>($($argument),*),
            DType::BF16 => $function::<bf16>($($argument),*),
            DType::F32 => $function::<f32>($($argument),*),
            DType::F64 => $function::<f64>($($argument),*),
            DType::I8 => $function::<i8>($($argument),*),
            DType::U8 => $function::<u8>($($argument),*),
            DType::I16 => $function::<i16>($($argument),*),
            DType::U16 => $function::<u16>($($argument),*),
            DType::I32 => $function::<i32>($($argument),*),
            DType::U32 => $function::<u32>($($argument),*),
            DType::I64 => $function::<i64>($($argument),*),
            DType::Bool => $function::<bool>($($argument),*),
        }
    };
}

/// A tensor of ours as a value of ONNX Runtime, floats rounded to the declared type.
///
/// Errors: ONNX Runtime refuses it.
pub(crate) fn to_ort(tensor: &Tensor) -> Result<DynValue, Error> {
    with_element!(tensor.dtype(), fill(tensor))
}

fn fill<T: Element>(tensor: &Tensor) -> Result<DynValue, Error> {
    let elements: Vec<T> = match tensor.data() {
        Data::Float(values) => values.iter().map(|&value| T::from_float(value)).collect(),
        Data::Int(values) => values.iter().map(|&value| T::from_int(value)).collect(),
    };
    own(tensor.shape(), elements)
}

/// Floats as a value of `dtype`; integer types truncate, which is exact for integer values in range.
///
/// Errors: ONNX Runtime refuses it.
pub(crate) fn floats_to_ort(dtype: DType, shape: &[usize], values: &[f32]) -> Result<DynValue, Error> {
    with_element!(dtype, fill_floats(shape, values))
}

fn fill_floats<T: Element>(shape: &[usize], values: &[f32]) -> Result<DynValue, Error> {
    own(shape, values.iter().map(|&value| T::from_float(value.into())).collect::<Vec<T>>())
}

fn own<T: Element>(shape: &[usize], elements: Vec<T>) -> Result<DynValue, Error> {
    let tensor = ort::value::Tensor::from_array((shape.to_vec(), elements));
    tensor.map(|tensor| tensor.into_dyn()).map_err(|error| Error::ort("make a tensor", &error))
}

/// A value of ONNX Runtime as a tensor of ours.
///
/// Errors: it is not a tensor, or of an element type that we have not.
pub(crate) fn from_ort(value: &DynValue) -> Result<Tensor, Error> {
    let (dtype, shape) = tensor_type(value)?;
    with_element!(dtype, read(value, dtype, &shape))
}

fn read<T: Element>(value: &DynValue, dtype: DType, shape: &[usize]) -> Result<Tensor, Error> {
    let elements = elements::<T>(value)?;
    Ok(if dtype.is_float() {
        Tensor::float(dtype, shape, elements.iter().map(|value| value.to_float()).collect())
    } else {
        Tensor::int(dtype, shape, elements.iter().map(|value| value.to_int()).collect())
    })
}

/// Appends all elements of a value as f32, whatever their type.
///
/// Errors: as [`from_ort`].
pub(crate) fn extend_f32(value: &DynValue, to: &mut Vec<f32>) -> Result<(), Error> {
    let (dtype, _) = tensor_type(value)?;
    with_element!(dtype, append(value, to))
}

fn append<T: Element>(value: &DynValue, to: &mut Vec<f32>) -> Result<(), Error> {
    to.extend(elements::<T>(value)?.iter().map(|value| value.to_float() as f32));
    Ok(())
}

fn elements<T: Element>(value: &DynValue) -> Result<&[T], Error> {
    let extracted = value.try_extract_tensor::<T>();
    extracted.map(|(_, elements)| elements).map_err(|error| Error::ort("read a tensor", &error))
}

/// Element type and dimensions of a value.
///
/// Errors: as [`from_ort`].
pub(crate) fn tensor_type(value: &DynValue) -> Result<(DType, Vec<usize>), Error> {
    let ty = value.dtype();
    let dtype = ty.tensor_type().and_then(dtype);
    let (Some(dtype), Some(shape)) = (dtype, ty.tensor_shape()) else {
        return Err(Error::ort("read a value", &format!("{ty} is not a tensor of a type that is supported")));
    };
    Ok((dtype, shape.iter().map(|&dim| dim as usize).collect()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::env;

    #[test]
    fn every_type_survives_the_way_there_and_back() {
        env().unwrap();
        for &(dtype, ..) in DType::ALL {
            let tensor = match dtype.int_range() {
                Some((low, high)) => Tensor::int(dtype, &[2, 2], vec![low, 0, 1, high]),
                None => Tensor::float(dtype, &[2, 2], vec![-1.5, 0.0, 0.25, f64::INFINITY]),
            };
            assert_eq!(from_ort(&to_ort(&tensor).unwrap()).unwrap(), tensor);
        }
    }

    #[test]
    fn scalars_and_empty_tensors_survive() {
        env().unwrap();
        for tensor in [Tensor::scalar(2.5), Tensor::ints([]), Tensor::f32(&[0, 3], [])] {
            assert_eq!(from_ort(&to_ort(&tensor).unwrap()).unwrap(), tensor);
        }
    }

    #[test]
    fn floats_become_the_wanted_type() {
        env().unwrap();
        let value = floats_to_ort(DType::I8, &[3], &[-128.0, 0.0, 127.0]).unwrap();
        assert_eq!(from_ort(&value).unwrap(), Tensor::int(DType::I8, &[3], vec![-128, 0, 127]));
        let mut back = Vec::new();
        extend_f32(&value, &mut back).unwrap();
        assert_eq!(back, [-128.0, 0.0, 127.0]);
    }
}
