//! `tinyassay model build`: a network of the zoo as an ONNX file.

use crate::args::BuildArgs;
use crate::exit::Exit;
use crate::table;
use anyhow::{Context, Result, bail};
use evidence::{SystemFiles, write_atomically};
use graph::Cost;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use train::Architecture;
use train::zoo::{self, Takes, dimensions};

/// Prints what the network costs, and writes it unless told not to.
///
/// Errors: the architecture has no such option or can't be built so, the file exists already or can't be written.
pub(crate) fn run(args: &BuildArgs) -> Result<Exit> {
    if args.list {
        list();
        return Ok(Exit::Pass);
    }
    let entry = args.arch.as_deref().and_then(zoo::find).context("no such architecture; see --list")?;
    let architecture = entry.usual.with_options(&options(args))?;
    let input = args.input.as_ref().map_or(entry.input, |input| &input.0);
    let classes = args.classes.unwrap_or(match entry.takes {
        Takes::Images { .. } => entry.outputs,
        Takes::Features { .. } => input.iter().fold(1, |product: usize, &dim| product.saturating_mul(dim)),
    });
    let name = args.name.clone().unwrap_or_else(|| architecture.label());
    let out = args.out.clone().map_or_else(|| default_path(&name), Ok)?;
    let mut graph = architecture.build(input, classes, 1, args.seed)?;
    graph.set_name(&name);
    println!("{}", report(&architecture, input, classes, &graph.cost()));
    if args.dry_run {
        return Ok(Exit::Pass);
    }
    write(&out, &graph::encode_symbolic_batch(&graph), args.force)?;
    println!("wrote {} with weights of seed {}", out.display(), args.seed);
    Ok(Exit::Pass)
}

fn options(args: &BuildArgs) -> Vec<(&'static str, Value)> {
    let given = [
        ("width", args.width.map(|width| json!(width))),
        ("expand", args.expand.map(|expand| json!(expand))),
        ("filters", args.filters.map(|filters| json!(filters))),
    ];
    given.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `NAME.onnx` in the current folder.
fn default_path(name: &str) -> Result<PathBuf> {
    if name.is_empty() || name.contains(['/', '\\']) || name.starts_with('.') {
        bail!("the name `{name}` can't be that of a file\nhint: say with --out where to write it");
    }
    Ok(format!("{name}.onnx").into())
}

fn write(path: &Path, bytes: &[u8], force: bool) -> Result<()> {
    if !force && path.symlink_metadata().is_ok() {
        bail!("failed to write {}: it exists already\nhint: give another --out, or --force", path.display());
    }
    Ok(write_atomically(&SystemFiles, path, bytes)?)
}

fn report(architecture: &Architecture, input: &[usize], classes: usize, cost: &Cost) -> String {
    let rows = [
        ("params", cost.params, "all, batch-norm statistics included"),
        ("params_trainable", cost.params_trainable, "without batch-norm means and variances"),
        ("params_without_bn", cost.params_without_bn, "as if batch norm were removed"),
        ("MACs (default)", cost.macs, "convolutions and dense layers, no bias"),
        ("MACs (torchprofile)", cost.macs_torchprofile, "and the outputs of average pools"),
    ];
    let rows = rows.map(|(name, count, meaning)| [name.to_owned(), grouped(count), meaning.to_owned()]);
    let table = table::render(["of one input", "count", "what is counted"], rows);
    format!("{architecture}, input {}, {classes} outputs\n{table}", dimensions(input))
}

/// `15,979,008`.
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let commas = |(index, digit): (usize, char)| {
        let comma = index > 0 && (digits.len() - index).is_multiple_of(3);
        comma.then_some(',').into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(commas).collect()
}

fn list() {
    let rows = zoo::ZOO.iter().map(|entry| {
        let options = entry.usual.options().into_iter().map(|(name, value)| format!("--{name} {value}"));
        let options = options.collect::<Vec<_>>().join(" ");
        [entry.name.to_owned(), options, dimensions(entry.input), entry.outputs.to_string()]
    });
    println!("{}", table::render(["architecture", "options, as published", "input", "outputs"], rows));
    for entry in zoo::ZOO {
        println!("{}: {}", entry.name, entry.about);
        entry.options.iter().for_each(|(name, meaning)| println!("  --{name}: {meaning}"));
    }
}
