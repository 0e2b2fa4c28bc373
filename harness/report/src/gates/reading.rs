//! From a metric of a model to its number: one function that says where each stands in the results.

use evidence::{
    AttackResult, Bound, Flag, Gate, Interval, Latency, Metric, ModelResult, Names, RowSet, clopper_pearson,
};

use crate::text::bound_name;

/// What was measured.
pub(super) struct Reading<'a> {
    /// The number.
    pub(super) value: f64,
    /// What the limits come from: rows that count out of all rows, of each class where the number is the least of several; none
    /// where there is no interval.
    counts: Vec<(u64, u64)>,
    /// What it is, in a few words: `312 of 1000 rows; an upper bound found by search`.
    pub(super) about: String,
    /// What the number says about the truth.
    pub(super) bound: Bound,
    /// Flags for which a number that is good enough is not to be trusted.
    pub(super) doubts: Vec<Flag>,
    /// Which rows count, where models can be compared row by row.
    pub(super) rows: Option<&'a RowSet>,
}

impl Reading<'_> {
    /// The confidence interval; `None` where there is none. Of several counts, all of which it covers at once, the least.
    pub(super) fn interval(&self, confidence: f64) -> Option<Interval> {
        let each = 1.0 - (1.0 - confidence) / self.counts.len().max(1) as f64;
        let all = self.counts.iter().map(|&(some, all)| clopper_pearson(some, all, each));
        all.reduce(|a, b| Interval { low: a.low.min(b.low), high: a.high.min(b.high) })
    }
}

/// The number that a gate asks about. Errors: the results do not have it, or contradict themselves.
pub(super) fn read<'a>(gate: &Gate, model: &'a ModelResult, latency: &'a [Latency]) -> Result<Reading<'a>, String> {
    let cost = || {
        let missing = "its memory was not worked out\nhint: run the suite again, which works it out";
        model.cost.as_ref().ok_or_else(|| missing.to_owned())
    };
    match gate.metric {
        Metric::CleanAccuracy => {
            share(model.correct, model.total, "counted by the judge", Bound::Exact, Some(&model.correct_rows))
        }
        Metric::RobustAccuracy => {
            let attack = attack(gate, model)?;
            let mut reading =
                share(attack.robust, attack.total, &found(attack.bound), attack.bound, Some(&attack.robust_rows))?;
            reading.doubts = model.inconclusive.iter().chain(&attack.inconclusive).copied().collect();
            Ok(reading)
        }
        Metric::WorstCase => {
            let worst = model.worst_case.as_ref().ok_or("it was not attacked")?;
            let mut reading =
                share(worst.robust, worst.total, &found(worst.bound), worst.bound, Some(&worst.robust_rows))?;
            reading.doubts = worst_doubts(model);
            Ok(reading)
        }
        Metric::WorstClassAccuracy => worst_class(gate, model),
        Metric::CorruptedAccuracy => corrupted(gate, model),
        Metric::Probe => probe(gate, model),
        Metric::Macs => count(model.macs, "convolutions and dense layers"),
        Metric::Params => count(model.parameters, "elements of all initializers"),
        Metric::WeightBytes => count(Some(cost()?.weight_bytes), "bytes, in the types of the file"),
        Metric::Int8Bytes => count(Some(cost()?.int8_bytes), "bytes, of a float file those of its int8 form"),
        Metric::PeakMemoryBytes => {
            let bytes = cost()?.activations.file_order_bytes;
            count(Some(bytes), "bytes, a byte an element; no allocator needs less")
        }
        Metric::LatencyRatio => ratio(gate, model, latency),
        Metric::Flags => Err("flags are no number".to_owned()),
    }
}

/// The attack that a gate names.
pub(super) fn attack<'a>(gate: &Gate, model: &'a ModelResult) -> Result<&'a AttackResult, String> {
    let name = gate.of.as_deref().unwrap_or_default();
    let found = model.attacks.iter().find(|attack| attack.name == name);
    found.ok_or_else(|| format!("it was not attacked with `{name}`"))
}

fn found(bound: Bound) -> String {
    match bound {
        Bound::Upper => "an upper bound found by search".to_owned(),
        other => bound_name(other).to_owned(),
    }
}

fn share<'a>(some: u64, all: u64, says: &str, bound: Bound, rows: Option<&'a RowSet>) -> Result<Reading<'a>, String> {
    if all == 0 || some > all || rows.is_some_and(|rows| !rows.is_empty() && (rows.rows(), rows.count()) != (all, some))
    {
        return Err(format!("its results contradict themselves: {some} of {all} rows"));
    }
    let about = format!("{some} of {all} rows; {says}");
    let value = some as f64 / all as f64;
    Ok(Reading { value, counts: vec![(some, all)], about, bound, doubts: Vec::new(), rows })
}

/// The worst case is what the attack that leaves the fewest rows is worth: its doubts, unless one without doubts leaves as few.
fn worst_doubts(model: &ModelResult) -> Vec<Flag> {
    let fewest = model.attacks.iter().map(|attack| attack.robust).min();
    let strongest = || model.attacks.iter().filter(|attack| Some(attack.robust) == fewest);
    let doubted = strongest().map(|attack| &attack.inconclusive);
    let trusted = strongest().any(|attack| attack.inconclusive.is_empty());
    let mut doubts: Vec<Flag> = model.inconclusive.clone();
    doubts.extend(doubted.filter(|_| !trusted).flatten());
    doubts.sort();
    doubts.dedup();
    doubts
}

