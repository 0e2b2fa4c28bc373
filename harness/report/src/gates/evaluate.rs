use std::collections::BTreeMap;

use evidence::{
    Bound, CONFIDENCE, Decision, Flag, Gate, GateResult, GateVerdict as Verdict, Latency, Limit, MaxDrop, Metric,
    ModelResult, On, Paired, Results, Rule,
};

use super::words::{exact, percent, points, value};
use super::{baseline, reading};
use crate::Error;

/// What gates are held against.
#[derive(Debug, Clone, Copy)]
pub struct Subject<'a> {
    /// The results that are judged.
    pub results: &'a Results,
    /// Latencies that were observed.
    pub latency: &'a [Latency],
    /// The results of other reports, by the names that gates have for them.
    pub baselines: &'a BTreeMap<String, Results>,
}

/// The verdict of gates that stand in `file`: each on each of its models, in their order.
///
/// Errors: [`Error::Gate`] where a gate cannot be judged: what it asks about was not measured, or its baseline was measured in
/// another way.
pub fn evaluate(gates: &[Gate], file: &str, subject: &Subject<'_>) -> Result<Verdict, Error> {
    let mut results = Vec::new();
    for gate in gates {
        for name in &gate.models {
            let model = subject.results.models.iter().find(|model| model.name == *name);
            let model = model.ok_or_else(|| "the report does not have it".to_owned());
            let outcome = model.and_then(|model| one(gate, model, subject)).map_err(Error::gate(gate, name, file))?;
            results.push(GateResult {
                gate: gate.to_string(),
                metric: gate.metric.id().to_owned(),
                model: name.clone(),
                decision: outcome.decision,
                message: outcome.message,
                measured: outcome.measured,
                ci_low: outcome.limits.map(|(low, _)| low),
                ci_high: outcome.limits.map(|(_, high)| high),
                threshold: outcome.threshold,
                p: outcome.p,
                file: file.to_owned(),
                line: gate.line,
            });
        }
    }
    Ok(Verdict::of(&subject.results.suite, results))
}

/// How one gate ends on one model.
struct Outcome {
    decision: Decision,
    message: String,
    measured: Option<f64>,
    limits: Option<(f64, f64)>,
    threshold: Option<f64>,
    p: Option<f64>,
}

fn one(gate: &Gate, model: &ModelResult, subject: &Subject<'_>) -> Result<Outcome, String> {
    match &gate.rule {
        Rule::AtLeast(limit) => held(gate, model, subject, limit, true),
        Rule::AtMost(limit) => held(gate, model, subject, limit, false),
        Rule::MaxDrop(drop) => dropped(gate, model, subject, drop),
        Rule::Absent(flags) => absent(gate, model, flags),
    }
}

