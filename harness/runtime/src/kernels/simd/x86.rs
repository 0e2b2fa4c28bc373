//! AVX2 and AVX-512.

use super::{Lanes, Routine};
use std::arch::x86_64::*;

macro_rules! lanes {
    ($name:ident, $doc:literal, $v:ty, $n:literal, $many:literal, [$($feature:tt),*], $all:literal,
     $splat:ident, $add:ident, $sub:ident, $mul:ident, $fma:ident, $load:ident, $store:ident,
     $sum:expr, $load_some:expr, $store_some:expr, $halves:expr, $zipped:expr,
     $clip:expr, $between:expr) => {
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
            fn clip(self, value: $v, low: $v, high: $v) -> $v {
                unsafe { $clip(value, low, high) }
            }
            #[inline(always)]
            fn between(self, value: $v, low: $v, high: $v, kept: $v) -> $v {
                unsafe { $between(value, low, high, kept) }
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
    sum256,
    load256,
    store256,
    halves256,
    zipped256,
    clip256,
    between256
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
    sum512,
    load512,
    store512,
    halves512,
    zipped512,
    clip512,
    between512
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

// The second operand is the result where one is not a number.
#[inline]
#[target_feature(enable = "avx2,fma")]
fn clip256(value: __m256, low: __m256, high: __m256) -> __m256 {
    _mm256_min_ps(high, _mm256_max_ps(low, value))
}

#[inline]
#[target_feature(enable = "avx2,fma")]
fn between256(value: __m256, low: __m256, high: __m256, kept: __m256) -> __m256 {
    let above = _mm256_cmp_ps::<_CMP_LT_OQ>(low, value);
    _mm256_and_ps(_mm256_and_ps(above, _mm256_cmp_ps::<_CMP_LT_OQ>(value, high)), kept)
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
fn clip512(value: __m512, low: __m512, high: __m512) -> __m512 {
    _mm512_min_ps(high, _mm512_max_ps(low, value))
}

#[inline]
#[target_feature(enable = "avx512f,avx512dq,avx512vl,avx2,fma")]
fn between512(value: __m512, low: __m512, high: __m512, kept: __m512) -> __m512 {
    let above = _mm512_cmp_ps_mask::<_CMP_LT_OQ>(low, value);
    _mm512_maskz_mov_ps(_mm512_mask_cmp_ps_mask::<_CMP_LT_OQ>(above, value, high), kept)
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
