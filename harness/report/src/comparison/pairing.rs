//! Which model stands beside which.

use evidence::{ModelResult, Results};

use crate::Error;

/// A model of the baseline and one of the candidate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelPair {
    /// The baseline's name.
    pub baseline: String,
    /// The candidate's.
    pub candidate: String,
    /// Whether both are the same files.
    pub is_same_file: bool,
}

impl ModelPair {
    /// Both names, or the one that they share.
    pub fn name(&self) -> String {
        match self.baseline == self.candidate {
            true => self.baseline.clone(),
            false => format!("{} → {}", self.baseline, self.candidate),
        }
    }

    /// The two models. A pair is made of models that are there.
    pub(super) fn of<'a>(&self, [a, b]: [&'a Results; 2]) -> Option<[&'a ModelResult; 2]> {
        Some([find(a, &self.baseline)?, find(b, &self.candidate)?])
    }
}

pub(super) fn find<'a>(results: &'a Results, name: &str) -> Option<&'a ModelResult> {
    results.models.iter().find(|model| model.name == name)
}

pub(super) fn pair([a, b]: [&Results; 2], map: &[(String, String)]) -> Result<Vec<ModelPair>, Error> {
    for (index, (old, new)) in map.iter().enumerate() {
        for (results, name, which) in [(a, old, "baseline"), (b, new, "candidate")] {
            if find(results, name).is_none() {
                let names: Vec<&str> = results.models.iter().map(|model| model.name.as_str()).collect();
                let reason = format!("the {which} has no model `{name}`\nhint: it has {}", names.join(", "));
                return Err(Error::Compare { reason });
            }
        }
        if map[..index].iter().any(|(other_old, other_new)| other_old == old || other_new == new) {
            return Err(Error::Compare { reason: format!("a model of `{old}={new}` is mapped twice") });
        }
    }
    let is_taken = |name: &str| map.iter().any(|(_, new)| new == name);
    let other = |model: &ModelResult| match map.iter().find(|(old, _)| *old == model.name) {
        Some((_, new)) => find(b, new),
        None if is_taken(&model.name) => None,
        None => find(b, &model.name),
    };
    let mut pairs: Vec<ModelPair> = Vec::new();
    for model in &a.models {
        // Two models of one name, in a file that no version wrote, are one.
        let is_new = pairs.iter().all(|pair| pair.baseline != model.name);
        pairs.extend(other(model).filter(|_| is_new).map(|other| made(model, other)));
    }
    if let ([one], [other], true) = (&a.models[..], &b.models[..], pairs.is_empty()) {
        pairs.push(made(one, other));
    }
    if pairs.is_empty() {
        let [old, new] = [a, b].map(|results| results.models.first().map_or("OLD", |model| model.name.as_str()));
        let reason = format!("no model is in both of them\nhint: say which stands beside which: --map {old}={new}");
        return Err(Error::Compare { reason });
    }
    Ok(pairs)
}

fn made(a: &ModelResult, b: &ModelResult) -> ModelPair {
    ModelPair { baseline: a.name.clone(), candidate: b.name.clone(), is_same_file: a.digest == b.digest }
}

/// The models that stand beside none.
pub(super) fn only([a, b]: [&Results; 2], pairs: &[ModelPair]) -> [Vec<String>; 2] {
    let rest = |results: &Results, is_paired: &dyn Fn(&str) -> bool| -> Vec<String> {
        let names = results.models.iter().map(|model| &model.name).filter(|name| !is_paired(name));
        names.map(|name| format!("model {name}")).collect()
    };
    [
        rest(a, &|name| pairs.iter().any(|pair| pair.baseline == name)),
        rest(b, &|name| pairs.iter().any(|pair| pair.candidate == name)),
    ]
}