fn worst_class<'a>(gate: &Gate, model: &'a ModelResult) -> Result<Reading<'a>, String> {
    let mut classes = Vec::new();
    for class in model.classes.iter().filter(|class| class.total > 0) {
        let counted = if gate.robust { class.robust } else { Some(class.correct) };
        let counted = counted.ok_or("it was not attacked")?;
        if counted > class.total {
            return Err(format!("its results contradict themselves: {counted} of {} rows", class.total));
        }
        classes.push((&class.name, counted, class.total));
    }
    let rate = |&(_, some, all): &(&String, u64, u64)| some as f64 / all as f64;
    let least = classes.iter().min_by(|a, b| rate(a).total_cmp(&rate(b)));
    let Some(least) = least else {
        return Err(
            "its report does not say how its classes fare\nhint: run the suite again with this version".to_owned()
        );
    };
    let (name, some, all) = least;
    let (bound, says) = match gate.robust {
        true => (Bound::Upper, found(Bound::Upper)),
        false => (Bound::Exact, "counted by the judge".to_owned()),
    };
    Ok(Reading {
        value: rate(least),
        counts: classes.iter().map(|&(_, some, all)| (some, all)).collect(),
        about: format!(
            "class `{name}`, {some} of {all} rows; {says}; the limits hold for all {} classes at once",
            classes.len()
        ),
        bound,
        doubts: if gate.robust { worst_doubts(model) } else { Vec::new() },
        rows: None,
    })
}

fn corrupted<'a>(gate: &Gate, model: &ModelResult) -> Result<Reading<'a>, String> {
    let all = model.corruptions.as_ref().ok_or("it was not run on corrupted rows")?;
    let Some(name) = &gate.of else {
        let cells: usize = all.corruptions.iter().map(|one| one.severities.len()).sum();
        return finite(all.mean_accuracy, format!("the mean over {cells} corruptions and severities"), Bound::Exact);
    };
    let one =
        all.corruptions.iter().find(|one| one.name == *name).ok_or_else(|| format!("it was not run on `{name}`"))?;
    finite(one.mean_accuracy, format!("the mean over {} severities of {name}", one.severities.len()), Bound::Exact)
}

fn probe<'a>(gate: &Gate, model: &ModelResult) -> Result<Reading<'a>, String> {
    let name = gate.of.as_deref().unwrap_or_default();
    let probe = model.probes.iter().find(|probe| probe.name == name);
    let probe = probe.ok_or_else(|| format!("it was not probed with `{name}`"))?;
    if probe.bound == Bound::Estimate {
        return Err(format!("`{name}` is an estimate, and no gate may rest on an estimate"));
    }
    let mean = probe.mean.ok_or_else(|| format!("`{name}` has no value on any row"))?;
    let says = bound_name(probe.bound);
    finite(
        mean,
        format!("the mean over {} of {} rows, {}; {says}", probe.measured, probe.total, probe.units),
        probe.bound,
    )
}

fn ratio<'a>(gate: &Gate, model: &ModelResult, latency: &[Latency]) -> Result<Reading<'a>, String> {
    let name = gate.of.as_deref().unwrap_or_default();
    let missing = || {
        format!(
            "the report has no observed latency `{name}` of it\nhint: run the suite again; observations.json keeps them"
        )
    };
    let measured = latency.iter().find(|one| one.name == name).ok_or_else(missing)?;
    let own = measured.models.iter().find(|one| one.model == model.name).ok_or_else(missing)?;
    let ratio = own.ratio.as_ref().ok_or_else(missing)?;
    let reference = measured.reference.as_deref().unwrap_or("the reference");
    let flags: Vec<&str> = measured.flags.iter().chain(&own.flags).map(|flag| flag.doc().name).collect();
    let flags = if flags.is_empty() { String::new() } else { format!("; flags: {}", flags.join(", ")) };
    let about = format!(
        "times {reference}, the median over {} windows of one machine, {:.3} to {:.3}{flags}",
        own.windows.len(),
        ratio.min,
        ratio.max
    );
    finite(ratio.median, about, Bound::Exact)
}

fn count<'a>(count: Option<u64>, about: &str) -> Result<Reading<'a>, String> {
    let count = count.ok_or("it was not counted\nhint: run the suite again, which counts it")?;
    finite(count as f64, about.to_owned(), Bound::Exact)
}

fn finite<'a>(value: f64, about: String, bound: Bound) -> Result<Reading<'a>, String> {
    match value.is_finite() {
        true => Ok(Reading { value, counts: Vec::new(), about, bound, doubts: Vec::new(), rows: None }),
        false => Err(format!("what was measured is {value}")),
    }
}

/// The flags that are raised among those that must be absent, each with where and how many rows.
pub(super) fn raised(gate: &Gate, model: &ModelResult, wanted: &[Flag]) -> Result<Vec<(Flag, String, u64)>, String> {
    let mut sources: Vec<(String, &std::collections::BTreeMap<Flag, u64>)> = Vec::new();
    match (gate.metric.doc().names, &gate.of) {
        (Names::MaybeAttack, Some(name)) => sources.push((format!("under {name}"), &attack(gate, model)?.flags)),
        _ => {
            sources.push(("before any attack".to_owned(), &model.flags));
            sources.extend(model.attacks.iter().map(|attack| (format!("under {}", attack.name), &attack.flags)));
            sources.extend(model.probes.iter().map(|probe| (format!("under {}", probe.name), &probe.flags)));
        }
    }
    let each = sources.iter().flat_map(|(place, flags)| {
        flags
            .iter()
            .filter(|(flag, rows)| wanted.contains(flag) && **rows > 0)
            .map(|(flag, rows)| (*flag, place.clone(), *rows))
    });
    Ok(each.collect())
}
