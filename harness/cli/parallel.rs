//! Work shared between threads, each with tools of its own.

use anyhow::Result;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

/// Runs `work` on every task, on `jobs` threads, each with its own tools, and hands every result to `finish` in the
/// thread that got it.
///
/// The order of tasks between threads is not defined; nothing that is kept may depend on it.
/// Errors: the first error of any thread; the others stop after their present task.
pub(crate) fn for_each<T: Sync, W, R: Send>(
    jobs: usize,
    tasks: &[T],
    tools: impl Fn() -> Result<W> + Sync,
    work: impl Fn(&mut W, &T) -> Result<R> + Sync,
    finish: impl Fn(usize, R) -> Result<()> + Sync,
) -> Result<()> {
    let next = AtomicUsize::new(0);
    let stop = AtomicBool::new(false);
    let failure = Mutex::new(None);
    let run = || -> Result<()> {
        let mut own = None;
        while !stop.load(Ordering::Relaxed) {
            let index = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(index) else { break };
            let own = match &mut own {
                Some(own) => own,
                None => own.insert(tools()?),
            };
            finish(index, work(own, task)?)?;
        }
        Ok(())
    };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(jobs.min(tasks.len().max(1))).build()?;
    pool.broadcast(|_| {
        if let Err(error) = run() {
            stop.store(true, Ordering::Relaxed);
            failure.lock().expect("no thread panics while it holds the lock").get_or_insert(error);
        }
    });
    failure.into_inner().expect("no thread panics while it holds the lock").map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::for_each;
    use std::sync::Mutex;

    #[test]
    fn every_task_is_done_once_whatever_the_threads() {
        for jobs in [1, 2, 7] {
            let tasks: Vec<usize> = (0..100).collect();
            let done = Mutex::new(vec![0; 100]);
            let finish = |index: usize, twice: usize| {
                assert_eq!(twice, 2 * index);
                done.lock().unwrap()[index] += 1;
                Ok(())
            };
            for_each(jobs, &tasks, || Ok(()), |(), task| Ok(2 * task), finish).unwrap();
            assert_eq!(done.into_inner().unwrap(), [1; 100]);
        }
    }

    #[test]
    fn an_error_in_any_place_is_the_outcome() {
        let tasks: Vec<usize> = (0..50).collect();
        let work = |(): &mut (), task: &usize| if *task == 30 { Err(anyhow::anyhow!("thirty")) } else { Ok(*task) };
        let error = for_each(2, &tasks, || Ok(()), work, |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "thirty");
        let tools = || -> anyhow::Result<()> { Err(anyhow::anyhow!("no tools")) };
        let error = for_each(2, &tasks, tools, |(), task| Ok(*task), |_, _| Ok(())).unwrap_err();
        assert_eq!(error.to_string(), "no tools");
    }
}
