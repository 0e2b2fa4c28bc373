//! Gates held against what a plan, or a report, has.

use super::Measurable;
use super::document::GateForm;
use super::rule::{asked, key, naming, unknown};
use evidence::{Baseline, Bound, Gate, Metric, Names, Rule};
use registry::yaml::{Located, Problem};
use registry::{glob_matches, is_glob};

/// Every gate with its names resolved, in the order of the file.
pub(crate) fn resolve(entries: &[Located<GateForm>], known: &Measurable) -> Result<Vec<Gate>, Problem> {
    let mut gates: Vec<Gate> = Vec::new();
    for entry in entries {
        let gate = gate(entry, known).map_err(|problem| problem.at(entry.metric.place))?;
        let same = |other: &&Gate| other.to_string() == gate.to_string();
        let shared =
            gates.iter().filter(same).flat_map(|other| &other.models).find(|model| gate.models.contains(model));
        if let Some(model) = shared {
            return Err(Problem::new(format!("two gates ask for the same of `{model}`: {gate}"))
                .hint("take one of them out")
                .at(entry.metric.place));
        }
        gates.push(gate);
    }
    Ok(gates)
}

fn gate(entry: &Located<GateForm>, known: &Measurable) -> Result<Gate, Problem> {
    let (metric, rule) = asked(entry)?;
    let of = of(entry, metric, known)?;
    let guided = if metric == Metric::LatencyRatio { &known.latencies } else { &known.attacks };
    let guided = guided.iter().find(|(name, _)| Some(name) == of.as_ref());
    let apart = guided.and_then(|(_, model)| model.as_deref());
    // A model that a baseline of the same report is need not be compared with itself.
    let itself = match &rule {
        Rule::MaxDrop(drop) => baseline(entry, &drop.baseline, known)?,
        _ => None,
    };
    let models = models(entry, known, apart, itself)?;
    let robust = entry.robust.as_ref().is_some_and(|robust| robust.value);
    Ok(Gate { metric, of, robust, models, rule, line: entry.place.line as u64 })
}

/// The entry that a gate is about, which must be there.
fn of(entry: &GateForm, metric: Metric, known: &Measurable) -> Result<Option<String>, Problem> {
    let names = metric.doc().names;
    let (wanted, _) = key(names);
    let name = naming(entry).into_iter().find(|(key, _)| *key == wanted).and_then(|(_, name)| name);
    let found: Vec<&str> = match names {
        Names::Nothing => return of_nothing(metric, known),
        Names::Attack | Names::MaybeAttack => known.attacks.iter().map(|(name, _)| name.as_str()).collect(),
        Names::Probe => known.probes.iter().map(|(name, _)| name.as_str()).collect(),
        Names::MaybeCorruption => known.corruptions.iter().map(String::as_str).collect(),
        Names::MaybeLatency => return latency(name, known).map(Some),
    };
    if metric == Metric::CorruptedAccuracy && found.is_empty() {
        return Err(Problem::new("no corruption is run here").hint("add `corruptions: all` to the suite"));
    }
    let Some(name) = name else { return Ok(None) };
    if !found.contains(&name.as_str()) {
        return Err(unknown(name, wanted, &found));
    }
    if known
        .probes
        .iter()
        .any(|(probe, bound)| names == Names::Probe && *probe == name.value && *bound == Bound::Estimate)
    {
        return Err(Problem::new(format!(
            "probe `{}` is an estimate, and no gate may rest on an estimate",
            name.value
        ))
        .hint("ask about a probe that measures a bound, or about robust accuracy")
        .at(name.place));
    }
    Ok(Some(name.value.clone()))
}

fn of_nothing(metric: Metric, known: &Measurable) -> Result<Option<String>, Problem> {
    match metric == Metric::WorstCase && known.attacks.is_empty() {
        true => Err(Problem::new("no attack is run here, so there is no worst case")),
        false => Ok(None),
    }
}

/// The measurement of latency, which must have a reference.
fn latency(name: Option<&Located<String>>, known: &Measurable) -> Result<String, Problem> {
    let hint = "list one under `cost` of the suite, with `reference: NAME` in its long form";
    let referred: Vec<&str> =
        known.latencies.iter().filter(|(_, reference)| reference.is_some()).map(|(name, _)| name.as_str()).collect();
    match (name, &referred[..]) {
        (Some(name), _) if referred.contains(&name.as_str()) => Ok(name.value.clone()),
        (Some(name), _) if known.latencies.iter().any(|(latency, _)| *latency == name.value) => {
            Err(Problem::new(format!("latency `{}` is compared with no reference", name.value))
                .hint(hint)
                .at(name.place))
        }
        (Some(name), _) => Err(unknown(name, "latency", &referred)),
        (None, [only]) => Ok((*only).to_owned()),
        (None, []) => Err(Problem::new("no latency is measured here and compared with a reference").hint(hint)),
        (None, several) => Err(Problem::new("several latencies are compared with a reference")
            .hint(format!("say which, with `latency: NAME`; known here: {}", registry::yaml::list(several)))),
    }
}

/// The model of the same report that others are compared with; `None` where it is of another report.
fn baseline<'a>(entry: &'a GateForm, baseline: &Baseline, known: &Measurable) -> Result<Option<&'a str>, Problem> {
    let model = entry.baseline.as_ref().and_then(|form| form.value.model.as_ref());
    let Some(model) = model.filter(|_| baseline.report.is_none()) else { return Ok(None) };
    let all: Vec<&str> = known.models.iter().map(String::as_str).collect();
    match all.contains(&model.as_str()) {
        true => Ok(Some(model.as_str())),
        false => Err(unknown(model, "model", &all)),
    }
}

/// The models of a gate: all, or those that it names. `apart` is one that the metric cannot be asked of; `itself` one that a
/// gate on all does not mean.
fn models(
    entry: &GateForm,
    known: &Measurable,
    apart: Option<&str>,
    itself: Option<&str>,
) -> Result<Vec<String>, Problem> {
    let usual = |model: &&String| Some(model.as_str()) != apart && Some(model.as_str()) != itself;
    let Some(wanted) = &entry.models else {
        let all: Vec<String> = known.models.iter().filter(usual).cloned().collect();
        return match all.is_empty() {
            true => Err(Problem::new("no model is left that this can be asked of")),
            false => Ok(all),
        };
    };
    if wanted.is_empty() {
        return Err(Problem::new("`models` is empty; leave it out to ask of all").at(wanted.place));
    }
    let all: Vec<&str> = known.models.iter().map(String::as_str).collect();
    let mut named: Vec<&str> = Vec::new();
    for pattern in wanted.iter() {
        if is_glob(pattern) {
            let found = known.models.iter().filter(usual).filter(|model| glob_matches(pattern, model));
            let found: Vec<&str> = found.map(String::as_str).collect();
            if found.is_empty() {
                let hint = format!("known here: {}", registry::yaml::list(&all));
                return Err(Problem::new(format!("`{}` finds no model here", pattern.value))
                    .hint(hint)
                    .at(pattern.place));
            }
            named.extend(found);
        } else if Some(pattern.as_str()) == apart {
            let message =
                format!("`{}` is what others are measured by here, and cannot be asked itself", pattern.value);
            return Err(Problem::new(message).at(pattern.place));
        } else if all.contains(&pattern.as_str()) {
            named.push(pattern);
        } else {
            return Err(unknown(pattern, "model", &all));
        }
    }
    Ok(known.models.iter().filter(|model| named.contains(&model.as_str())).cloned().collect())
}
