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
    /// Zero where the bit of a lane is not set.
    ///
    /// # Safety
    /// The elements of lanes whose bit is set can be read.
    unsafe fn load_some(self, at: *const f32, lanes: u16) -> Self::V;
    /// # Safety
    /// The elements of lanes whose bit is set can be written.
    unsafe fn store_some(self, at: *mut f32, value: Self::V, lanes: u16);
    /// The elements with even numbers and those with odd ones, of `low` and then `high`.
    fn halves(self, low: Self::V, high: Self::V) -> (Self::V, Self::V);
    /// The inverse of [`halves`](Self::halves).
    fn zipped(self, even: Self::V, odd: Self::V) -> (Self::V, Self::V);

    fn zero(self) -> Self::V {
        self.splat(0.0)
    }
}

/// Work that is written once and compiled for each instruction set. `run` must be `#[inline(always)]`, as must be what
/// it calls where speed matters. A closure is compiled for the oldest processor, and so is all that is inlined into it.
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

    /// As [`Lanes::N`].
    pub(super) fn lanes(self) -> usize {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => x86::Avx512::N,
            _ => WIDTH,
        }
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
    #[inline(always)]
    unsafe fn load_some(self, at: *const f32, lanes: u16) -> Self::V {
        // SAFETY: The caller's promise.
        std::array::from_fn(|i| if lanes >> i & 1 == 1 { unsafe { at.wrapping_add(i).read() } } else { 0.0 })
    }
    #[inline(always)]
    unsafe fn store_some(self, at: *mut f32, value: Self::V, lanes: u16) {
        for (i, value) in value.into_iter().enumerate().filter(|(i, _)| lanes >> i & 1 == 1) {
            // SAFETY: The caller's promise.
            unsafe { at.wrapping_add(i).write(value) }
        }
    }
    #[inline(always)]
    fn halves(self, low: Self::V, high: Self::V) -> (Self::V, Self::V) {
        let at = |i: usize| if i < WIDTH { low[i] } else { high[i - WIDTH] };
        (std::array::from_fn(|i| at(2 * i)), std::array::from_fn(|i| at(2 * i + 1)))
    }
    #[inline(always)]
    fn zipped(self, even: Self::V, odd: Self::V) -> (Self::V, Self::V) {
        let at = |i: usize| if i % 2 == 0 { even[i / 2] } else { odd[i / 2] };
        (std::array::from_fn(at), std::array::from_fn(|i| at(WIDTH + i)))
    }
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{Lanes, Routine};
    use std::arch::x86_64::*;

    macro_rules! lanes {
        ($name:ident, $doc:literal, $v:ty, $n:literal, $many:literal, [$($feature:tt),*], $all:literal,
         $splat:ident, $add:ident, $sub:ident, $mul:ident, $fma:ident, $load:ident, $store:ident,
         $sum:expr, $load_some:expr, $store_some:expr, $halves:expr, $zipped:expr) => {
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
                #[inline(always)]
                unsafe fn load_some(self, at: *const f32, lanes: u16) -> $v {
                    // SAFETY: `self`, and the caller's promise; other lanes are not touched.
                    unsafe { $load_some(at, lanes) }
                }
                #[inline(always)]
                unsafe fn store_some(self, at: *mut f32, value: $v, lanes: u16) {
                    // SAFETY: As above.
                    unsafe { $store_some(at, value, lanes) }
                }
                #[inline(always)]
                fn halves(self, low: $v, high: $v) -> ($v, $v) {
                    unsafe { $halves(low, high) }
                }
                #[inline(always)]
                fn zipped(self, even: $v, odd: $v) -> ($v, $v) {
                    unsafe { $zipped(even, odd) }
                }
            }
        };
    }

    lanes!(
        Avx2, "AVX2 with fused multiplication.", __m256, 8, false, ["avx2", "fma"], "avx2,fma",
        _mm256_set1_ps, _mm256_add_ps, _mm256_sub_ps, _mm256_mul_ps, _mm256_fmadd_ps, _mm256_loadu_ps,
        _mm256_storeu_ps, sum256, load256, store256, halves256, zipped256
    );
    lanes!(
        Avx512, "AVX-512.", __m512, 16, true, ["avx512f", "avx512dq", "avx512vl", "avx2", "fma"],
        "avx512f,avx512dq,avx512vl,avx2,fma",
        _mm512_set1_ps, _mm512_add_ps, _mm512_sub_ps, _mm512_mul_ps, _mm512_fmadd_ps, _mm512_loadu_ps,
        _mm512_storeu_ps, sum512, load512, store512, halves512, zipped512
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

    /// All bits of a lane from one bit of a number.
    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn mask256(lanes: u16) -> __m256i {
        let bits = _mm256_setr_epi32(1, 2, 4, 8, 16, 32, 64, 128);
        _mm256_cmpeq_epi32(_mm256_and_si256(_mm256_set1_epi32(lanes.into()), bits), bits)
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn load256(at: *const f32, lanes: u16) -> __m256 {
        // SAFETY: The caller's promise.
        unsafe { _mm256_maskload_ps(at, mask256(lanes)) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    unsafe fn store256(at: *mut f32, value: __m256, lanes: u16) {
        // SAFETY: The caller's promise.
        unsafe { _mm256_maskstore_ps(at, mask256(lanes), value) }
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn halves256(low: __m256, high: __m256) -> (__m256, __m256) {
        let order = |a| _mm256_castpd_ps(_mm256_permute4x64_pd::<0b11_01_10_00>(_mm256_castps_pd(a)));
        let (even, odd) = (_mm256_shuffle_ps::<0b10_00_10_00>(low, high), _mm256_shuffle_ps::<0b11_01_11_01>(low, high));
        (order(even), order(odd))
    }

    #[inline]
    #[target_feature(enable = "avx2,fma")]
    fn zipped256(even: __m256, odd: __m256) -> (__m256, __m256) {
        let (low, high) = (_mm256_unpacklo_ps(even, odd), _mm256_unpackhi_ps(even, odd));
        (_mm256_permute2f128_ps::<0x20>(low, high), _mm256_permute2f128_ps::<0x31>(low, high))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    unsafe fn load512(at: *const f32, lanes: u16) -> __m512 {
        // SAFETY: The caller's promise.
        unsafe { _mm512_maskz_loadu_ps(lanes, at) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    unsafe fn store512(at: *mut f32, value: __m512, lanes: u16) {
        // SAFETY: The caller's promise.
        unsafe { _mm512_mask_storeu_ps(at, lanes, value) }
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    fn halves512(low: __m512, high: __m512) -> (__m512, __m512) {
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_setr_epi32(1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31);
        (_mm512_permutex2var_ps(low, even, high), _mm512_permutex2var_ps(low, odd, high))
    }

    #[inline]
    #[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
    fn zipped512(even: __m512, odd: __m512) -> (__m512, __m512) {
        let low = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
        let high = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
        (_mm512_permutex2var_ps(even, low, odd), _mm512_permutex2var_ps(even, high, odd))
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

    /// Splits and joins so many elements.
    struct Split<'a>(&'a [f32], &'a mut [f32]);

    impl Routine for Split<'_> {
        type Output = ();
        #[inline(always)]
        fn run<L: Lanes>(self, l: L) {
            let Self(from, to) = self;
            let some = |count: usize| (u32::MAX >> (32 - L::N.min(count))) as u16;
            let masks = (some(L::N), some(from.len() - L::N));
            // SAFETY: The masks have as many bits as there are elements.
            unsafe {
                let low = l.load_some(from.as_ptr(), masks.0);
                let high = l.load_some(from.as_ptr().add(L::N), masks.1);
                let (even, odd) = l.halves(low, high);
                l.store(to.as_mut_ptr(), even);
                l.store(to.as_mut_ptr().add(L::N), odd);
                let (low, high) = l.zipped(even, odd);
                l.store_some(to.as_mut_ptr().add(2 * L::N), low, masks.0);
                l.store_some(to.as_mut_ptr().add(3 * L::N), high, masks.1);
            }
        }
    }

    #[test]
    fn every_level_splits_and_joins() {
        for level in Level::all() {
            let n = level.lanes();
            let from: Vec<f32> = (1..2 * n).map(|i| i as f32).collect();
            let mut to = vec![-1.0; 4 * n];
            level.run(Split(&from, &mut to));
            let alternate = |start: usize| from[start..].iter().step_by(2).copied().collect::<Vec<_>>();
            let expected = [alternate(0), alternate(1), vec![0.0], from, vec![-1.0]].concat();
            assert_eq!(to, expected, "{level:?}");
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
