//! The files of a report that are drawn from others: reports, figures, and what only the report itself tells.

use super::evidence::FOLDER;
use super::planned::Here;
use super::step::{Step, count, failed};
use super::stored::Stored;
use crate::gate::Judge;
use crate::pictures;
use crate::train::dynamics;
use anyhow::Result;
use evidence::{Gate, GateResult, GateVerdict, Latency, Observations, Rule};
use report::{ATTESTATION, Beside, Figure, Picture, SUITE, SUMS, VERDICT, read_pictures};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use suite::Suite;

const OBSERVATIONS: &str = "observations.json";

/// Renders everything again from `results.json` and what stands beside it, and compares.
pub(super) fn check(folder: &Path, stored: &Stored, suite: Option<&Suite>, here: Result<&Here, &str>) -> Step {
    let mut step = Step::new("rendered");
    let observations = observations(folder, &mut step);
    let latency = observations.as_ref().map_or(&[][..], |observations| &observations.latency);
    let verdict = verdict(folder, stored, latency, suite, here, &mut step);
    let training = fs::read_to_string(folder.join(Figure::FILE)).ok().map(|svg| Figure { svg });
    figure(training.as_ref(), here, &mut step);
    let pictures = drawn_pictures(folder, stored, here, &mut step);
    let beside = Beside { training: training.as_ref(), latency, verdict: verdict.as_ref(), pictures: &pictures };
    let files = match report::rendered(&stored.results, beside) {
        Ok(files) => files,
        Err(error) => {
            step.wrong.push(format!("results.json: failed to {error}"));
            return step;
        }
    };
    let others = [OBSERVATIONS, VERDICT, Figure::FILE, Picture::FOLDER, SUITE, SUMS, ATTESTATION, FOLDER];
    let known: Vec<&str> = files.iter().map(|(file, _)| *file).chain(others).collect();
    unknown(folder, &known, &mut step);
    let mut compared = 0;
    for (file, text) in files {
        match (fs::read(folder.join(file)), text) {
            (Ok(bytes), Some(text)) => {
                compared += 1;
                if bytes != text.as_bytes() {
                    step.wrong.push(format!("{file}: it is not what results.json is rendered as"));
                }
            }
            (Ok(_), None) => {
                step.wrong.push(format!("{file}: it is there, and the results have nothing to draw in it"))
            }
            (Err(error), Some(_)) => step.wrong.push(format!("{file}: failed to read it: {error}")),
            (Err(_), None) => {}
        }
    }
    step.checked = format!("{} rendered again from the results", count(compared, "file"));
    step
}

/// What a later version may have written, or anybody put there.
fn unknown(folder: &Path, known: &[&str], step: &mut Step) {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.retain(|name| !known.contains(&name.as_str()));
    names.sort();
    step.unchecked.extend(names.iter().map(|name| format!("{name}: only {SUMS} holds it, no other step looks at it")));
}

/// Its form alone: what it says of the machine and of time is in no other file.
fn observations(folder: &Path, step: &mut Step) -> Option<Observations> {
    let text = match fs::read_to_string(folder.join(OBSERVATIONS)) {
        Ok(text) => text,
        Err(error) => {
            step.wrong.push(format!("{OBSERVATIONS}: failed to read it: {error}"));
            return None;
        }
    };
    let read = match Observations::from_json(&text) {
        Ok(read) => read,
        Err(error) => {
            step.wrong.push(format!("{OBSERVATIONS}: failed to {error}"));
            return None;
        }
    };
    if read.to_json().ok().as_ref() != Some(&text) {
        step.wrong.push(format!("{OBSERVATIONS}: its bytes are not those that its content is written as"));
    }
    let sums =
        |count: fn(&evidence::CheckObservation) -> u64| read.checks.iter().map(count).fold(0, u64::saturating_add);
    if (sums(|check| check.blocks_computed), sums(|check| check.blocks_reused))
        != (read.blocks_computed, read.blocks_reused)
    {
        step.wrong.push(format!("{OBSERVATIONS}: its blocks are not the sum of those of its checks"));
    }
    step.unchecked.push(format!(
        "what {OBSERVATIONS} says of times, host and latencies: it is the word of whoever ran it, and only {SUMS} and a signature \
         hold it"
    ));
    Some(read)
}

/// The pictures, drawn again from the data and the witnesses.
fn drawn_pictures(folder: &Path, stored: &Stored, here: Result<&Here, &str>, step: &mut Step) -> Vec<Picture> {
    let kept = match read_pictures(folder) {
        Ok(kept) => kept,
        Err(error) => {
            step.wrong.push(format!("{}: failed to {error}", Picture::FOLDER));
            return Vec::new();
        }
    };
    match here.map(|here| pictures::of(&here.plan, &stored.results, folder)) {
        Ok(Ok(drawn)) => {
            let place = Picture::FOLDER;
            for picture in kept.iter().filter(|picture| !drawn.contains(picture)) {
                step.wrong.push(format!(
                    "{place}/{}: it, or what {place}/index.json says of it, is not what the data and the witnesses are drawn as",
                    picture.file
                ));
            }
            for picture in drawn.iter().filter(|drawn| kept.iter().all(|picture| picture.file != drawn.file)) {
                step.wrong.push(format!(
                    "{place}/{}: it is drawn from the data and the witnesses, and not there",
                    picture.file
                ));
            }
            if kept.len() == drawn.len() && kept.iter().all(|picture| drawn.contains(picture)) && kept != drawn {
                step.wrong.push(format!("{place}/index.json: its pictures are in another order, or come twice"));
            }
        }
        Ok(Err(error)) => step.unchecked.push(format!("{}: they cannot be drawn again: {error:#}", Picture::FOLDER)),
        Err(why) if !kept.is_empty() => step.unchecked.push(format!("{}: {why}", Picture::FOLDER)),
        Err(_) => {}
    }
    kept
}

