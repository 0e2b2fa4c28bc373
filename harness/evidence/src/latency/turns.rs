use super::{Clock, Distribution, Protocol, Window, WindowLatency, window};

/// What is measured: a name and one inference.
pub struct Subject<'a, E> {
    /// The model's name.
    pub name: String,
    /// One inference.
    pub run: Box<dyn FnMut() -> Result<(), E> + 'a>,
}

/// What was measured of one subject.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Timed {
    /// Its windows in the order of time.
    pub windows: Vec<WindowLatency>,
    /// The latencies of all its windows.
    pub latencies: Distribution,
}

/// Measures subjects in turns: in each of the protocol's rounds one window of every subject, `first` ahead of the others.
///
/// Returns one entry a subject, in their order. `done` is told after each window which subject it was of.
/// Errors: the first of any inference.
pub fn take_turns<E>(
    protocol: Protocol,
    clock: &mut dyn Clock,
    subjects: &mut [Subject<'_, E>],
    first: Option<usize>,
    done: &mut dyn FnMut(usize),
) -> Result<Vec<Timed>, E> {
    let others = (0..subjects.len()).filter(|subject| Some(*subject) != first);
    let order: Vec<usize> = first.into_iter().chain(others).collect();
    let mut timed = vec![Timed::default(); subjects.len()];
    for _ in 0..protocol.windows {
        for &subject in &order {
            let Window { seconds, latencies } = window(protocol, clock, &mut subjects[subject].run)?;
            let timed = &mut timed[subject];
            timed.windows.push(WindowLatency { iterations: latencies.len() as u64, seconds });
            timed.latencies.extend(latencies);
            done(subject);
        }
    }
    Ok(timed)
}

#[cfg(test)]
mod tests {
    use super::super::testing::Mock;
    use super::*;
    use std::convert::Infallible;

    #[test]
    fn every_round_has_one_window_of_each_and_the_reference_comes_first() {
        let mock = Mock::default();
        let subject = |name: &str, nanoseconds: &[u64]| Subject::<Infallible> {
            name: name.to_owned(),
            run: Box::new(mock.takes(nanoseconds)),
        };
        let mut subjects = [subject("a", &[5]), subject("b", &[7, 7, 7, 9, 9, 9]), subject("c", &[1])];
        let protocol = Protocol { windows: 2, seconds: 0, iterations: 2, warm_ups: 1 };
        let mut order = Vec::new();
        let mut done = |subject| order.push(subject);
        let timed = take_turns(protocol, &mut mock.clock(), &mut subjects, Some(1), &mut done).unwrap();
        assert_eq!(order, [1, 0, 2, 1, 0, 2]);
        let seconds = |of: &Timed| of.windows.iter().map(|w| (w.seconds * 1e9).round() as u64).collect::<Vec<_>>();
        assert_eq!(timed.iter().map(seconds).collect::<Vec<_>>(), [[10, 10], [14, 18], [2, 2]]);
        // The warm-ups of both rounds are left out: 7 7 and 9 9 are left.
        assert_eq!(
            (0..4).map(|at| timed[1].latencies.nth(at)).collect::<Vec<_>>(),
            [Some(7), Some(7), Some(9), Some(9)]
        );
        assert!(timed.iter().all(|timed| timed.latencies.len() == 4));
    }
}
