use std::collections::BTreeMap;

use serde_json::Value;

use crate::analysis::analyse;
use crate::attack_summary::attack_result;
use crate::corruption_summary::{CorruptionFacts, corruption_results};
use crate::detection::Detection;
use crate::masking::{self, Access};
use crate::probe_summary::probe_result;
use crate::{
    AttackResult, Block, Bound, CONFIDENCE, ClassResult, DatasetFacts, Digest, Error, Flag, ModelResult, ProbeFacts,
    Published, RESULTS_SCHEMA_VERSION, Results, RuntimeFacts, StaticCost, ThreatFacts, Verdict, WorstCase,
    clopper_pearson, rank,
};

/// What `results.json` takes from the plan.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of Results")]
pub struct Facts {
    pub suite: String,
    pub tinyassay: String,
    pub plan_digest: Digest,
    pub dataset: DatasetFacts,
    pub threat: ThreatFacts,
    pub runtime: RuntimeFacts,
    pub plan: BTreeMap<String, Value>,
    pub models: Vec<ModelFacts>,
    pub published: Option<Published>,
}

/// What `results.json` takes from the plan about one model.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of ModelResult")]
pub struct ModelFacts {
    pub name: String,
    pub digest: Digest,
    pub macs: Option<u64>,
    pub macs_torchprofile: Option<u64>,
    pub parameters: Option<u64>,
    pub params_without_bn: Option<u64>,
    pub cost: Option<StaticCost>,
    pub notes: Vec<String>,
    /// For each class of the data set, the output that is right.
    pub labels: Vec<usize>,
    /// Whether it tells two classes apart, normal and anomalous, by a score for each row and a threshold.
    pub scores_rows: bool,
    pub attacks: Vec<AttackFacts>,
    pub probes: Vec<ProbeFacts>,
    pub corruptions: Vec<CorruptionFacts>,
}

/// What `results.json` takes from the plan about one attack.
#[derive(Debug, Clone, PartialEq)]
#[expect(missing_docs, reason = "the fields are those of AttackResult")]
pub struct AttackFacts {
    pub name: String,
    pub revision: u32,
    pub parameters: BTreeMap<String, Value>,
    /// The names of an ensemble's attacks; empty for a single one.
    pub stages: Vec<String>,
    /// The model that guided it, where that is not the one that is attacked.
    pub source: Option<String>,
    /// Whether it looks for the nearest adversarial input.
    pub minimises: bool,
    /// How many gradients a row costs at worst in each stage; a single attack is one.
    pub gradients: Vec<u64>,
    /// Whether the model has too few classes for its loss, so that another took its place.
    pub substituted: bool,
    /// The radii of a curve as they were written, rising; none without one.
    pub curve: Vec<String>,
}

/// The blocks of one model, in any order.
#[derive(Debug, Clone, Default)]
pub struct ModelBlocks {
    /// Clean predictions.
    pub clean: Vec<Block>,
    /// Per attack, in the order of [`ModelFacts::attacks`].
    pub attacks: Vec<Vec<Block>>,
    /// Per probe, in the order of [`ModelFacts::probes`].
    pub probes: Vec<Vec<Block>>,
    /// Per severity of each corruption, in the order of [`ModelFacts::corruptions`].
    pub corruptions: Vec<Vec<Block>>,
}

/// Works out the results. The order of blocks does not matter; that of models and attacks is the plan's.
///
/// Errors: [`Error::Summary`] if a row is missing, comes twice, or if two checks disagree about the clean prediction.
pub fn summarise(facts: Facts, blocks: &[ModelBlocks]) -> Result<Results, Error> {
    let Facts { suite, tinyassay, plan_digest, dataset, threat, runtime, plan, models, published } = facts;
    if models.len() != blocks.len() {
        let reason = format!("blocks of {} models for {} models", blocks.len(), models.len());
        return Err(Error::Summary { model: String::new(), check: suite, reason });
    }
    let models = models
        .into_iter()
        .zip(blocks)
        .map(|(facts, blocks)| model_result(facts, blocks, &dataset))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(Results {
        schema_version: RESULTS_SCHEMA_VERSION,
        suite,
        tinyassay,
        plan_digest,
        dataset,
        threat,
        runtime,
        plan,
        ranking: rank(&models),
        analysis: analyse(&models, published.as_ref()),
        models,
        published,
    })
}

