//! Initial values of parameters: each drawn from a stream of its own, in arithmetic that is the same everywhere.

use graph::Tensor;
use rand_chacha::ChaCha8Rng;
use rand_core::{Rng, SeedableRng};
use sha2::{Digest, Sha256};

/// How the elements of a parameter begin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Init {
    /// All the same.
    Constant(f64),
    /// Nearly normal with variance `2 / fan_out`, where `fan_out` is the number of outputs that an input reaches.
    ///
    /// Source: He et al. 2015, arXiv:1502.01852, equation 14; `he_fout` with `init_div_groups` of ProxylessNAS. PyTorch's
    /// `kaiming_normal_` does not divide the outputs of a grouped convolution by its groups.
    HeFanOut(usize),
    /// Uniform within `1 / sqrt(fan_in)`.
    ///
    /// Source: the weights of PyTorch's `nn.Linear`.
    Uniform {
        /// The number of inputs of an output.
        fan_in: usize,
    },
}

impl Init {
    /// The initial value of a parameter. It depends on `seed`, its name and its shape alone: not on the layers around it.
    pub(super) fn draw(self, seed: u64, name: &str, shape: &[usize]) -> Tensor {
        let count = shape.iter().product();
        let mut rng = stream(seed, name);
        let (factor, draw): (f64, fn(&mut ChaCha8Rng) -> f64) = match self {
            Init::Constant(value) => return Tensor::f32(shape, vec![value; count]),
            Init::HeFanOut(fan_out) => ((2.0 / fan_out as f64).sqrt(), bell),
            Init::Uniform { fan_in } => (1.0 / (fan_in as f64).sqrt(), symmetric),
        };
        Tensor::f32(shape, (0..count).map(|_| factor * draw(&mut rng))).rounded()
    }
}

/// The random stream of one parameter.
fn stream(seed: u64, name: &str) -> ChaCha8Rng {
    let mut hash = Sha256::new();
    hash.update(b"tinyassay initial parameter 1\0");
    hash.update(seed.to_le_bytes());
    hash.update(name.as_bytes());
    ChaCha8Rng::from_seed(hash.finalize().into())
}

/// Uniform on the 2^32 midpoints of `(-1, 1)`; exact in f64.
fn symmetric(rng: &mut ChaCha8Rng) -> f64 {
    (f64::from(rng.next_u32()) + 0.5) / f64::from(1u32 << 31) - 1.0
}

/// Nearly normal (the sum of twelve 16-bit uniforms, centred): whole-number arithmetic instead of a logarithm.
fn bell(rng: &mut ChaCha8Rng) -> f64 {
    let sum: i64 = (0..3)
        .map(|_| rng.next_u64())
        .flat_map(|bits| [bits & 0xffff, bits >> 16 & 0xffff, bits >> 32 & 0xffff, bits >> 48])
        .map(|uniform| uniform as i64)
        .sum();
    (sum - 6 * 65_535) as f64 / 65_536.0
}
