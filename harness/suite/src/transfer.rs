//! Transfer: attacks that are guided by one model and judged on another.

use crate::attacks::Attacks;
use crate::entry::Entry;
use crate::models::{PlannedModel, models};
use registry::yaml::{Located, Problem, Source};
use registry::{Dataset, Registry};
use schemars::JsonSchema;
use serde::Deserialize;

/// An attack that is guided by one model and judged on another: the gradients and logits are those of the source, and every
/// proposal is put before the file of the target. It stops at the first that the target misclassifies.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Transfer")]
pub struct TransferForm {
    /// The sources, named as `models` are; they need not be among those. Without it: all models of the suite.
    #[serde(default)]
    pub from: Option<Located<Vec<Located<String>>>>,
    /// The attack: a preset or a long form, no transfer.
    pub attack: Box<Located<Entry<Attacks>>>,
}

/// What the sources are looked up in.
pub(crate) struct Sources<'a> {
    pub(crate) source: &'a Source,
    pub(crate) registry: &'a Registry,
    pub(crate) dataset: &'a Dataset,
    /// Whether the threat model holds all inputs to the grid of the data.
    pub(crate) grid: bool,
    /// The models that are judged.
    pub(crate) targets: &'a [PlannedModel],
    /// The sources that are not among them, as far as they were asked for.
    pub(crate) others: Vec<PlannedModel>,
}

impl Sources<'_> {
    /// The names of an entry's sources.
    ///
    /// Errors: a model that is not there or does not fit the data; one whose classes are not those of a target; no model to
    /// transfer to.
    pub(crate) fn of(&mut self, form: &TransferForm) -> Result<Vec<String>, Problem> {
        let place = form.from.as_ref().map_or(form.attack.place, |from| from.place);
        let named = match &form.from {
            None => self.targets.to_vec(),
            Some(from) if from.is_empty() => {
                return Err(Problem::new("`from` is empty; leave it out to transfer from every model").at(place));
            }
            Some(from) => models(from, self.source, self.registry, self.dataset, self.grid)?,
        };
        for source in &named {
            if let Some(other) = self.targets.iter().chain(&self.others).find(|other| other.name == source.name)
                && !is_same(other, source)
            {
                return Err(Problem::new(format!("two models are named `{}`, and they differ", source.name))
                    .hint("register one of them under another name")
                    .at(place));
            }
            for target in self.targets.iter().filter(|target| target.name != source.name) {
                if (source.output.classes, &source.labels) != (target.output.classes, &target.labels) {
                    let message = format!(
                        "nothing transfers from `{}` to `{}`: they number the classes differently",
                        source.name, target.name
                    );
                    return Err(Problem::new(message).hint("take one of them out").at(place));
                }
            }
        }
        let names: Vec<String> = named.iter().map(|source| source.name.clone()).collect();
        if let ([only], [target]) = (&named[..], self.targets)
            && only.name == target.name
        {
            return Err(Problem::new(format!("`{}` is the only model, and would be its own source", only.name))
                .hint("name another with `from`")
                .at(place));
        }
        let known = |source: &PlannedModel, all: &[PlannedModel]| all.iter().any(|other| other.name == source.name);
        let new = named.into_iter().filter(|source| !known(source, self.targets) && !known(source, &self.others));
        let new: Vec<PlannedModel> = new.collect();
        self.others.extend(new);
        Ok(names)
    }
}

/// Whether two models are one: the same bytes, read in the same way.
fn is_same(a: &PlannedModel, b: &PlannedModel) -> bool {
    (a.digest, &a.input, &a.output, &a.labels) == (b.digest, &b.input, &b.output, &b.labels)
}