fn model_result(facts: ModelFacts, blocks: &ModelBlocks, dataset: &DatasetFacts) -> Result<ModelResult, Error> {
    let ModelFacts { name, digest, macs, macs_torchprofile, parameters, params_without_bn, .. } = facts;
    let (cost, notes) = (facts.cost, facts.notes);
    let (attack_facts, probe_facts, corruption_facts) = (facts.attacks, facts.probes, facts.corruptions);
    let refuse = |check: &str, reason: String| Error::Summary { model: name.clone(), check: check.into(), reason };
    if attack_facts.len() != blocks.attacks.len() {
        let reason = format!("blocks of {} attacks for {} attacks", blocks.attacks.len(), attack_facts.len());
        return Err(refuse("attacks", reason));
    }
    if probe_facts.len() != blocks.probes.len() {
        let reason = format!("blocks of {} probes for {} probes", blocks.probes.len(), probe_facts.len());
        return Err(refuse("probes", reason));
    }
    let CleanRows { correct: clean, label, ties, flags } =
        clean_rows(&blocks.clean).map_err(|reason| refuse("clean", reason))?;
    if clean.len() as u64 != dataset.samples {
        return Err(refuse("clean", format!("{} rows of {}", clean.len(), dataset.samples)));
    }
    let mut detection = facts.scores_rows.then(|| Detection::new(&blocks.clean));
    let mut withstands = clean.clone();
    let (mut attacks, mut access) = (Vec::new(), Vec::new());
    for (facts, blocks) in attack_facts.into_iter().zip(&blocks.attacks) {
        let verdicts = verdicts(blocks, &clean).map_err(|reason| refuse(&facts.name, reason))?;
        for (row, verdict) in &verdicts {
            withstands.entry(*row).and_modify(|robust| *robust &= *verdict == Verdict::Unknown);
        }
        let check = facts.name.clone();
        access.push(Access::of(&facts));
        let result = attack_result(facts, blocks, &verdicts).map_err(|reason| refuse(&check, reason))?;
        attacks.push(AttackResult { auc: detection.as_mut().and_then(|rows| rows.attacked_auc(blocks)), ..result });
    }
    masking::compare(&mut attacks, &access);
    let mut probes = Vec::new();
    for (facts, blocks) in probe_facts.into_iter().zip(&blocks.probes) {
        let check = facts.name.clone();
        probes.push(probe_result(facts, blocks, &clean).map_err(|reason| refuse(&check, reason))?);
    }
    let total = clean.len() as u64;
    let correct = clean.values().filter(|&&correct| correct).count() as u64;
    let (clean_accuracy, ci_low, ci_high) = proportion(correct, total);
    let corruptions = corruption_results(corruption_facts, &blocks.corruptions, &clean, correct)
        .map_err(|(check, reason)| refuse(&check, reason))?;
    let worst_case = (!attacks.is_empty()).then(|| {
        let robust = withstands.values().filter(|&&robust| robust).count() as u64;
        let (robust_accuracy, ci_low, ci_high) = proportion(robust, total);
        let auc = detection.as_ref().and_then(Detection::worst_auc);
        let robust_rows = withstands.values().copied().collect();
        WorstCase { robust_accuracy, bound: Bound::Upper, ci_low, ci_high, auc, robust, robust_rows, total }
    });
    Ok(ModelResult {
        name,
        digest,
        clean_accuracy,
        ci_low,
        ci_high,
        clean_auc: detection.as_ref().and_then(Detection::clean_auc),
        correct,
        total,
        correct_rows: clean.values().copied().collect(),
        classes: classes(&label, &clean, worst_case.as_ref().map(|_| &withstands), &dataset.classes, &facts.labels),
        ties,
        macs,
        macs_torchprofile,
        parameters,
        params_without_bn,
        cost,
        notes,
        inconclusive: Flag::inconclusive(&flags, total),
        flags,
        attacks,
        worst_case,
        probes,
        corruptions,
    })
}

