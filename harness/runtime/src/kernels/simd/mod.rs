//! Vectors of f32 in the widest instruction set of the processor, chosen at run time.

#![allow(unsafe_code)]

#[cfg(target_arch = "x86_64")]
mod x86;

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
    /// `value` between two bounds; what is not a number stays so.
    fn clip(self, value: Self::V, low: Self::V, high: Self::V) -> Self::V;
    /// `kept` where `value` lies between two bounds and on neither, else zero.
    fn between(self, value: Self::V, low: Self::V, high: Self::V, kept: Self::V) -> Self::V;

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
    fn clip(self, value: Self::V, low: Self::V, high: Self::V) -> Self::V {
        let above = zip(value, low, |value, low| if value < low { low } else { value });
        zip(above, high, |value, high| if value > high { high } else { value })
    }
    #[inline(always)]
    fn between(self, value: Self::V, low: Self::V, high: Self::V, kept: Self::V) -> Self::V {
        std::array::from_fn(|i| if low[i] < value[i] && value[i] < high[i] { kept[i] } else { 0.0 })
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
        let at = |i: usize| if i.is_multiple_of(2) { even[i / 2] } else { odd[i / 2] };
        (std::array::from_fn(at), std::array::from_fn(|i| at(WIDTH + i)))
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