/// Its form, that its decision follows from those of its gates, and these from the results.
fn verdict(
    folder: &Path,
    stored: &Stored,
    latency: &[Latency],
    suite: Option<&Suite>,
    here: Result<&Here, &str>,
    step: &mut Step,
) -> Option<GateVerdict> {
    let gates = here.ok().filter(|here| !here.plan.gates.is_empty()).zip(suite);
    let Ok(bytes) = fs::read(folder.join(VERDICT)) else {
        if let Some((here, suite)) = gates {
            match judged(here, suite, stored, latency) {
                // A run judges gates whenever it can.
                Ok((_, elsewhere)) if elsewhere.is_empty() => {
                    step.wrong.push(format!("{VERDICT}: the gates of the suite can be judged, and it is not there"));
                }
                _ => {
                    step.unchecked.push(format!("the suite has gates, and there is no {VERDICT}: they were not judged"))
                }
            }
        }
        return None;
    };
    let text = String::from_utf8_lossy(&bytes);
    let read = match GateVerdict::from_json(&text) {
        Ok(read) => read,
        Err(error) => {
            step.wrong.push(format!("{VERDICT}: failed to {error}"));
            return None;
        }
    };
    if read.to_json().ok().as_deref() != Some(&*text) {
        step.wrong.push(format!("{VERDICT}: its bytes are not those that its content is written as"));
    }
    if read != GateVerdict::of(&stored.results.suite, read.gates.clone()) {
        step.wrong.push(format!("{VERDICT}: it is of another suite, or its decision is not that of its gates"));
    }
    let Some((here, suite)) = gates else {
        match here {
            Ok(_) => step.wrong.push(format!("{VERDICT}: it is there, and the suite has no gates")),
            Err(why) => step.unchecked.push(format!("whether the gates end as {VERDICT} says: {why}")),
        }
        return Some(read);
    };
    match judged(here, suite, stored, latency) {
        Ok((again, elsewhere)) => {
            let kept: Vec<&GateResult> = read.gates.iter().filter(|gate| !elsewhere.contains(&gate.line)).collect();
            let differ = again.iter().zip(&kept).filter(|(again, kept)| again != *kept);
            let first = differ.map(|(again, _)| format!(", such as `{}` on {}", again.gate, again.model)).next();
            if first.is_some() || again.len() != kept.len() {
                step.wrong.push(format!(
                    "{VERDICT}: its gates do not end so on these results{}",
                    first.unwrap_or_else(|| ": it has others than the suite".to_owned())
                ));
            }
            if !elsewhere.is_empty() {
                let lines = elsewhere.iter().map(u64::to_string).collect::<Vec<_>>().join(", ");
                step.unchecked.push(format!(
                    "how the gates of {VERDICT} end that compare with another report ({SUITE}, lines {lines}): `tinyassay gate` judges them"
                ));
            }
        }
        Err(error) => step.unchecked.push(format!("whether the gates end as {VERDICT} says: {error:#}")),
    }
    Some(read)
}

/// How the gates end that these results alone decide, and the lines of those that compare with another report, whose folder the run
/// may have been told.
fn judged(
    here: &Here,
    suite: &Suite,
    stored: &Stored,
    latency: &[Latency],
) -> Result<(Vec<GateResult>, BTreeSet<u64>)> {
    let is_elsewhere = |gate: &Gate| match &gate.rule {
        Rule::MaxDrop(drop) => drop.baseline.report.is_some() || drop.baseline.is_open(),
        _ => false,
    };
    let (elsewhere, own): (Vec<Gate>, Vec<Gate>) = here.plan.gates.iter().cloned().partition(is_elsewhere);
    let judge = Judge::new(own, SUITE.as_ref(), Some(suite.source().folder()), None)?;
    let mut gates = judge.verdict(&stored.results, latency)?.gates;
    // As a run keeps it.
    gates.iter_mut().for_each(|gate| gate.file = SUITE.to_owned());
    Ok((gates, elsewhere.iter().map(|gate| gate.line).collect()))
}

/// The figure of how the models were trained, from the metrics that their manifests pin.
fn figure(kept: Option<&Figure>, here: Result<&Here, &str>, step: &mut Step) {
    let file = Figure::FILE;
    let drawn = match here {
        Ok(here) => dynamics::figure(&here.plan.models),
        Err(why) if kept.is_some() => return step.unchecked.push(format!("{file}: {why}")),
        Err(_) => return,
    };
    match (kept, drawn) {
        (None, Ok(None)) => {}
        (Some(kept), Ok(Some(drawn))) if *kept == drawn => {
            step.notes.push(format!("{file} is drawn from the metrics beside the models"));
        }
        (_, Ok(Some(_))) => {
            step.wrong.push(format!("{file}: it is not what the metrics beside the models are drawn as"))
        }
        (Some(_), Ok(None)) => step.unchecked.push(format!("{file}: no model has metrics of its training here")),
        (_, Err(error)) => step.wrong.push(format!("{file}: {}", failed(&error))),
    }
}
