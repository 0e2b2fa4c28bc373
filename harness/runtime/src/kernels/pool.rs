//! Tasks on several threads, their pieces of one result, and scratch memory.

use std::cell::RefCell;
use std::marker::PhantomData;

/// Threads that run tasks. Which thread runs which task must not change a result.
pub(super) trait Pool {
    /// Runs `task` for every number below `count`.
    fn each(&self, count: usize, task: &(dyn Fn(usize) + Sync));
}

/// Runs tasks that each write their own chunk of `result`.
pub(super) fn chunks(pool: &dyn Pool, result: &mut [f32], chunk: usize, task: &(dyn Fn(usize, &mut [f32]) + Sync)) {
    let len = result.len();
    let pieces = Pieces::new(result);
    pool.each(len.div_ceil(chunk.max(1)), &|index| {
        let start = index * chunk;
        #[allow(unsafe_code)]
        // SAFETY: Chunks of different tasks do not overlap, and every task runs once.
        task(index, unsafe { pieces.get(start, chunk.min(len - start)) });
    });
}

/// A result whose parts different tasks write.
pub(super) struct Pieces<'a> {
    start: *mut f32,
    len: usize,
    owner: PhantomData<&'a mut [f32]>,
}

#[allow(unsafe_code)]
// SAFETY: It is an exclusive borrow that `get` hands out in parts; its callers promise that they do not overlap.
unsafe impl Sync for Pieces<'_> {}

impl<'a> Pieces<'a> {
    pub(super) fn new(result: &'a mut [f32]) -> Self {
        Self { start: result.as_mut_ptr(), len: result.len(), owner: PhantomData }
    }

    /// # Safety
    /// No other part that overlaps this one may be alive.
    #[allow(unsafe_code, clippy::mut_from_ref)]
    pub(super) unsafe fn get(&self, start: usize, len: usize) -> &mut [f32] {
        assert!(start + len <= self.len, "a part of the result lies outside of it");
        // SAFETY: The part is inside the borrow, and the caller promises that it is borrowed once.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(start), len) }
    }
}

thread_local! {
    static SCRATCH: RefCell<Vec<Vec<f32>>> = const { RefCell::new(Vec::new()) };
}

/// Elements of a cache line.
const LINE: usize = 16;

/// Lends `N` buffers of at least the lengths that are asked for, which the thread keeps for the next time. They begin on
/// a cache line and hold what was left in them.
pub(super) fn scratch<const N: usize, R>(lens: [usize; N], work: impl FnOnce([&mut [f32]; N]) -> R) -> R {
    let mut buffers: [Vec<f32>; N] =
        SCRATCH.with_borrow_mut(|free| std::array::from_fn(|_| free.pop().unwrap_or_default()));
    for (buffer, len) in buffers.iter_mut().zip(lens) {
        if buffer.len() < len + LINE {
            // Without the old content, which growing would copy.
            *buffer = vec![0.0; len + LINE];
        }
    }
    let mut lens = lens.into_iter();
    let parts = buffers.each_mut().map(|buffer| {
        let start = buffer.as_ptr().align_offset(LINE * size_of::<f32>()).min(LINE);
        &mut buffer[start..][..lens.next().unwrap_or(0)]
    });
    let result = work(parts);
    // In the order that gives each its place again.
    SCRATCH.with_borrow_mut(|free| free.extend(buffers.into_iter().rev()));
    result
}

/// One task after the other.
#[cfg(test)]
pub(super) struct Serial;

#[cfg(test)]
impl Pool for Serial {
    fn each(&self, count: usize, task: &(dyn Fn(usize) + Sync)) {
        (0..count).for_each(task);
    }
}
