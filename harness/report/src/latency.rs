//! Latencies: for the terminal, and as the last section of a report. They are observations of one machine and no results.

use evidence::{EarlyStopping, Latency, LatencyFlag, Machine, ModelLatency, Protocol};
use tabled::builder::Builder;
use tabled::settings::formatting::AlignmentStrategy;
use tabled::settings::object::Columns;
use tabled::settings::{Alignment, Style};

use crate::text::{markdown, number, plain, table};

/// Measurements of latency for a terminal, each a table with what it was measured on. Nothing without measurements.
pub fn latency(measured: &[Latency]) -> String {
    measured.iter().map(terminal).collect()
}

/// The section of a report, with its heading. `None` without measurements.
pub(crate) fn section(measured: &[Latency]) -> Option<String> {
    let texts: Vec<String> = measured.iter().map(one_section).collect();
    (!texts.is_empty()).then(|| format!("## Observed on one machine\n\n{OBSERVED}\n\n{}", texts.join("\n\n")))
}

const OBSERVED: &str = "\
No part of the results, and other numbers elsewhere or on another day; they are in `observations.json`. **Latency** is that of one \
inference of the registered file at batch 1 on one sample: a second over the median, over windows, of inferences a second. Making the \
input and reading the output are not timed. **p50**, **p90** and **p99** are percentiles of all inferences by LoadGen's definition; \
**p90 ≤** and **p99 ≤** are its early-stopping estimates: upper confidence limits (99 %) that take inferences for independent. \
**Spread** is how far the fastest and the slowest window are apart, relative to the median. Models take turns, window by window, and a \
**ratio** to the reference is the median over rounds, with the smallest and the largest; **of p50** is that of the medians of all \
inferences, in which interruptions by other processes do not show. This follows MLPerf Tiny's protocol where no \
flag says otherwise, and is no MLPerf result: that needs their runner and a device.";

const LEGEND: &str = "Latency: of one inference, by the median window. Below a percentile its early-stopping estimate, an upper confidence\n\
                      limit (99 %). Observed on this machine; no part of results.\n";

fn terminal(measured: &Latency) -> String {
    let mut table = Builder::default();
    let ratio = measured.reference.as_ref().map(|reference| format!("times\n{}", plain(reference)));
    let header = ["model", "latency", "p50", "p90", "p99", "inferences/s", "spread"].map(str::to_owned);
    table.push_record(header.into_iter().chain(ratio).chain(["flags".to_owned()]));
    for model in &measured.models {
        let percentile = |ns: u64, of: f64| {
            let estimate = estimate(model, of).map(|text| format!("\n{text}")).unwrap_or_default();
            time(ns as f64) + &estimate
        };
        let cells = [
            plain(&model.model),
            time(model.latency_ns),
            time(model.p50_ns as f64),
            percentile(model.p90_ns, 0.9),
            percentile(model.p99_ns, 0.99),
            number(model.inferences_per_second),
            spread(model),
        ];
        let ratio = measured.reference.as_ref().map(|_| {
            let of_p50 = model.ratio.map(|_| format!("\np50 {}", p50_ratio(model))).unwrap_or_default();
            ratio_text(model).replacen(" (", "\n(", 1) + &of_p50
        });
        table.push_record(cells.into_iter().chain(ratio).chain([names(&model.flags, "\n")]));
    }
    let mut table = table.build();
    let columns = 7 + usize::from(measured.reference.is_some());
    table.with(Style::rounded()).modify(Columns::new(1..columns), (Alignment::right(), AlignmentStrategy::PerLine));
    let flags: String = raised(measured).map(|flag| format!("{}: {}\n", flag.doc().name, flag.doc().about)).collect();
    let (name, how, on, idle) =
        (plain(&measured.name), protocol(measured.protocol), machine(&measured.machine), idleness(measured));
    format!("{name}: {how}\non {on}\n{idle}\ninput: {}\n{table}\n{LEGEND}{flags}", plain(&measured.input))
}

fn one_section(measured: &Latency) -> String {
    let mut header =
        vec!["model", "latency", "p50", "p90", "p90 ≤", "p99", "p99 ≤", "inferences/s", "inferences", "spread"];
    header.extend(measured.reference.iter().flat_map(|_| ["ratio", "of p50"]));
    header.push("flags");
    let rows = measured.models.iter().map(|model| {
        let limit = |of: f64| estimate(model, of).unwrap_or("–".into()).replace("≤ ", "");
        let mut cells = vec![
            model.model.clone(),
            time(model.latency_ns),
            time(model.p50_ns as f64),
            time(model.p90_ns as f64),
            limit(0.9),
            time(model.p99_ns as f64),
            limit(0.99),
            number(model.inferences_per_second),
            model.inferences.to_string(),
            spread(model),
        ];
        cells.extend(measured.reference.iter().flat_map(|_| [ratio_text(model), p50_ratio(model)]));
        cells.push(names(&model.flags, ", "));
        cells
    });
    let reference = measured.reference.as_ref().map(|name| format!(" Ratios are to {}.", markdown(name)));
    let flags: Vec<String> = raised(measured)
        .map(|flag| {
            let (doc, whole) = (flag.doc(), if measured.flags.contains(&flag) { " (of all)" } else { "" });
            format!("\n- **{}**{whole}: {}.", doc.name, doc.about)
        })
        .collect();
    let gap = if flags.is_empty() { "" } else { "\n" };
    format!(
        "**{}.** {}, on {}; {}. The input was {}.{}\n\n{}{gap}{}",
        markdown(&measured.name),
        protocol(measured.protocol),
        markdown(&machine(&measured.machine)),
        idleness(measured),
        markdown(&measured.input),
        reference.unwrap_or_default(),
        table(&header, rows),
        flags.concat()
    )
}

