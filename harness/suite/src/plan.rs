//! A plan: what runs, every number explicit, every digest pinned.

use crate::attacks::{PlannedAttack, attacks};
use crate::corruptions::{PlannedCorruption, corruptions};
use crate::cost::{PlannedCost, cost};
use crate::curve::{Radii, radii};
use crate::dataset::{PlannedDataset, PlannedDomain, dataset};
use crate::document::Document;
use crate::error::Error;
use crate::gates::{self, Measurable};
use crate::grid::{attack_domain, check_levels};
use crate::models::{PlannedModel, models};
use crate::probes::{PlannedProbe, check_models, probes};
use crate::published::{Known, PlannedPublished, published};
use crate::slices::Slice;
use crate::suite::Suite;
use crate::transfer::Sources;
use attack::{Budget, Domain, LossHead, Norm, Picture, ThreatModel};
use evidence::Gate;
use registry::yaml::Problem;
use registry::{Dataset, Datasets, Digest, Layout, Registry};
use serde::{Serialize, Serializer};

/// What runs. Executing it reads no default.
#[derive(Clone, Debug, Serialize)]
pub struct Plan {
    /// The suite.
    pub suite: PlannedSuite,
    /// What the models are for, in the suite's words. Nothing that runs depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub purpose: Option<String>,
    /// The data.
    pub dataset: PlannedDataset,
    /// How far an input may be moved.
    pub threat: PlannedThreat,
    /// What values an input may have.
    pub domain: PlannedDomain,
    /// The models, in the order of the suite.
    pub models: Vec<PlannedModel>,
    /// Models that only guide attacks on others.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub sources: Vec<PlannedModel>,
    /// The attacks, in the order of the suite.
    pub attacks: Vec<PlannedAttack>,
    /// The probes, in the order of the suite.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub probes: Vec<PlannedProbe>,
    /// The corruptions, in the order of the suite.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub corruptions: Vec<PlannedCorruption>,
    /// All randomness comes from this number. It is written as text: JSON numbers end at 2^53.
    #[serde(serialize_with = "as_text")]
    pub seed: u64,
    /// The samples, block by block.
    pub slices: Vec<Slice>,
    /// What the models cost, as far as the suite asks for it. No block depends on it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cost: Option<PlannedCost>,
    /// Numbers that a publication states. Nothing that runs depends on them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub published: Option<PlannedPublished>,
    /// What must hold of the results, in the order of the suite. No block depends on it.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gates: Vec<Gate>,
    /// The verified rows.
    #[serde(skip)]
    pub data: Dataset,
    /// The threat model, as attacks take it.
    #[serde(skip)]
    pub threat_model: ThreatModel,
}

/// The suite that a plan comes from.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedSuite {
    /// Its name.
    pub name: String,
    /// The digest of its file.
    pub digest: Digest,
}

/// A threat model in numbers.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlannedThreat {
    /// The norm.
    pub norm: Norm,
    /// Epsilon as it was written.
    pub epsilon: String,
    /// Epsilon as a reduced fraction.
    pub epsilon_fraction: String,
    /// Adversarial inputs are `k` over this number in every element, whatever the model takes. Without it: those of models
    /// with integer inputs, on the grid of the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grid: Option<u32>,
    /// What the search of a row may cost at each radius; without it, whatever the attack asks for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub budget: Option<Budget>,
}

/// Looks up everything that a suite names and checks that it fits together.
///
/// Errors: a section or an attack that this version cannot run; a model or a data set that is not there, is not what its
/// manifest says, or does not fit the rest. Each names the line of the suite.
pub fn plan(suite: &Suite, registry: &Registry, datasets: &Datasets) -> Result<Plan, Error> {
    resolve(suite, registry, datasets).map_err(Error::planning(suite.source()))
}

