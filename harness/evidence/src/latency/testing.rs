//! A clock that tests turn by hand.

use super::Clock;
use std::cell::Cell;
use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

/// The time that a clock and inferences share.
#[derive(Debug, Clone, Default)]
pub(crate) struct Mock(Rc<Cell<u64>>);

impl Mock {
    /// A clock that shows it.
    pub(crate) fn clock(&self) -> impl Clock + use<> {
        self.clock_that_takes(0)
    }

    /// A clock, reading which takes so many nanoseconds.
    pub(crate) fn clock_that_takes(&self, nanoseconds: u64) -> impl Clock + use<> {
        Hand { time: self.clone(), nanoseconds }
    }

    /// Inferences that take so many nanoseconds, again from the first after the last.
    pub(crate) fn takes(&self, nanoseconds: &[u64]) -> impl FnMut() -> Result<(), Infallible> + use<> {
        let (time, nanoseconds) = (self.clone(), nanoseconds.to_vec());
        let mut turn = 0;
        move || {
            time.0.set(time.0.get() + nanoseconds[turn % nanoseconds.len()]);
            turn += 1;
            Ok(())
        }
    }
}

struct Hand {
    time: Mock,
    nanoseconds: u64,
}

impl Clock for Hand {
    fn now(&mut self) -> Duration {
        self.time.0.set(self.time.0.get() + self.nanoseconds);
        Duration::from_nanos(self.time.0.get())
    }
}
