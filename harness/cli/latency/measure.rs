//! Models in turns, on a clock.

use super::machine;
use crate::progress;
use anyhow::{Context, Result};
use evidence::{Clock, Idleness, Latency, Protocol, Subject, observe, take_turns};
use runtime::{Provider, TimedModel};
use std::time::{Duration, Instant};
use suite::PlannedLatency;

/// How long the machine is watched before anything is measured.
const LOOK: Duration = Duration::from_millis(500);

/// What is to be measured, and on what.
pub(super) struct Wanted<'a> {
    pub(super) planned: &'a PlannedLatency,
    /// What the models are given, in words.
    pub(super) input: String,
    pub(super) provider: Provider,
}

/// The system's clock that never goes back.
struct Monotonic(Instant);

impl Clock for Monotonic {
    fn now(&mut self) -> Duration {
        self.0.elapsed()
    }
}

/// Measures models that are open. Between two windows a bar on standard error moves; nothing else of this process runs.
///
/// Errors: a model fails.
pub(super) fn measure(wanted: &Wanted<'_>, models: Vec<(String, TimedModel)>) -> Result<Latency> {
    let Wanted { planned, input, provider } = wanted;
    let protocol = protocol(planned);
    let machine = machine::machine(*provider, planned.threads, planned.batch)?;
    let load_average = machine::load();
    let before = machine::snapshot().and_then(|earlier| {
        std::thread::sleep(LOOK);
        machine::snapshot()?.since(&earlier)
    });
    let names: Vec<String> = models.iter().map(|(name, _)| name.clone()).collect();
    let reference = planned.reference.as_ref().and_then(|wanted| names.iter().position(|name| name == wanted));
    let mut subjects: Vec<Subject<'_, runtime::Error>> =
        (models.into_iter()).map(|(name, mut model)| Subject { name, run: Box::new(move || model.run()) }).collect();
    let bar = progress::windows(&planned.name, u64::from(planned.windows) * names.len() as u64);
    let start = machine::snapshot();
    let timed = take_turns(protocol, &mut Monotonic(Instant::now()), &mut subjects, reference, &mut |_| bar.inc(1));
    let end = machine::snapshot();
    bar.finish_and_clear();
    let timed = timed.context("failed to measure the latency")?;
    let during = start.zip(end).and_then(|(start, end)| end.since(&start));
    let idleness = Idleness { load_average, before, during };
    Ok(Latency {
        name: planned.name.clone(),
        protocol,
        machine,
        idleness,
        reference: planned.reference.clone(),
        input: input.clone(),
        models: observe(protocol, &names, &timed, reference),
        flags: idleness.flag().into_iter().collect(),
    })
}

fn protocol(planned: &PlannedLatency) -> Protocol {
    let PlannedLatency { windows, seconds, iterations, warm_ups, .. } = *planned;
    Protocol { windows, seconds, iterations, warm_ups }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_names_are_the_protocols_that_they_say() {
        let preset = |name: &str| PlannedLatency::preset(name).map(|planned| protocol(&planned));
        assert_eq!(preset("latency"), Some(Protocol::MLPERF_TINY));
        assert_eq!(preset("latency-quick"), Some(Protocol::QUICK));
        assert_eq!(preset("macs"), None);
    }
}
