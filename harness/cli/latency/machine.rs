//! What this machine says about itself.

use anyhow::Result;
use evidence::{Machine, Snapshot, cpu_model, load_average};
use runtime::Provider;

/// The machine, and how models run on it.
///
/// Errors: ONNX Runtime can't be loaded, or the provider is not available.
pub(super) fn machine(provider: Provider, threads: u32, batch: u32) -> Result<Machine> {
    let identity = runtime::identity(provider)?;
    let frequency = |name: &str| read(&format!("/sys/devices/system/cpu/cpu0/cpufreq/{name}"));
    let kilohertz = frequency("cpuinfo_max_freq").and_then(|text| text.parse::<f64>().ok());
    // Windows says it in the environment, other systems not in a file.
    let processor = read("/proc/cpuinfo").and_then(|text| cpu_model(&text));
    Ok(Machine {
        processor: processor.or_else(|| std::env::var("PROCESSOR_IDENTIFIER").ok()),
        cpus: std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get) as u64,
        os: std::env::consts::OS.to_owned(),
        arch: std::env::consts::ARCH.to_owned(),
        governor: frequency("scaling_governor"),
        max_mhz: kilohertz.filter(|khz| khz.is_finite()).map(|khz| khz / 1000.0),
        provider: identity.provider,
        device: identity.device,
        onnxruntime: identity.onnxruntime,
        threads: threads.into(),
        batch: batch.into(),
    })
}

/// What the system counts now; only Linux says it.
pub(super) fn snapshot() -> Option<Snapshot> {
    Snapshot::parse(&read("/proc/stat")?, &read("/proc/self/stat")?)
}

/// The load average over a minute; only Linux says it in a file.
pub(super) fn load() -> Option<f64> {
    load_average(&read("/proc/loadavg")?)
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty())
}
