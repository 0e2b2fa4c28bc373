//! The house rules as tests. Every failure message names the fix.

use crate::{Test, root};
use libtest_mimic::Failed;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("architecture_table_equals_cargo_metadata", architecture_table_equals_cargo_metadata),
    ("unsafe_and_ort_only_in_runtime", unsafe_and_ort_only_in_runtime),
    ("licences_are_on_the_allow_list", licences_are_on_the_allow_list),
    ("files_stay_small", files_stay_small),
    ("no_ignored_or_should_panic_tests", no_ignored_or_should_panic_tests),
    ("tables_have_docs_and_cases", tables_have_docs_and_cases),
    ("suites_plan_or_say_what_is_missing", suites_plan_or_say_what_is_missing),
    ("no_paths_of_a_machine", no_paths_of_a_machine),
    ("one_test_command", one_test_command),
];

/// Licences that a dependency may have. A dual licence needs one of them.
const LICENCES: &[&str] = &[
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Lines that a source file may have, tests included.
const LONGEST_FILE: usize = 800;

fn metadata(deps: bool) -> Result<Value, Failed> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(root()).args(["metadata", "--format-version", "1", "--locked"]);
    if !deps {
        command.arg("--no-deps");
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

fn architecture_table_equals_cargo_metadata() -> Result<(), Failed> {
    let metadata = metadata(false)?;
    let packages = metadata["packages"].as_array().ok_or("no packages")?;
    let short = |name: &str| name.strip_prefix("tinyassay-").unwrap_or(name).to_owned();
    let names: BTreeSet<String> = packages.iter().map(|p| short(p["name"].as_str().unwrap_or_default())).collect();
    let found: BTreeMap<String, BTreeSet<String>> = packages
        .iter()
        .map(|package| {
            let dependencies = package["dependencies"].as_array().into_iter().flatten();
            let ours = dependencies.filter(|d| d["kind"].is_null()).filter_map(|d| d["name"].as_str()).map(short);
            (short(package["name"].as_str().unwrap_or_default()), ours.filter(|name| names.contains(name)).collect())
        })
        .collect();
    let text = std::fs::read_to_string(root().join("harness/ARCHITECTURE.md"))?;
    let written: BTreeMap<String, BTreeSet<String>> = text
        .lines()
        .filter_map(|line| {
            let cells: Vec<&str> = line.strip_prefix('|')?.split('|').map(str::trim).collect();
            let name = cells.first()?.strip_prefix('`')?.strip_suffix('`')?;
            let uses = cells.get(2)?.split(',').map(|s| s.trim().to_owned()).filter(|s| s != "-").collect();
            names.contains(name).then(|| (name.to_owned(), uses))
        })
        .collect();
    if found == written {
        return Ok(());
    }
    Err(format!("harness/ARCHITECTURE.md, table \"Crates\": make it say what Cargo.toml says\n  found {found:?}\n  written {written:?}").into())
}

fn sources() -> Vec<PathBuf> {
    fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                walk(&path, files);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    for folder in ["harness", "tests"] {
        walk(&root().join(folder), &mut files);
    }
    files
}

/// Fails with one line per source file for which `complaint` has something to say.
fn complain(complaint: impl Fn(&Path, &str) -> Option<String>) -> Result<(), Failed> {
    let mut complaints = Vec::new();
    for path in sources() {
        let text = std::fs::read_to_string(&path)?;
        let name = path.strip_prefix(root()).unwrap_or(&path).to_path_buf();
        complaints.extend(complaint(&name, &text).map(|reason| format!("{}: {reason}", name.display())));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

fn unsafe_and_ort_only_in_runtime() -> Result<(), Failed> {
    let (keyword, crate_path) = (concat!("uns", "afe "), concat!("or", "t::"));
    complain(|path, text| {
        if path.starts_with("harness/runtime") {
            return None;
        }
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let words: Vec<&str> =
            code.flat_map(|line| line.split(|c: char| !c.is_alphanumeric() && c != ':' && c != ' ')).collect();
        let hit = words.iter().any(|word| {
            word.trim_start().starts_with(keyword)
                || word.trim_start().trim_start_matches("use ").starts_with(crate_path)
        });
        hit.then(|| format!("`{keyword}` and `{crate_path}` belong in harness/runtime alone; move the code there"))
    })
}

fn licences_are_on_the_allow_list() -> Result<(), Failed> {
    let metadata = metadata(true)?;
    let allowed: BTreeSet<&str> = LICENCES.iter().copied().collect();
    let mut refused = Vec::new();
    for package in metadata["packages"].as_array().ok_or("no packages")? {
        let licence = package["license"].as_str().unwrap_or("none");
        let fine = licence.split(" AND ").all(|part| {
            let part = part.trim_matches(|c| c == '(' || c == ')');
            part.split(" OR ")
                .flat_map(|l| l.split('/'))
                .any(|one| allowed.contains(one.trim().trim_matches(|c| c == '(' || c == ')')))
        });
        if !fine {
            refused.push(format!("{} {}: {licence}", package["name"], package["version"]));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    Err(format!(
        "drop the dependency or, if its licence is fine, add it to LICENCES in tests/tidy.rs:\n{}",
        refused.join("\n")
    )
    .into())
}

fn files_stay_small() -> Result<(), Failed> {
    complain(|_, text| {
        let lines = text.lines().count();
        (lines > LONGEST_FILE).then(|| format!("{lines} lines, at most {LONGEST_FILE}: split it by concept"))
    })
}

fn no_ignored_or_should_panic_tests() -> Result<(), Failed> {
    let (ignored, panics) = (concat!("#[ign", "ore"), concat!("#[should_", "panic"));
    complain(|_, text| {
        let hit = text.contains(ignored) || text.contains(panics);
        hit.then(|| format!("{ignored}] and {panics}] hide failures; assert what happens today"))
    })
}

fn tables_have_docs_and_cases() -> Result<(), Failed> {
    let ops = graph::ops::OPS.iter().map(|op| ("operator", op.name, op.doc, !(op.cases)().is_empty()));
    let attacks = attack::ATTACKS.iter().map(|entry| ("attack", entry.name, entry.about, !(entry.cases)().is_empty()));
    let probes = probe::PROBES.iter().map(|entry| ("probe", entry.name, entry.about, !(entry.cases)().is_empty()));
    let corruptions =
        probe::CORRUPTIONS.iter().map(|one| ("corruption", one.name, one.about, !one.parameters.is_empty()));
    let attack_presets = attack::PRESETS.iter().map(|preset| ("preset", preset.name, preset.about, true));
    let presets = attack_presets.chain(probe::PRESETS.iter().map(|preset| ("preset", preset.name, preset.about, true)));
    let formats = report::FORMATS.iter().map(|format| ("report format", format.name, format.about, true));
    let exports = report::export::EXPORTS.iter().map(|export| ("export", export.name, export.about, true));
    let architectures = train::zoo::ZOO.iter().map(|entry| ("architecture", entry.name, entry.about, true));
    let bare: Vec<String> = (ops
        .chain(attacks)
        .chain(probes)
        .chain(corruptions)
        .chain(presets)
        .chain(formats)
        .chain(exports)
        .chain(architectures))
    .filter(|(_, _, doc, has_cases)| doc.trim().is_empty() || !has_cases)
    .map(|(kind, name, ..)| format!("{kind} `{name}`: say what it does and give it a case"))
    .collect();
    let guide = std::fs::read_to_string(root().join("suites/README.md"))?;
    let untold = attack::PRESETS.iter().map(|preset| preset.name).chain(attack::ATTACKS.iter().map(|entry| entry.name));
    let untold = untold.chain(probe::PRESETS.iter().map(|preset| preset.name));
    let untold = untold.chain(probe::CORRUPTIONS.iter().map(|one| one.name));
    let untold = untold.chain(probe::PROBES.iter().map(|entry| entry.name));
    let flags = evidence::Flag::DOCS.iter().map(|doc| {
        let name = doc.name;
        if doc.inconclusive_from.is_some() { format!("**`{name}`**") } else { format!("`{name}`") }
    });
    let untold = untold.chain(<suite::Costs as suite::Kind>::presets());
    let untold = untold.chain(evidence::LatencyFlag::DOCS.iter().map(|doc| doc.name));
    let untold = untold.map(|name| format!("`{name}`")).chain(flags);
    let untold = untold.filter(|name| !guide.contains(name.as_str()));
    let all: Vec<String> = bare.into_iter().chain(untold.map(|name| format!("suites/README.md: add {name}"))).collect();
    if all.is_empty() { Ok(()) } else { Err(all.join("\n").into()) }
}

fn suites_plan_or_say_what_is_missing() -> Result<(), Failed> {
    let data = std::env::var_os("TINYASSAY_DATA").filter(|path| !path.is_empty()).map(PathBuf::from);
    let (models, datasets) =
        (registry::Registry::open(root().join("models")), registry::Datasets::open(data, root().join("data")));
    let mut planned = 0;
    for entry in std::fs::read_dir(root().join("suites"))? {
        let path = entry?.path();
        if path.extension().is_none_or(|extension| extension != "yaml") {
            continue;
        }
        let suite = suite::Suite::read(&path).map_err(|error| format!("failed to {error}"))?;
        match suite::plan(&suite, &models, &datasets) {
            Ok(_) => planned += 1,
            Err(error) => {
                let text = error.to_string();
                let missing = ["TINYASSAY_DATA", "no model", "find a model"].iter().any(|part| text.contains(part));
                if !missing || !text.contains("hint: ") {
                    return Err(format!("mend the suite: failed to {text}").into());
                }
            }
        }
    }
    if planned > 0 { Ok(()) } else { Err("no suite plans without downloads; suites/quickstart.yaml must".into()) }
}

fn no_paths_of_a_machine() -> Result<(), Failed> {
    let listed = Command::new("git").current_dir(root()).args(["ls-files", "-z"]).output();
    let names = match listed {
        Ok(output) if output.status.success() => String::from_utf8_lossy(&output.stdout).into_owned(),
        _ => sources().iter().map(|path| format!("{}\0", path.display())).collect(),
    };
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = Some(host.trim()).filter(|host| host.len() > 8 && *host != "localhost");
    let folders = [concat!("/ho", "me/"), concat!("/ro", "ot/"), concat!("/Us", "ers/"), concat!("/wo", "rk/")];
    let mut complaints = Vec::new();
    for name in names.split('\0').filter(|name| !name.is_empty()) {
        let Ok(text) = std::fs::read_to_string(root().join(name)) else { continue };
        let hits = folders.iter().copied().chain(host).filter(|part| text.contains(part));
        complaints.extend(hits.map(|part| format!("{name}: take out `{part}`, which is a place of one machine")));
    }
    if complaints.is_empty() { Ok(()) } else { Err(complaints.join("\n").into()) }
}

fn one_test_command() -> Result<(), Failed> {
    const COMMAND: &str = "cargo xtask check";
    let script = std::fs::read_to_string(root().join(".ci/run"))?;
    if script.lines().filter(|line| line.starts_with("cargo ")).ne([COMMAND]) {
        return Err(format!(".ci/run: its one cargo command must be `{COMMAND}`").into());
    }
    match std::fs::read_to_string(root().join("README.md")) {
        Ok(readme) if !readme.contains(COMMAND) => Err(format!("README.md: the test command is `{COMMAND}`").into()),
        _ => Ok(()),
    }
}