fn resolve(suite: &Suite, registry: &Registry, datasets: &Datasets) -> Result<Plan, Problem> {
    let document = suite.document();
    refuse_later_sections(document)?;
    let threat = document.threat.model();
    let budget = document.threat.budget()?;
    // What is wrong with the attacks is said before the data are looked for.
    attacks(&document.attacks, &threat, &Radii::default(), &mut |_| Ok(Vec::new()))?;
    let (dataset, data) = dataset(&document.dataset, document.seed.value, datasets)?;
    let radii = radii(document.curve.as_ref(), &threat, &attack_domain(&data), data.row_len())?;
    let grid = document.threat.grid.as_ref();
    grid.map_or(Ok(()), |levels| check_levels(levels, &data).map_err(|problem| problem.at(levels.place)))?;
    let models = models(&document.models, suite.source(), registry, &data, grid.is_some())?;
    let mut sources = Sources {
        source: suite.source(),
        registry,
        dataset: &data,
        grid: grid.is_some(),
        targets: &models,
        others: Vec::new(),
    };
    let attacks = attacks(&document.attacks, &threat, &radii, &mut |form| sources.of(form))?;
    let sources = sources.others;
    let probes = match &document.probes {
        Some(entries) => probes(entries, &threat, &attacks)?,
        None => Vec::new(),
    };
    check_models(&models, &probes).map_err(|problem| problem.at(document.models.place))?;
    let corruptions = match &document.corruptions {
        Some(section) => corruptions(section, &data)?,
        None => Vec::new(),
    };
    let cost = document.cost.as_ref().map(|entries| cost(entries, &models)).transpose()?;
    let published = match &document.published {
        Some(section) => {
            let known = Known { entries: &document.models, models: &models, attacks: &attacks, probes: &probes };
            Some(published(section, &known)?)
        }
        None => None,
    };
    let gates = match &document.gates {
        Some(entries) => {
            let known = Measurable::planned(&models, &attacks, &probes, &corruptions, cost.as_ref());
            gates::resolve(entries, &known)?
        }
        None => Vec::new(),
    };
    Ok(Plan {
        suite: PlannedSuite { name: suite.name().to_owned(), digest: suite.source().digest() },
        purpose: document.purpose.as_ref().map(|purpose| purpose.value.trim().to_owned()),
        threat: PlannedThreat {
            norm: threat.norm,
            epsilon: threat.epsilon.to_string(),
            epsilon_fraction: threat.epsilon.fraction(),
            grid: grid.map(|levels| levels.value),
            budget,
        },
        domain: PlannedDomain {
            lower: data.domain.lower.to_string(),
            upper: data.domain.upper.to_string(),
            grid: attack_domain(&data).grid,
        },
        models,
        sources,
        attacks,
        probes,
        corruptions,
        seed: document.seed.value,
        slices: dataset.rows.slices(),
        cost,
        published,
        gates,
        dataset,
        data,
        threat_model: threat,
    })
}

fn refuse_later_sections(document: &Document) -> Result<(), Problem> {
    match &document.certify {
        Some(section) => Err(Problem::new("section `certify` is not supported by this version")
            .hint("take `certify` out to run the rest")
            .at(section.place)),
        None => Ok(()),
    }
}

fn as_text<S: Serializer>(seed: &u64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(seed)
}

impl Plan {
    /// How the elements of a row lie in space.
    pub fn picture(&self) -> Picture {
        Picture::new(&self.data.shape, self.data.layout == Layout::Nhwc)
    }

    /// The loss heads whose gradients attacks and probes need of a model with so many classes.
    pub fn heads(&self, classes: usize) -> Vec<LossHead> {
        let attacks = self.attacks.iter().flat_map(|attack| attack.spec.heads(classes));
        let mut heads: Vec<LossHead> = attacks.chain(self.probes.iter().flat_map(|probe| probe.spec.heads())).collect();
        heads.sort();
        heads.dedup();
        heads
    }

    /// The attacks that are tried on a model: all but those that it would guide itself although they are transfers.
    pub fn attacks_on<'a>(&'a self, model: &'a str) -> impl Iterator<Item = &'a PlannedAttack> {
        self.attacks.iter().filter(move |attack| attack.source.as_deref() != Some(model))
    }

    /// The model that guides an attack, where that is another than the one that is attacked.
    pub fn source_of(&self, attack: &PlannedAttack) -> Option<&PlannedModel> {
        let source = attack.source.as_deref()?;
        self.models.iter().chain(&self.sources).find(|model| model.name == source)
    }

    /// SHA-256 of the plan as RFC 8785 JSON. No path and nothing of the machine is in it.
    pub fn digest(&self) -> Digest {
        Digest::of(&serde_json_canonicalizer::to_vec(self).expect("a plan is JSON with finite numbers"))
    }

    /// What values an input may have, as attacks take it.
    pub fn attack_domain(&self) -> Domain {
        attack_domain(&self.data)
    }
}
