//! Vectors of f32 in the widest instruction set of the processor, chosen at run time.

#![allow(unsafe_code)]

/// The operations of one instruction set. A value of the type is the proof that the processor has it.
///
/// `mul_add` may round once or twice. Sums of lanes have one fixed order.
pub(super) trait Lanes: Copy {
    /// One register.
    type V: Copy;
    /// Elements of a register.
    const N: usize;
    /// Whether there are 32 registers, not 16.
    const MANY: bool;

    fn splat(self, value: f32) -> Self::V;
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    fn sum(self, a: Self::V) -> f32;

    /// # Safety
    /// `N` elements from `at` can be read.
    unsafe fn load(self, at: *const f32) -> Self::V;
    /// # Safety
    /// `N` elements from `at` can be written.
    unsafe fn store(self, at: *mut f32, value: Self::V);

    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// Work that is written once and compiled for each instruction set. `run` must be `#[inline(always)]`, as must be what
/// it calls, and neither may use closures where speed matters: they are compiled for the oldest processor.
pub(super) trait Routine {
    type Output;
    fn run<L: Lanes>(self, lanes: L) -> Self::Output;
}

/// An instruction set that this processor has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Portable,
    #[cfg(target_arch = "x86_64")]
    Avx2(x86::Avx2),
    #[cfg(target_arch = "x86_64")]
    Avx512(x86::Avx512),
}

impl Level {
    /// All that there are, the widest last.
    pub(super) fn all() -> Vec<Self> {
        let mut levels = vec![Self::Portable];
        #[cfg(target_arch = "x86_64")]
        {
            levels.extend(x86::Avx2::new().map(Self::Avx2));
            levels.extend(x86::Avx512::new().map(Self::Avx512));
        }
        levels
    }

    pub(super) fn best() -> Self {
        Self::all().pop().unwrap_or(Self::Portable)
    }

    /// As [`Lanes::MANY`].
    pub(super) fn many(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => true,
            _ => false,
        }
    }

    pub(super) fn run<R: Routine>(self, routine: R) -> R::Output {
        match self {
            Self::Portable => routine.run(Portable),
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(lanes) => lanes.run(routine),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(lanes) => lanes.run(routine),
        }
    }
}

/// Arrays that the compiler turns into what every processor of the target has: SSE2, NEON.
#[derive(Debug, Clone, Copy)]
pub(super) struct Portable;

const WIDTH: usize = 8;

#[inline(always)]
fn zip(a: [f32; WIDTH], b: [f32; WIDTH], f: impl Fn(f32, f32) -> f32) -> [f32; WIDTH] {
    std::array::from_fn(|i| f(a[i], b[i]))
}

impl Lanes for Portable {
    type V = [f32; WIDTH];
    const N: usize = WIDTH;
    const MANY: bool = false;

