use std::time::Duration;

/// A clock that never goes back. It is a trait so that everything above it is tested with exact numbers.
pub trait Clock {
    /// The time since a moment that stays the same.
    fn now(&mut self) -> Duration;
}