/// `12.50 µs`.
pub(crate) fn time(nanoseconds: f64) -> String {
    match nanoseconds {
        ns if ns >= 1e9 => format!("{} s", number(ns / 1e9)),
        ns if ns >= 1e6 => format!("{} ms", number(ns / 1e6)),
        ns => format!("{} µs", number(ns / 1e3)),
    }
}

/// An early-stopping estimate, or what is lacking.
fn estimate(model: &ModelLatency, percentile: f64) -> Option<String> {
    let found: &EarlyStopping = model.early_stopping.iter().find(|estimate| estimate.percentile == percentile)?;
    Some(match found.estimate_ns {
        Some(ns) => format!("≤ {}", time(ns as f64)),
        None => format!("needs {}", found.queries_needed),
    })
}

fn spread(model: &ModelLatency) -> String {
    format!("{:.1} %", 100.0 * model.spread)
}

/// `2.000 (1.990–2.010)`; the reference itself has none.
fn ratio_text(model: &ModelLatency) -> String {
    let text =
        |ratio: evidence::Ratio| format!("{} ({}–{})", number(ratio.median), number(ratio.min), number(ratio.max));
    model.ratio.map_or("1".into(), text)
}

fn p50_ratio(model: &ModelLatency) -> String {
    model.ratio.map_or("1".into(), |ratio| number(ratio.p50))
}

pub(crate) fn protocol(protocol: Protocol) -> String {
    let Protocol { windows, seconds, iterations, warm_ups } = protocol;
    let some = |count: u64, one: &str| format!("{count} {one}{}", if count == 1 { "" } else { "s" });
    format!(
        "{} of at least {seconds} s and {} each, after {}",
        some(windows.into(), "window"),
        some(iterations, "inference"),
        some(warm_ups.into(), "warm-up")
    )
}

pub(crate) fn machine(machine: &Machine) -> String {
    let threads = if machine.threads == 1 { "1 thread".to_owned() } else { format!("{} threads", machine.threads) };
    let governor = machine.governor.as_ref().map(|governor| format!(", governor {governor}"));
    let frequency = machine.max_mhz.map(|mhz| format!(", at most {mhz:.0} MHz"));
    let device = machine.device.as_ref().map(|device| format!(" ({device})"));
    plain(&format!(
        "{}, {} processors{}{}, {} {}; ONNX Runtime {}, provider {}{}, {threads}, batch {}",
        machine.processor.as_deref().unwrap_or("an unknown processor"),
        machine.cpus,
        governor.unwrap_or_default(),
        frequency.unwrap_or_default(),
        machine.os,
        machine.arch,
        machine.onnxruntime,
        machine.provider,
        device.unwrap_or_default(),
        machine.batch,
    ))
}

/// `others kept 0.02 processors busy before and 0.00 meanwhile`.
pub(crate) fn idleness(measured: &Latency) -> String {
    let of = |busy: Option<evidence::Busy>| {
        busy.map_or("an unknown number of".to_owned(), |busy| format!("{:.2}", busy.others))
    };
    let (before, during) = (of(measured.idleness.before), of(measured.idleness.during));
    format!("other processes kept {before} processors busy just before, and {during} meanwhile")
}

/// Every flag of the measurement or of a model, once.
fn raised(measured: &Latency) -> impl Iterator<Item = LatencyFlag> {
    let all = measured.flags.iter().chain(measured.models.iter().flat_map(|model| &model.flags));
    let mut all: Vec<LatencyFlag> = all.copied().collect();
    all.sort();
    all.dedup();
    all.into_iter()
}

pub(crate) fn names(flags: &[LatencyFlag], between: &str) -> String {
    flags.iter().map(|flag| flag.doc().name).collect::<Vec<_>>().join(between)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::latency as sample;

    #[test]
    fn nothing_is_said_without_measurements() {
        assert_eq!((latency(&[]), section(&[])), (String::new(), None));
    }

    #[test]
    fn times_have_four_digits_and_a_unit() {
        let cases = [
            (2_500.0, "2.500 µs"),
            (999_900.0, "999.9 µs"),
            (12_345_678.0, "12.35 ms"),
            (1.5e9, "1.500 s"),
            (0.0, "0 µs"),
        ];
        for (nanoseconds, text) in cases {
            assert_eq!(time(nanoseconds), text);
        }
    }

    #[test]
    fn both_forms_say_what_was_measured_how_and_where() {
        let text = [latency(&[sample()]), section(&[sample()]).unwrap_or_default()];
        for text in text {
            for part in [
                "latency-2t",
                "2 windows of at least 0 s and 3 inferences each, after 1 warm-up",
                "A \u{fffd}processor, 2 processors, governor powersave, at most 2000 MHz, linux x86_64; ONNX Runtime 1.31.1, \
                 provider cpu, 2 threads, batch 1",
                "other processes kept 0.25 processors busy just before, and an unknown number of meanwhile",
                "row 0 of data set",
                "needs 64",
                "1.500 ms",
                "2.000",
                "1.900–2.100",
                "1.950",
                "66.7 %",
                LatencyFlag::Busy.doc().about,
                LatencyFlag::Unsteady.doc().about,
            ] {
                assert!(text.contains(part), "{part}\n{text}");
            }
            assert!(!text.contains(LatencyFlag::IdleUnknown.doc().about), "a flag that nobody raised: {text}");
        }
    }

    #[test]
    fn without_a_reference_there_are_no_ratios() {
        let mut alone = sample();
        alone.reference = None;
        alone.models.iter_mut().for_each(|model| model.ratio = None);
        let text = latency(&[alone.clone()]) + &section(&[alone]).unwrap_or_default();
        assert!(!text.contains("| ratio") && !text.contains("times"), "{text}");
    }
}
