//! What a gate asks for, as far as it can be judged alone.

use super::document::{BaselineForm, FlagsForm, GateForm};
use evidence::{Baseline, CONFIDENCE, Flag, Limit, MaxDrop, Metric, Names, On, Rule};
use registry::yaml::{Located, Problem, nearest, suggestion};

/// Checks every value that can be judged alone.
pub(crate) fn check(entries: &Located<Vec<Located<GateForm>>>) -> Result<(), Problem> {
    if entries.is_empty() {
        return Err(Problem::new("`gates` is empty; leave it out to ask for nothing").at(entries.place));
    }
    entries.iter().try_for_each(|entry| asked(entry).map(drop))
}

/// The metric and the rule of an entry.
pub(super) fn asked(entry: &Located<GateForm>) -> Result<(Metric, Rule), Problem> {
    let metric = metric(&entry.metric)?;
    names(entry, metric)?;
    if let Some(robust) = entry.robust.as_ref().filter(|_| metric != Metric::WorstClassAccuracy) {
        return Err(Problem::new(format!("`robust` says nothing about `{}`", metric.id()))
            .hint("it is for `worst_class_accuracy`; `robust_accuracy` and `worst_case` are of all classes")
            .at(robust.place));
    }
    let rule = match metric {
        Metric::Flags => absent(entry)?,
        _ => number(entry, metric)?,
    };
    Ok((metric, rule))
}

fn metric(id: &Located<String>) -> Result<Metric, Problem> {
    let known: Vec<&str> = Metric::DOCS.iter().map(|doc| doc.id).collect();
    Metric::named(id).ok_or_else(|| {
        Problem::new(format!("there is no metric `{}`", id.value)).hint(suggestion(id, &known)).at(id.place)
    })
}