    #[inline(always)]
    fn splat(self, value: f32) -> Self::V {
        [value; WIDTH]
    }
    #[inline(always)]
    fn add(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a + b)
    }
    #[inline(always)]
    fn sub(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a - b)
    }
    #[inline(always)]
    fn mul(self, a: Self::V, b: Self::V) -> Self::V {
        zip(a, b, |a, b| a * b)
    }
    #[inline(always)]
    fn mul_add(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V {
        if cfg!(any(target_feature = "fma", target_arch = "aarch64")) {
            std::array::from_fn(|i| a[i].mul_add(b[i], c[i]))
        } else {
            self.add(self.mul(a, b), c)
        }
    }
    #[inline(always)]
    fn sum(self, a: Self::V) -> f32 {
        ((a[0] + a[4]) + (a[2] + a[6])) + ((a[1] + a[5]) + (a[3] + a[7]))
    }
    #[inline(always)]
    unsafe fn load(self, at: *const f32) -> Self::V {
        // SAFETY: The caller's promise; arrays of f32 are aligned as f32.
        unsafe { at.cast::<Self::V>().read() }
    }
    #[inline(always)]
    unsafe fn store(self, at: *mut f32, value: Self::V) {
        // SAFETY: As above.
        unsafe { at.cast::<Self::V>().write(value) }
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Routine};
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($name:ident, $doc:literal, $v:ty, $n:literal, $many:literal, [$($feature:tt),*], $all:literal,
         $splat:ident, $add:ident, $sub:ident, $mul:ident, $fma:ident, $load:ident, $store:ident, $sum:expr) => {
            #[doc = $doc]
            #[derive(Debug, Clone, Copy, PartialEq, Eq)]
            pub(in crate::kernels) struct $name(());

            impl $name {
                pub(super) fn new() -> Option<Self> {
                    ($(is_x86_feature_detected!($feature))&&*).then_some(Self(()))
                }

                pub(super) fn run<R: Routine>(self, routine: R) -> R::Output {
                    #[target_feature(enable = $all)]
                    fn compiled<R: Routine>(lanes: $name, routine: R) -> R::Output {
                        routine.run(lanes)
                    }
                    // SAFETY: `new` is the only source of `self`, and asked the processor.
                    unsafe { compiled(self, routine) }
                }
            }

            // SAFETY of all blocks without a comment: `self` proves that the processor has the instructions.
            impl Lanes for $name {
                type V = $v;
                const N: usize = $n;
                const MANY: bool = $many;

                #[inline(always)]
                fn splat(self, value: f32) -> $v {
                    unsafe { $splat(value) }
                }
                #[inline(always)]
                fn add(self, a: $v, b: $v) -> $v {
                    unsafe { $add(a, b) }
                }
                #[inline(always)]
                fn sub(self, a: $v, b: $v) -> $v {
                    unsafe { $sub(a, b) }
                }
                #[inline(always)]
                fn mul(self, a: $v, b: $v) -> $v {
                    unsafe { $mul(a, b) }
                }
                #[inline(always)]
                fn mul_add(self, a: $v, b: $v, c: $v) -> $v {
                    unsafe { $fma(a, b, c) }
                }
                #[inline(always)]
                fn sum(self, a: $v) -> f32 {
                    unsafe { $sum(a) }
                }
                #[inline(always)]
                unsafe fn load(self, at: *const f32) -> $v {
                    // SAFETY: `self`, and the caller's promise.
                    unsafe { $load(at) }
                }
                #[inline(always)]
                unsafe fn store(self, at: *mut f32, value: $v) {
                    // SAFETY: `self`, and the caller's promise.
                    unsafe { $store(at, value) }
                }
            }
        };
    }

    lanes!(
        Avx2,
        "AVX2 with fused multiplication.",
        __m256,
        8,
        false,
        ["avx2", "fma"],
        "avx2,fma",
        _mm256_set1_ps,
        _mm256_add_ps,
        _mm256_sub_ps,
        _mm256_mul_ps,
        _mm256_fmadd_ps,
        _mm256_loadu_ps,
        _mm256_storeu_ps,
        sum256
    );
    lanes!(
        Avx512,
        "AVX-512.",
        __m512,
        16,
        true,
        ["avx512f", "avx512dq", "avx512vl", "avx2", "fma"],
        "avx512f,avx512dq,avx512vl,avx2,fma",
        _mm512_set1_ps,
        _mm512_add_ps,
        _mm512_sub_ps,
        _mm512_mul_ps,
        _mm512_fmadd_ps,
        _mm512_loadu_ps,
        _mm512_storeu_ps,
        sum512
    );

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn sum256(a: __m256) -> f32 {
        let four = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps::<1>(a));
        let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
        _mm_cvtss_f32(_mm_add_ss(two, _mm_movehdup_ps(two)))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    fn sum512(a: __m512) -> f32 {
        sum256(_mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps::<1>(a)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Dot<'a>(&'a [f32], &'a [f32]);

    impl Routine for Dot<'_> {
        type Output = f32;
        #[inline(always)]
        fn run<L: Lanes>(self, l: L) -> f32 {
            let mut sum = l.zero();
            for (a, b) in self.0.chunks_exact(L::N).zip(self.1.chunks_exact(L::N)) {
                // SAFETY: Both chunks hold N elements.
                sum = l.mul_add(unsafe { l.load(a.as_ptr()) }, unsafe { l.load(b.as_ptr()) }, sum);
            }
            l.sum(sum)
        }
    }

    #[test]
    fn every_level_sums_all_lanes() {
        let (a, b): (Vec<f32>, Vec<f32>) = (0..64).map(|i| (i as f32, (i % 5) as f32 - 1.0)).unzip();
        let exact: f32 = a.iter().zip(&b).map(|(a, b)| a * b).sum();
        for level in Level::all() {
            assert_eq!(level.run(Dot(&a, &b)), exact, "{level:?}");
        }
    }
}
