use std::fmt;

/// Element types of ONNX tensors that Tinyassay reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum DType {
    /// IEEE binary16.
    F16,
    /// bfloat16.
    BF16,
    /// IEEE binary32.
    F32,
    /// IEEE binary64.
    F64,
    /// Signed 8-bit.
    I8,
    /// Unsigned 8-bit.
    U8,
    /// Signed 16-bit.
    I16,
    /// Unsigned 16-bit.
    U16,
    /// Signed 32-bit.
    I32,
    /// Unsigned 32-bit.
    U32,
    /// Signed 64-bit.
    I64,
    /// Boolean.
    Bool,
}

impl DType {
    /// Every type, with its ONNX `TensorProto.DataType` number, its name and its size in bytes.
    pub const ALL: &[(DType, i32, &'static str, usize)] = &[
        (DType::F32, 1, "float32", 4),
        (DType::U8, 2, "uint8", 1),
        (DType::I8, 3, "int8", 1),
        (DType::U16, 4, "uint16", 2),
        (DType::I16, 5, "int16", 2),
        (DType::I32, 6, "int32", 4),
        (DType::I64, 7, "int64", 8),
        (DType::Bool, 9, "bool", 1),
        (DType::F16, 10, "float16", 2),
        (DType::F64, 11, "float64", 8),
        (DType::U32, 12, "uint32", 4),
        (DType::BF16, 16, "bfloat16", 2),
    ];

    fn row(self) -> &'static (DType, i32, &'static str, usize) {
        Self::ALL.iter().find(|row| row.0 == self).expect("the table holds every type")
    }

    /// The type with this ONNX number.
    pub fn from_onnx(number: i32) -> Option<Self> {
        Self::ALL.iter().find(|row| row.1 == number).map(|row| row.0)
    }

    /// Its ONNX number.
    pub fn onnx(self) -> i32 {
        self.row().1
    }

    /// Its size in bytes.
    pub fn bytes(self) -> usize {
        self.row().3
    }

    /// Whether elements are floating-point numbers.
    pub fn is_float(self) -> bool {
        matches!(self, DType::F16 | DType::BF16 | DType::F32 | DType::F64)
    }

    /// The smallest and largest integer it holds; `None` for floats.
    pub fn int_range(self) -> Option<(i64, i64)> {
        Some(match self {
            DType::I8 => (i8::MIN.into(), i8::MAX.into()),
            DType::U8 => (0, u8::MAX.into()),
            DType::I16 => (i16::MIN.into(), i16::MAX.into()),
            DType::U16 => (0, u16::MAX.into()),
            DType::I32 => (i32::MIN.into(), i32::MAX.into()),
            DType::U32 => (0, u32::MAX.into()),
            DType::I64 => (i64::MIN, i64::MAX),
            DType::Bool => (0, 1),
            DType::F16 | DType::BF16 | DType::F32 | DType::F64 => return None,
        })
    }
}

impl fmt::Display for DType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.row().2)
    }
}

/// Elements in row-major order: floats of every width as f64, integers and booleans as i64.
#[derive(Debug, Clone, PartialEq)]
pub enum Data {
    /// Elements of a float type. Every f32, f16 and bfloat16 is exact here.
    Float(Vec<f64>),
    /// Elements of an integer or boolean type.
    Int(Vec<i64>),
}

/// A dense tensor in row-major order.
///
/// The declared type says what the file or ONNX Runtime holds; the elements are wide, so that the reference kernels
/// compute in f64 throughout. Nothing is rounded to the declared type but by [`Tensor::rounded`].
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor {
    dtype: DType,
    shape: Vec<usize>,
    data: Data,
}

impl Tensor {
    /// A tensor of a float type.
    ///
    /// Panics: the count of elements is not the product of `shape`, or `dtype` is not a float type. Both are our own
    /// invariants: bytes from a file are checked where they are decoded.
    pub fn float(dtype: DType, shape: &[usize], data: Vec<f64>) -> Self {
        assert!(dtype.is_float(), "{dtype} is not a float type");
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
        Self { dtype, shape: shape.to_vec(), data: Data::Float(data) }
    }

    /// A tensor of an integer or boolean type. Panics as [`Tensor::float`] does.
    pub fn int(dtype: DType, shape: &[usize], data: Vec<i64>) -> Self {
        assert!(!dtype.is_float(), "{dtype} is not an integer type");
        assert_eq!(shape.iter().product::<usize>(), data.len(), "{shape:?}");
        Self { dtype, shape: shape.to_vec(), data: Data::Int(data) }
    }

    /// A float32 tensor. Panics as [`Tensor::float`] does.
    pub fn f32(shape: &[usize], data: impl IntoIterator<Item = f64>) -> Self {
        Self::float(DType::F32, shape, data.into_iter().collect())
    }

    /// An int64 vector.
    pub fn ints(data: impl IntoIterator<Item = i64>) -> Self {
        let data: Vec<i64> = data.into_iter().collect();
        Self::int(DType::I64, &[data.len()], data)
    }

    /// A float32 scalar.
    pub fn scalar(value: f64) -> Self {
        Self::f32(&[], [value])
    }

    /// Its element type.
    pub fn dtype(&self) -> DType {
        self.dtype
    }

    /// Its dimensions.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// Its elements.
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// The number of elements.
    pub fn len(&self) -> usize {
        match &self.data {
            Data::Float(values) => values.len(),
            Data::Int(values) => values.len(),
        }
    }

    /// Whether there are no elements.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The elements of a float tensor.
    ///
    /// Errors: it holds integers.
    pub fn floats(&self) -> Result<&[f64], String> {
        match &self.data {
            Data::Float(values) => Ok(values),
            Data::Int(_) => Err(format!("expected a float tensor, found {}", self.dtype)),
        }
    }

    /// The elements of an integer or boolean tensor.
    ///
    /// Errors: it holds floats.
    pub fn integers(&self) -> Result<&[i64], String> {
        match &self.data {
            Data::Int(values) => Ok(values),
            Data::Float(_) => Err(format!("expected an integer tensor, found {}", self.dtype)),
        }
    }

    /// All elements as f64, whatever the type.
    pub fn to_f64(&self) -> Vec<f64> {
        match &self.data {
            Data::Float(values) => values.clone(),
            Data::Int(values) => values.iter().map(|&value| value as f64).collect(),
        }
    }

    /// The same elements in another shape. Panics when the counts differ.
    pub fn reshaped(mut self, shape: &[usize]) -> Self {
        assert_eq!(shape.iter().product::<usize>(), self.len(), "{shape:?}");
        self.shape = shape.to_vec();
        self
    }

    /// Every float rounded to the nearest value that the declared type can hold; integers as they are.
    pub fn rounded(mut self) -> Self {
        let dtype = self.dtype;
        if let Data::Float(values) = &mut self.data {
            for value in values {
                *value = match dtype {
                    DType::F32 => f64::from(*value as f32),
                    DType::F16 => half::f16::from_f64(*value).to_f64(),
                    DType::BF16 => half::bf16::from_f64(*value).to_f64(),
                    _ => *value,
                };
            }
        }
        self
    }
}
