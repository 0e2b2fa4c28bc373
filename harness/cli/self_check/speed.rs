//! How fast the provider is.

use super::net::{self, CLASSES, ROW};
use super::{labels, open, uniform};
use crate::table;
use anyhow::Result;
use runtime::{Device, Provider};
use serde::Serialize;
use std::time::{Duration, Instant};

/// Copying numbers to the provider's memory and back.
#[derive(Debug, Serialize)]
pub(super) struct Transfer {
    bytes: usize,
    to_device_seconds: f64,
    to_host_seconds: f64,
}

/// Images a second at one batch size; of the runs, the fastest.
#[derive(Debug, Serialize)]
pub(super) struct Speed {
    batch: usize,
    /// Seconds to open a session.
    open_seconds: f64,
    /// Seconds of the first run.
    first_seconds: f64,
    /// Gradients with inputs from the host and results to it.
    host_gradients_per_second: f64,
    /// Ascents whose inputs stay on the provider.
    resident_ascents_per_second: f64,
}

/// How long one number is measured.
const SPAN: Duration = Duration::from_millis(350);

/// The fastest of the runs that fit into [`SPAN`], at least two, in seconds.
pub(super) fn fastest(mut run: impl FnMut() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    let mut best = f64::INFINITY;
    let mut count = 0;
    while count < 2 || start.elapsed() < SPAN {
        let run_start = Instant::now();
        run()?;
        best = best.min(run_start.elapsed().as_secs_f64());
        count += 1;
    }
    Ok(best)
}

/// Copies of 64 KiB and of 16 MiB.
pub(super) fn transfers(provider: Provider) -> Result<Vec<Transfer>> {
    let device = Device::new(provider)?;
    let sizes = [16 << 10, 4 << 20];
    let transfers = sizes.into_iter().map(|count: usize| {
        let values = uniform(count, 5);
        let to_device_seconds = fastest(|| Ok(device.put("values", &[count], &values)?))?;
        let to_host_seconds = fastest(|| Ok(device.get("values").map(|_| ())?))?;
        Ok(Transfer { bytes: 4 * count, to_device_seconds, to_host_seconds })
    });
    let transfers: Vec<Transfer> = transfers.collect::<Result<_>>()?;
    for Transfer { bytes, to_device_seconds, to_host_seconds } in &transfers {
        let (to, from) = (1e6 * to_device_seconds, 1e6 * to_host_seconds);
        println!("{} KiB to the provider in {to:.0} us, to the host in {from:.0} us", bytes >> 10);
    }
    Ok(transfers)
}

/// Gradients and ascents at several batch sizes.
pub(super) fn measure(provider: Provider) -> Result<Vec<Speed>> {
    let batches: &[usize] = match provider {
        Provider::Cpu => &[8, 32],
        Provider::Cuda => &[8, 64, 256, 1024],
    };
    let speeds: Vec<Speed> = batches.iter().map(|&batch| at(provider, batch)).collect::<Result<_>>()?;
    let rows = speeds.iter().map(|speed| {
        [
            speed.batch.to_string(),
            format!("{:.2}", speed.open_seconds),
            format!("{:.2}", speed.first_seconds),
            format!("{:.0}", speed.host_gradients_per_second),
            format!("{:.0}", speed.resident_ascents_per_second),
        ]
    });
    let header = ["batch", "open s", "first run s", "gradients/s over the host", "resident ascents/s"];
    println!("{}", table::render(header, rows));
    Ok(speeds)
}

fn at(provider: Provider, batch: usize) -> Result<Speed> {
    let (x, weights) = (uniform(batch * ROW, 6), labels(batch));
    assert_eq!(weights.len(), batch * CLASSES);
    let start = Instant::now();
    let mut gradients = open(&net::gradient(batch)?, provider, &[])?;
    let open_seconds = start.elapsed().as_secs_f64();
    let start = Instant::now();
    gradients.run(&[("x", &x), ("weights", &weights)])?;
    let first_seconds = start.elapsed().as_secs_f64();
    let host = fastest(|| Ok(gradients.run(&[("x", &x), ("weights", &weights)]).map(|_| ())?))?;
    let mut ascents = open(&net::ascent(batch)?, provider, &[("x_next", "x")])?;
    let (lower, upper) = (vec![0.0; x.len()], vec![1.0; x.len()]);
    for (name, values) in [("x", &x), ("lower", &lower), ("upper", &upper), ("weights", &weights)] {
        ascents.set(name, values)?;
    }
    ascents.run(&[])?;
    let resident = fastest(|| Ok(ascents.run(&[]).map(|_| ())?))?;
    Ok(Speed {
        batch,
        open_seconds,
        first_seconds,
        host_gradients_per_second: batch as f64 / host,
        resident_ascents_per_second: batch as f64 / resident,
    })
}