/// A number against a threshold that it must reach (`least`) or not exceed.
fn held(
    gate: &Gate,
    model: &ModelResult,
    subject: &Subject<'_>,
    limit: &Limit,
    least: bool,
) -> Result<Outcome, String> {
    let reading = reading::read(gate, model, subject.latency)?;
    let interval = reading.interval(limit.confidence.unwrap_or(CONFIDENCE));
    let good = |value: f64| if least { value >= limit.threshold } else { value <= limit.threshold };
    // The strict limit is the one on the side of the threshold; only it can show that a gate holds.
    let (decision, why) = match (limit.on, interval) {
        (On::CiLow | On::CiHigh, None) => return Err("it has no confidence interval".to_owned()),
        (On::CiLow | On::CiHigh, Some(interval)) if interval.low.is_nan() || interval.high.is_nan() => {
            return Err("its interval cannot be worked out at this confidence\nhint: ask for less".to_owned());
        }
        (On::Point, _) => (decided(good(reading.value)), String::new()),
        (on, Some(interval)) => {
            let asked = if on == On::CiLow { interval.low } else { interval.high };
            let far = if least { interval.high } else { interval.low };
            match (good(asked), (on == On::CiLow) == least, good(far)) {
                (true, true, _) => (Decision::Pass, String::new()),
                (true, false, _) => (Decision::Pass, LENIENT.to_owned()),
                (false, true, true) => (Decision::Inconclusive, UNDECIDED.to_owned()),
                (false, ..) => (Decision::Fail, String::new()),
            }
        }
    };
    let (sign, what) = if least { ("at least", "≥") } else { ("at most", "≤") };
    let threshold = value(gate.metric, limit.threshold);
    let asked = match limit.on {
        On::Point => format!("asked is {sign} {threshold}"),
        On::CiLow => format!("asked is a lower limit {what} {threshold}"),
        On::CiHigh => format!("asked is an upper limit {what} {threshold}"),
    };
    let told = interval.map_or(String::new(), |interval| {
        let confidence = percent(limit.confidence.unwrap_or(CONFIDENCE));
        format!(", {confidence} limits {} to {}", value(gate.metric, interval.low), value(gate.metric, interval.high))
    });
    let (decision, doubt) = trusted(decision, least, &reading.doubts);
    let proof = if decision == Decision::Pass { searched(reading.bound, least) } else { "" };
    let measured = value(gate.metric, reading.value);
    let advice = if decision == Decision::Fail { advice(gate, model) } else { String::new() };
    Ok(Outcome {
        decision,
        message: format!("measured {measured}{told} ({}); {asked}{why}{doubt}{proof}{advice}", reading.about),
        measured: Some(reading.value),
        limits: interval.map(|interval| (interval.low, interval.high)),
        threshold: Some(limit.threshold),
        p: None,
    })
}

const LENIENT: &str = ". This limit is the lenient one: passing does not show that the threshold is met, only that missing it is not shown";
const BASELINE_DOUBTED: &str = ". The search on the baseline is not to be trusted, so its own number may be lower";

fn names(flags: &[Flag]) -> String {
    flags.iter().map(|flag| flag.name()).collect::<Vec<_>>().join(", ")
}

const UNDECIDED: &str = ". The threshold lies between the limits, so neither is shown: more samples would tell";

fn decided(good: bool) -> Decision {
    if good { Decision::Pass } else { Decision::Fail }
}

/// A number that is good enough is not believed where a search cannot be trusted. What fails stays: a better search finds more.
fn trusted(decision: Decision, least: bool, doubts: &[Flag]) -> (Decision, String) {
    if decision != Decision::Pass || !least || doubts.is_empty() {
        return (decision, String::new());
    }
    let each = doubts.iter().map(|flag| {
        let doc = Flag::DOCS.iter().find(|doc| doc.flag == *flag);
        format!("{}: {}", flag.name(), doc.map_or("", |doc| doc.advice))
    });
    let each: Vec<String> = each.collect();
    let text = ". It would pass, but the search is not to be trusted, and the truth may lie far below";
    (Decision::Inconclusive, format!("{text} ({})", each.join("; ")))
}

/// What a pass does not show, where the number bounds the truth from the wrong side.
fn searched(bound: Bound, least: bool) -> &'static str {
    match (bound, least) {
        (Bound::Upper, true) => ". A stronger attack may find less",
        (Bound::Lower, false) => ". A stronger search may find more",
        _ => "",
    }
}

/// What to do about a gate that fails.
fn advice(gate: &Gate, model: &ModelResult) -> String {
    match gate.metric {
        Metric::RobustAccuracy | Metric::WorstCase => {
            format!(". `tinyassay attack show REPORT --model {}` lists what broke it", model.name)
        }
        Metric::Macs | Metric::Params | Metric::WeightBytes | Metric::Int8Bytes | Metric::PeakMemoryBytes => {
            format!(". `tinyassay model profile {}` shows which layers cost it", model.name)
        }
        Metric::LatencyRatio => ". Latency drifts: measure again on an idle machine before you believe it".to_owned(),
        _ => String::new(),
    }
}

