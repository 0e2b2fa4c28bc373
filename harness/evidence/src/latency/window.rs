use super::{Clock, Protocol};
use std::time::Duration;

/// One window: inferences one after the other.
#[derive(Debug, Clone, PartialEq)]
pub struct Window {
    /// From the start of the first inference to the end of the last, reading the clock in between included.
    pub seconds: f64,
    /// Nanoseconds of each inference alone, in order. At least one.
    pub latencies: Vec<u64>,
}

/// Measures one window of `run`, which is one inference, after the protocol's warm-ups.
///
/// Errors: the first of `run`.
pub fn window<E>(
    protocol: Protocol,
    clock: &mut dyn Clock,
    run: &mut dyn FnMut() -> Result<(), E>,
) -> Result<Window, E> {
    for _ in 0..protocol.warm_ups {
        run()?;
    }
    let least = Duration::from_secs(protocol.seconds.into());
    let mut latencies = Vec::new();
    let start = clock.now();
    let mut before = start;
    loop {
        run()?;
        let end = clock.now();
        latencies.push(u64::try_from(end.saturating_sub(before).as_nanos()).unwrap_or(u64::MAX));
        let whole = end.saturating_sub(start);
        if whole >= least && latencies.len() as u64 >= protocol.iterations {
            return Ok(Window { seconds: whole.as_secs_f64(), latencies });
        }
        // Read anew, so that what stands between two inferences is nobody's latency.
        before = clock.now();
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::Mock;
    use super::*;

    fn protocol(seconds: u32, iterations: u64, warm_ups: u32) -> Protocol {
        Protocol { windows: 1, seconds, iterations, warm_ups }
    }

    /// A window ends with the first inference at which seconds and iterations are both reached.
    #[test]
    fn both_the_seconds_and_the_iterations_are_reached() {
        // Milliseconds of an inference, seconds, iterations: how many inferences.
        let table = [
            (250, 1, 1, 4),
            (250, 1, 10, 10),
            (300, 1, 1, 4),
            (5000, 10, 10, 10),
            (1, 10, 10, 10_000),
            (7, 0, 3, 3),
            (7, 0, 0, 1),
        ];
        for (ms, seconds, iterations, count) in table {
            let mock = Mock::default();
            let mut run = mock.takes(&[ms * 1_000_000]);
            let found = window(protocol(seconds, iterations, 0), &mut mock.clock(), &mut run).unwrap();
            assert_eq!(found.latencies, vec![ms * 1_000_000; count], "{ms} ms, {seconds} s, {iterations}");
            // Exact: whole milliseconds.
            assert_eq!((found.seconds * 1e3).round() as u64, ms * count as u64);
        }
    }

    #[test]
    fn warm_ups_are_made_and_not_counted() {
        let mock = Mock::default();
        let mut run = mock.takes(&[900, 800, 700, 5, 6, 7, 8]);
        let found = window(protocol(0, 4, 3), &mut mock.clock(), &mut run).unwrap();
        assert_eq!(found.latencies, [5, 6, 7, 8]);
        assert_eq!(found.seconds, Duration::from_nanos(26).as_secs_f64());
    }

    #[test]
    fn time_between_inferences_belongs_to_the_window_alone() {
        let mock = Mock::default();
        let mut run = mock.takes(&[100]);
        let found = window(protocol(0, 3, 0), &mut mock.clock_that_takes(10), &mut run).unwrap();
        // Each reading shows the time after it took 10: an inference has one reading inside.
        assert_eq!(found.latencies, [110; 3]);
        // The readings after the first start: three ends, and the starts of the second and the third.
        assert_eq!(found.seconds, Duration::from_nanos(3 * 110 + 2 * 10).as_secs_f64());
    }

    #[test]
    fn the_first_error_ends_it() {
        let mock = Mock::default();
        let mut left = 3;
        let mut run = || {
            left -= 1;
            if left == 0 { Err("broken") } else { Ok(()) }
        };
        assert_eq!(window(protocol(0, 10, 1), &mut mock.clock(), &mut run), Err("broken"));
        assert_eq!(left, 0);
    }
}