/// Each key that names an entry of a suite, with its value.
pub(super) fn naming(form: &GateForm) -> [(&'static str, Option<&Located<String>>); 4] {
    [
        ("attack", form.attack.as_ref()),
        ("probe", form.probe.as_ref()),
        ("corruption", form.corruption.as_ref()),
        ("latency", form.latency.as_ref()),
    ]
}

/// The key that a gate of these names an entry with, and whether it must.
pub(super) fn key(names: Names) -> (&'static str, bool) {
    match names {
        Names::Nothing => ("", false),
        Names::Attack => ("attack", true),
        Names::MaybeAttack => ("attack", false),
        Names::Probe => ("probe", true),
        Names::MaybeCorruption => ("corruption", false),
        Names::MaybeLatency => ("latency", false),
    }
}

fn names(entry: &Located<GateForm>, metric: Metric) -> Result<(), Problem> {
    let (wanted, needed) = key(metric.doc().names);
    for (key, name) in naming(entry) {
        match name {
            Some(name) if key != wanted => {
                return Err(Problem::new(format!("`{key}` says nothing about `{}`", metric.id())).at(name.place));
            }
            None if key == wanted && needed => {
                let problem = Problem::new(format!("`{}` is of one {key}, and none is named", metric.id()));
                return Err(problem.hint(format!("add `{key}: NAME`")).at(entry.metric.place));
            }
            _ => {}
        }
    }
    Ok(())
}

fn absent(entry: &GateForm) -> Result<Rule, Problem> {
    let numbers = [("at_least", &entry.at_least), ("at_most", &entry.at_most), ("max_drop", &entry.max_drop)];
    let numbers = numbers.map(|(key, number)| (key, number.as_ref().map(|number| number.place)));
    let rest = [
        ("confidence", entry.confidence.as_ref().map(|confidence| confidence.place)),
        ("on", entry.on.as_ref().map(|on| on.place)),
        ("baseline", entry.baseline.as_ref().map(|baseline| baseline.place)),
    ];
    let hint = "write `flags: none`, or the names of flags that must be absent: `flags: [unconfirmed]`";
    if let Some((key, Some(place))) = numbers.into_iter().chain(rest).find(|(_, place)| place.is_some()) {
        return Err(Problem::new(format!("`{key}` says nothing about `flags`")).hint(hint).at(place));
    }
    let Some(flags) = &entry.flags else {
        return Err(Problem::new("which flags must be absent is not said").hint(hint).at(entry.metric.place));
    };
    let known: Vec<&str> = Flag::DOCS.iter().map(|doc| doc.name).collect();
    match &flags.value {
        FlagsForm::None => Ok(Rule::Absent(Flag::DOCS.iter().map(|doc| doc.flag).collect())),
        FlagsForm::These(names) if names.is_empty() => {
            Err(Problem::new("`flags` is empty, so nothing is asked").hint(hint).at(flags.place))
        }
        FlagsForm::These(names) => {
            let mut found = Vec::new();
            for name in names {
                let doc = Flag::DOCS.iter().find(|doc| doc.name == name.value).ok_or_else(|| {
                    let problem = Problem::new(format!("there is no flag `{}`", name.value));
                    problem.hint(suggestion(name, &known)).at(name.place)
                })?;
                if found.contains(&doc.flag) {
                    return Err(Problem::new(format!("`{}` is listed twice", doc.name)).at(name.place));
                }
                found.push(doc.flag);
            }
            found.sort();
            Ok(Rule::Absent(found))
        }
    }
}

/// A rule on a number.
fn number(entry: &Located<GateForm>, metric: Metric) -> Result<Rule, Problem> {
    let doc = metric.doc();
    if let Some(flags) = &entry.flags {
        let hint = "a gate of its own asks for flags: `{ metric: flags, flags: none }`";
        return Err(Problem::new(format!("`flags` says nothing about `{}`", doc.id)).hint(hint).at(flags.place));
    }
    let given = [("at_least", &entry.at_least), ("at_most", &entry.at_most), ("max_drop", &entry.max_drop)];
    let mut given = given.into_iter().filter_map(|(key, number)| number.as_ref().map(|number| (key, number)));
    let Some((key, threshold)) = given.next() else {
        let allowed = if doc.paired { "`at_least`, `at_most` or `max_drop`" } else { "`at_least` or `at_most`" };
        let problem = Problem::new(format!("what must hold of `{}` is not said", doc.id));
        return Err(problem.hint(format!("add one of {allowed}")).at(entry.metric.place));
    };
    if let Some((second, number)) = given.next() {
        let problem = Problem::new(format!("a gate has one threshold, and `{second}` is a second one beside `{key}`"));
        return Err(problem.hint("write two gates").at(number.place));
    }
    if let Some(baseline) = entry.baseline.as_ref().filter(|_| key != "max_drop") {
        return Err(Problem::new(format!("`baseline` says nothing about `{key}`"))
            .hint("`max_drop` limits how far a model is below its baseline")
            .at(baseline.place));
    }
    if !threshold.is_finite() {
        return Err(Problem::new(format!("`{key}` is {}, which is no threshold", threshold.value)).at(threshold.place));
    }
    let share = doc.unit == Metric::CleanAccuracy.doc().unit;
    if share && !(0.0..=1.0).contains(&threshold.value) {
        let problem = Problem::new(format!("`{key}` is {}, allowed are 0 to 1", threshold.value)).at(threshold.place);
        return Err(match (1.0..=100.0).contains(&threshold.value) {
            true => {
                problem.hint(format!("{0} % is written {1}", threshold.value, (threshold.value * 1e6).round() / 1e8))
            }
            false => problem,
        });
    }
    match key {
        "max_drop" => drop_of(entry, metric, threshold).map(Rule::MaxDrop),
        "at_least" => limit(entry, metric, threshold, On::CiLow).map(Rule::AtLeast),
        _ => limit(entry, metric, threshold, On::CiHigh).map(Rule::AtMost),
    }
}

fn limit(entry: &GateForm, metric: Metric, threshold: &Located<f64>, usual: On) -> Result<Limit, Problem> {
    let doc = metric.doc();
    let on = match &entry.on {
        Some(on) if on.value != On::Point && !doc.interval => {
            return Err(Problem::new(format!("`{}` has no confidence interval", doc.id))
                .hint("leave `on` out: what was measured is held against the threshold")
                .at(on.place));
        }
        Some(on) => on.value,
        None if doc.interval => usual,
        None => On::Point,
    };
    if let Some(confidence) = entry.confidence.as_ref().filter(|_| on == On::Point) {
        let why = if doc.interval { "with `on: point`".to_owned() } else { format!("as `{}` has no interval", doc.id) };
        return Err(Problem::new(format!("`confidence` decides nothing {why}")).at(confidence.place));
    }
    let confidence = (on != On::Point).then(|| confidence(entry)).transpose()?;
    Ok(Limit { threshold: threshold.value, on, confidence })
}

fn confidence(entry: &GateForm) -> Result<f64, Problem> {
    let Some(confidence) = &entry.confidence else { return Ok(CONFIDENCE) };
    if confidence.value > 0.0 && confidence.value < 1.0 {
        return Ok(confidence.value);
    }
    let problem = Problem::new(format!("`confidence` is {}, allowed is what lies between 0 and 1", confidence.value));
    Err(problem.hint("95 % is written 0.95").at(confidence.place))
}

fn drop_of(entry: &Located<GateForm>, metric: Metric, allowed: &Located<f64>) -> Result<MaxDrop, Problem> {
    if !metric.doc().paired {
        let paired: Vec<String> =
            Metric::DOCS.iter().filter(|doc| doc.paired).map(|doc| format!("`{}`", doc.id)).collect();
        return Err(Problem::new(format!("models cannot be compared row by row on `{}`", metric.id()))
            .hint(format!("`max_drop` is for {}", paired.join(", ")))
            .at(allowed.place));
    }
    if let Some(on) = &entry.on {
        return Err(Problem::new("`on` says nothing about `max_drop`: the interval of the drop decides").at(on.place));
    }
    let Some(baseline) = &entry.baseline else {
        return Err(Problem::new("what `max_drop` is compared with is not said")
            .hint("add `baseline: { report: DIR }`, `baseline: { model: NAME }`, or `baseline: {}` for what `--baseline DIR` names")
            .at(allowed.place));
    };
    let BaselineForm { report, model } = &baseline.value;
    if let Some(report) = report.as_ref().filter(|report| report.trim().is_empty()) {
        return Err(Problem::new("`report` is empty; it is the folder of another report").at(report.place));
    }
    let text = |name: &Option<Located<String>>| name.as_ref().map(|name| name.value.clone());
    let baseline = Baseline { report: text(report), model: text(model) };
    Ok(MaxDrop { allowed: allowed.value, confidence: confidence(entry)?, baseline })
}

/// What is said of a name that there is not.
pub(super) fn unknown(name: &Located<String>, kind: &str, known: &[&str]) -> Problem {
    let hint = match nearest(name, known.iter().copied()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None if known.is_empty() => format!("it has no {kind}"),
        None => format!("known here: {}", registry::yaml::list(known)),
    };
    Problem::new(format!("there is no {kind} `{}` here", name.value)).hint(hint).at(name.place)
}