/// A model against its baseline on the same rows.
fn dropped(gate: &Gate, model: &ModelResult, subject: &Subject<'_>, drop: &MaxDrop) -> Result<Outcome, String> {
    let other = baseline::find(gate, drop, &model.name, subject.results, subject.baselines)?;
    let own = reading::read(gate, model, subject.latency)?;
    let before =
        reading::read(gate, other, subject.latency).map_err(|reason| format!("of {}: {reason}", drop.baseline))?;
    let rows = |reading: &reading::Reading<'_>, whose: &str| match reading.rows.filter(|rows| !rows.is_empty()) {
        Some(rows) => Ok(rows.clone()),
        None => Err(format!("{whose} does not say which rows these are\nhint: run its suite again with this version")),
    };
    let pair = Paired::of(&rows(&before, &drop.baseline.to_string())?, &rows(&own, "the report")?);
    let pair = pair.ok_or_else(|| format!("{} is about another number of rows", drop.baseline))?;
    let interval = pair.tango(drop.confidence);
    let (decision, why) = if interval.high <= drop.allowed {
        (Decision::Pass, "")
    } else if interval.low > drop.allowed {
        (Decision::Fail, "")
    } else {
        (Decision::Inconclusive, UNDECIDED)
    };
    let (decision, doubt) = trusted(decision, true, &own.doubts);
    // A better search on the baseline would find it weaker, and the drop smaller.
    let (decision, doubt) = match decision == Decision::Fail && !before.doubts.is_empty() {
        true => (Decision::Inconclusive, format!("{doubt}{BASELINE_DOUBTED}: {}", names(&before.doubts))),
        false => (decision, doubt),
    };
    let (p, name) = (pair.mcnemar(), &drop.baseline);
    let message = format!(
        "measured {}, {} of {name}: a drop of {} percentage points, {} limits {} to {} ({} rows only the baseline gets, {} only this model, of {}; McNemar's p \
         = {}); asked is an upper limit ≤ {}{why}{doubt}{}",
        percent(own.value),
        percent(before.value),
        points(pair.difference()),
        percent(drop.confidence),
        points(interval.low),
        points(interval.high),
        pair.only_a,
        pair.only_b,
        pair.rows(),
        exact_p(p),
        points(drop.allowed),
        if decision == Decision::Fail { advice(gate, model) } else { String::new() },
    );
    Ok(Outcome {
        decision,
        message,
        measured: Some(pair.difference()),
        limits: Some((interval.low, interval.high)),
        threshold: Some(drop.allowed),
        p: Some(p),
    })
}

/// Three digits of a p-value.
fn exact_p(p: f64) -> String {
    if p < 1e-3 { format!("{p:.2e}") } else { exact((p * 1e3).round() / 1e3) }
}

fn absent(gate: &Gate, model: &ModelResult, wanted: &[Flag]) -> Result<Outcome, String> {
    let raised = reading::raised(gate, model, wanted)?;
    let each = raised.iter().map(|(flag, place, rows)| {
        let doc = Flag::DOCS.iter().find(|doc| doc.flag == *flag);
        format!("{} on {rows} rows {place} (do: {})", flag.name(), doc.map_or("", |doc| doc.advice))
    });
    let each: Vec<String> = each.collect();
    let asked = match wanted.len() == Flag::DOCS.len() {
        true => "that no flag is raised".to_owned(),
        false => {
            format!("that none of these is raised: {}", wanted.iter().map(|f| f.name()).collect::<Vec<_>>().join(", "))
        }
    };
    let message = match each.is_empty() {
        true => format!("none is raised; asked is {asked}"),
        false => format!("raised: {}; asked is {asked}", each.join("; ")),
    };
    let decision = decided(raised.is_empty());
    Ok(Outcome { decision, message, measured: None, limits: None, threshold: None, p: None })
}