/// The rows by the output that is right, each output that is right for some.
fn classes(
    label: &BTreeMap<u64, u32>,
    correct: &BTreeMap<u64, bool>,
    withstands: Option<&BTreeMap<u64, bool>>,
    names: &[String],
    labels: &[usize],
) -> Vec<ClassResult> {
    let name = |output: u32| {
        let of =
            names.iter().zip(labels).filter(|(_, label)| **label == output as usize).map(|(name, _)| name.as_str());
        of.collect::<Vec<_>>().join(" / ")
    };
    let mut classes: BTreeMap<u32, ClassResult> = BTreeMap::new();
    for (row, &output) in label {
        let robust = withstands.map(|_| 0);
        let empty = || ClassResult { output, name: name(output), total: 0, correct: 0, robust };
        let class = classes.entry(output).or_insert_with(empty);
        let has = |rows: &BTreeMap<u64, bool>| u64::from(rows.get(row) == Some(&true));
        class.total += 1;
        class.correct += has(correct);
        class.robust = class.robust.zip(withstands).map(|(robust, withstands)| robust + has(withstands));
    }
    classes.into_values().collect()
}

/// What blocks of clean predictions say of each row.
#[derive(Default)]
struct CleanRows {
    correct: BTreeMap<u64, bool>,
    label: BTreeMap<u64, u32>,
    ties: u64,
    flags: BTreeMap<Flag, u64>,
}

/// Whether each row is classified correctly, how many predictions rest on a tie, and how many rows have each flag.
fn clean_rows(blocks: &[Block]) -> Result<CleanRows, String> {
    let mut clean = CleanRows::default();
    for block in blocks {
        let columns = block.clean_columns().ok_or("a block of an attack among clean predictions")?;
        for (&row, &correct) in block.rows.iter().zip(&columns.correct) {
            if clean.correct.insert(row, correct).is_some() {
                return Err(format!("row {row} comes twice"));
            }
        }
        clean.label.extend(block.rows.iter().copied().zip(columns.label.iter().copied()));
        clean.ties += count(&columns.tie, |tie| *tie);
        for flag in columns.flags.iter().flatten() {
            *clean.flags.entry(*flag).or_default() += 1;
        }
    }
    Ok(clean)
}

/// The verdict of each row, held against the clean predictions.
fn verdicts(blocks: &[Block], clean: &BTreeMap<u64, bool>) -> Result<BTreeMap<u64, Verdict>, String> {
    let mut verdicts = BTreeMap::new();
    for block in blocks {
        let columns = block.attack_columns().ok_or("a block of clean predictions among those of an attack")?;
        for (&row, &verdict) in block.rows.iter().zip(&columns.verdict) {
            let correct = clean.get(&row).ok_or_else(|| format!("row {row} has no clean prediction"))?;
            if *correct == (verdict == Verdict::Wrong) {
                return Err(format!("row {row} is {verdict:?}, which contradicts its clean prediction"));
            }
            if verdicts.insert(row, verdict).is_some() {
                return Err(format!("row {row} comes twice"));
            }
        }
    }
    match clean.len() == verdicts.len() {
        true => Ok(verdicts),
        false => Err(format!("{} rows of {}", verdicts.len(), clean.len())),
    }
}

fn count<T>(items: &[T], holds: impl Fn(&T) -> bool) -> u64 {
    items.iter().filter(|item| holds(item)).count() as u64
}

/// The proportion and its confidence limits; an accuracy of no rows is 0.
pub(crate) fn proportion(successes: u64, total: u64) -> (f64, f64, f64) {
    let interval = clopper_pearson(successes, total, CONFIDENCE);
    (successes as f64 / total.max(1) as f64, interval.low, interval.high)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::{ActivationMemory, AttackRow, CleanRow, RowSet, keyed, witness_digest};
    use serde_json::json;
    use std::ops::Range;

    fn clean_row(row: u64) -> CleanRow {
        let prediction = u32::from(row.is_multiple_of(7));
        CleanRow { label: 0, prediction, margin: Some(row as f64), tie: row.is_multiple_of(50), ..CleanRow::right(row) }
    }

    /// Breaks every `period`-th row that is classified correctly.
    pub(crate) fn attack_row(row: u64, period: u64) -> AttackRow {
        if clean_row(row).prediction != 0 {
            return AttackRow::wrong(row);
        }
        let broken = row.is_multiple_of(period);
        AttackRow {
            row,
            verdict: if broken { Verdict::Attacked } else { Verdict::Unknown },
            adversarial_class: broken.then_some(1),
            distance: broken.then_some(0.5),
            found: u32::from(broken) + u32::from(row.is_multiple_of(11)),
            confirmed: u32::from(broken),
            rejected: u32::from(row.is_multiple_of(11)),
            forwards: 20,
            backwards: 19,
            judge_forwards: 2,
            tie: broken && row.is_multiple_of(10),
            witness: broken.then(|| witness_digest(&[row as f32])),
            ..AttackRow::wrong(row)
        }
    }

    /// Blocks as a run cuts them: one per slice.
    fn blocks<R>(rows: Range<u64>, row: impl Fn(u64) -> R, block: impl Fn(crate::Keyed, &[R]) -> Block) -> Vec<Block> {
        let slices = rows.start / 250..rows.end.div_ceil(250);
        slices
            .map(|slice| {
                let range = rows.start.max(slice * 250)..rows.end.min((slice + 1) * 250);
                block(keyed(&json!([range.start, range.end])).unwrap(), &range.map(&row).collect::<Vec<_>>())
            })
            .collect()
    }

    fn model_blocks(rows: Range<u64>, periods: &[u64]) -> ModelBlocks {
        let attack =
            |&period: &u64| blocks(rows.clone(), |r| attack_row(r, period), |k, r| Block::attack(k, r).unwrap());
        ModelBlocks {
            clean: blocks(rows.clone(), clean_row, |k, r| Block::clean(k, r).unwrap()),
            attacks: periods.iter().map(attack).collect(),
            probes: Vec::new(),
            corruptions: Vec::new(),
        }
    }

    fn facts(samples: u64, attacks: &[&str]) -> Facts {
        let text = str::to_owned;
        let attack = |name: &&str| AttackFacts {
            name: text(name),
            revision: 1,
            parameters: BTreeMap::new(),
            stages: Vec::new(),
            source: None,
            minimises: false,
            gradients: vec![20],
            substituted: false,
            curve: Vec::new(),
        };
        Facts {
            suite: text("test"),
            tinyassay: text("0.1.0"),
            plan_digest: Digest::of(b"plan"),
            dataset: DatasetFacts {
                name: text("signs32"),
                split: text("test"),
                digest: Digest::of(b"data"),
                samples,
                selection: text("the first by index"),
                licence: None,
                classes: vec![text("zero"), text("one"), text("two")],
            },
            threat: ThreatFacts {
                norm: text("linf"),
                epsilon: text("8/255"),
                units: text("pixels in [0, 1]"),
                grid: None,
                budget: None,
            },
            runtime: RuntimeFacts {
                provider: text("cpu"),
                onnxruntime: text("1.31.1"),
                library_sha256: text("fc44"),
                instruction_set: text("avx2"),
                optimisation: text("all"),
            },
            plan: BTreeMap::new(),
            models: vec![ModelFacts {
                name: text("linear"),
                digest: Digest::of(b"model"),
                macs: Some(30_720),
                macs_torchprofile: Some(30_720),
                parameters: Some(30_730),
                params_without_bn: Some(30_730),
                cost: None,
                notes: Vec::new(),
                labels: vec![1, 0, 0],
                scores_rows: false,
                attacks: attacks.iter().map(attack).collect(),
                probes: Vec::new(),
                corruptions: Vec::new(),
            }],
            published: None,
        }
    }

    #[test]
    fn counts_are_those_of_the_rows() {
        let results = summarise(facts(1000, &["fgsm", "pgd"]), &[model_blocks(0..1000, &[4, 3])]).unwrap();
        let model = &results.models[0];
        // Multiples of 7 below 1000 are wrong: 143. Multiples of 4, 3 and 12 among the others fall.
        assert_eq!((model.correct, model.total, model.ties), (857, 1000, 20));
        let [fgsm, pgd] = &model.attacks[..] else { panic!("two attacks") };
        assert_eq!((fgsm.wrong, fgsm.attacked, fgsm.unknown), (143, 250 - 36, 1000 - 143 - 214));
        assert_eq!((pgd.wrong, pgd.attacked, pgd.unknown), (143, 334 - 48, 1000 - 143 - 286));
        assert_eq!(fgsm.robust_accuracy, 0.643);
        assert_eq!((fgsm.forwards, fgsm.backwards, fgsm.judge_forwards), (857 * 20, 857 * 19, 857 * 2));
        assert_eq!(fgsm.found, fgsm.confirmed + fgsm.rejected);
        assert_eq!(fgsm.confirmed, fgsm.attacked);
        let unconfirmed = (0..1000).filter(|r| r % 11 == 0 && r % 7 != 0 && r % 4 != 0).count() as u64;
        assert_eq!(fgsm.flags, [(Flag::Tie, fgsm.ties), (Flag::Unconfirmed, unconfirmed)].into());
        let both = 84 - 12;
        assert_eq!(model.worst_case.as_ref().unwrap().robust, 857 - (214 + 286 - both));
    }

    /// Row by row and class by class the counts are those of all.
    #[test]
    fn rows_and_classes_make_up_the_counts() {
        let results = summarise(facts(500, &["a", "b"]), &[model_blocks(0..500, &[4, 3])]).unwrap();
        let model = &results.models[0];
        let worst = model.worst_case.as_ref().unwrap();
        assert_eq!((model.correct_rows.count(), model.correct_rows.rows()), (model.correct, 500));
        assert_eq!(worst.robust_rows.count(), worst.robust);
        let both = model.attacks[0].robust_rows.iter().zip(model.attacks[1].robust_rows.iter()).map(|(a, b)| a && b);
        assert!(both.eq(worst.robust_rows.iter()));
        assert!((0..500).map(|row| row % 7 != 0).eq(model.correct_rows.iter()));
        // Output 0, the only one that is right here, stands for classes one and two.
        let [class] = &model.classes[..] else { panic!("{:?}", model.classes) };
        assert_eq!((class.output, class.name.as_str()), (0, "one / two"));
        assert_eq!((class.total, class.correct, class.robust), (500, model.correct, Some(worst.robust)));
        let alone = summarise(facts(500, &[]), &[model_blocks(0..500, &[])]).unwrap();
        assert_eq!(alone.models[0].classes[0].robust, None);
    }

    #[test]
    fn verdicts_add_up_and_attacks_never_help() {
        for samples in [0, 1, 249, 250, 251, 777] {
            let results = summarise(facts(samples, &["a", "b"]), &[model_blocks(0..samples, &[2, 5])]).unwrap();
            let model = &results.models[0];
            let worst = model.worst_case.as_ref().unwrap();
            for attack in &model.attacks {
                assert_eq!(attack.wrong + attack.attacked + attack.certified + attack.unknown, attack.total);
                assert_eq!(attack.wrong, model.total - model.correct);
                assert!(attack.robust <= model.correct && attack.robust_accuracy <= model.clean_accuracy);
                assert!(worst.robust <= attack.robust);
                assert!(attack.ci_low <= attack.robust_accuracy && attack.robust_accuracy <= attack.ci_high);
            }
        }
    }

    #[test]
    fn the_order_of_blocks_does_not_matter() {
        let forth = model_blocks(0..1000, &[4, 3]);
        let mut back = forth.clone();
        back.clean.reverse();
        back.attacks.iter_mut().for_each(|blocks| blocks.rotate_left(1));
        let facts = facts(1000, &["a", "b"]);
        let json = |blocks| summarise(facts.clone(), &[blocks]).unwrap().to_json().unwrap();
        assert_eq!(json(forth), json(back));
    }

    #[test]
    fn five_hundred_and_the_next_five_hundred_are_a_thousand() {
        let whole = model_blocks(0..1000, &[4]);
        let (mut first, second) = (model_blocks(0..500, &[4]), model_blocks(500..1000, &[4]));
        first.clean.extend(second.clean);
        first.attacks[0].extend(second.attacks[0].clone());
        let results = |blocks| summarise(facts(1000, &["a"]), &[blocks]).unwrap();
        assert_eq!(results(first), results(whole));
    }

    #[test]
    fn without_attacks_there_is_no_worst_case() {
        let results = summarise(facts(10, &[]), &[model_blocks(0..10, &[])]).unwrap();
        assert_eq!(results.models[0].worst_case, None);
    }

    #[test]
    fn blocks_that_do_not_make_up_the_results_are_refused() {
        let check = |change: fn(&mut ModelBlocks), reason: &str| {
            let mut blocks = model_blocks(0..500, &[4]);
            change(&mut blocks);
            let error = summarise(facts(500, &["fgsm"]), &[blocks]).unwrap_err().to_string();
            assert!(error.contains(reason), "{error}");
        };
        check(|b| b.clean.truncate(1), "`clean` of model `linear`: 250 rows of 500");
        check(|b| b.clean.push(b.clean[0].clone()), "row 0 comes twice");
        check(|b| b.attacks.clear(), "0 attacks for 1");
        check(|b| b.attacks[0].truncate(1), "`fgsm` of model `linear`: 250 rows of 500");
        check(|b| b.attacks[0].extend_from_within(..1), "row 0 comes twice");
        check(|b| b.attacks[0] = b.clean.clone(), "a block of clean predictions");
        check(|b| b.clean = b.attacks[0].clone(), "a block of an attack");
        let all_right = |r| CleanRow { prediction: 0, ..clean_row(r) };
        let contradicting = ModelBlocks {
            clean: blocks(0..500, all_right, |k, r| Block::clean(k, r).unwrap()),
            ..model_blocks(0..500, &[4])
        };
        let error = summarise(facts(500, &["fgsm"]), &[contradicting]).unwrap_err().to_string();
        assert!(error.contains("contradicts"), "{error}");
    }

    #[test]
    fn results_come_back_from_their_file_exactly() {
        let mut facts = facts(777, &["a", "b"]);
        let activations =
            ActivationMemory { file_order_bytes: 9, best_order_bytes: 8, best_is_optimal: true, lower_bound_bytes: 7 };
        let cost = StaticCost { weight_bytes: 4, int8_bytes: 1, flash_bytes: 2, activations };
        facts.models[0].cost = Some(cost.clone());
        let results = summarise(facts, &[model_blocks(0..777, &[2, 5])]).unwrap();
        assert_eq!(results.models[0].cost, Some(cost));
        let text = results.to_json().unwrap();
        assert_eq!(Results::from_json(&text).unwrap(), results);
        let misspelt = text.replacen("\"robust_accuracy\"", "\"robust_acuracy\"", 1);
        let error = Results::from_json(&misspelt).unwrap_err().to_string();
        assert!(error.contains("robust_acuracy") && error.contains("line"), "{error}");
    }

    /// A file of before a field was there lacks it, and is written again as it was.
    #[test]
    fn results_of_older_versions_are_read() {
        let mut results = summarise(facts(10, &["a"]), &[model_blocks(0..10, &[2])]).unwrap();
        let model = &mut results.models[0];
        (model.correct_rows, model.classes, model.attacks[0].robust_rows) = Default::default();
        model.worst_case.as_mut().unwrap().robust_rows = RowSet::default();
        results.dataset.classes.clear();
        results.models[0].macs_torchprofile = None;
        results.models[0].params_without_bn = None;
        let text = results.to_json().unwrap();
        let later = ["torchprofile", "without_bn", "\"cost\"", "analysis", "published", "probes", "auc", "corruptions"];
        for later in later.into_iter().chain(["_rows", "classes", "ranking"]) {
            assert!(!text.contains(later), "{later}");
        }
        assert_eq!(Results::from_json(&text).unwrap(), results);
    }
}
