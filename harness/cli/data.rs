//! `tinyassay data`: the data sets.

use crate::args::{AddDataArgs, DataVerb};
use crate::exit::Exit;
use crate::places::Places;
use crate::table;
use anyhow::{Result, bail};
use registry::{DataUnits, DatasetManifest, FileState, Format, Layout, NewDataset, RowRange};
use std::collections::BTreeMap;
use std::path::PathBuf;

/// Runs one verb.
///
/// Errors: a name that is not known, a manifest or file that can't be read.
pub(crate) fn run(verb: DataVerb) -> Result<Exit> {
    let places = Places::from_env();
    match verb {
        DataVerb::Add(args) => add(&places, args),
        DataVerb::List => {
            availability(&places)?.iter().for_each(|line| println!("{line}"));
            Ok(Exit::Pass)
        }
        DataVerb::Show { name } => show(&places, &name),
        DataVerb::Verify { names } => verify(&places, names),
    }
}

/// One line per data set: its name, size and whether its files are there.
///
/// Errors: the folder of manifests can't be listed.
pub(crate) fn availability(places: &Places) -> Result<Vec<String>> {
    let datasets = places.datasets();
    let lines = datasets.list()?.into_iter().map(|(name, manifest)| {
        let manifest = match manifest {
            Ok(manifest) => manifest,
            Err(error) => return format!("{name:<12} failed to {error}"),
        };
        let splits: Vec<String> =
            manifest.splits.iter().map(|(split, facts)| format!("{split} {}", facts.samples)).collect();
        let state = match datasets.missing(&name) {
            Ok(None) => "available".to_owned(),
            Ok(Some(reason)) => format!("not there: {reason}"),
            Err(error) => format!("failed to {error}"),
        };
        format!("{name:<12} {:?} {:<24} {state}", manifest.shape, splits.join(", "))
    });
    Ok(lines.collect())
}

fn show(places: &Places, name: &str) -> Result<Exit> {
    let datasets = places.datasets();
    let manifest = datasets.manifest(name)?;
    let DatasetManifest { shape, layout, classes, licence, source, splits, format, .. } = &manifest;
    println!("{name}: {format:?}, rows {shape:?} ({layout:?}), {} classes", classes.len());
    println!("licence: {}", licence.as_deref().unwrap_or("unknown"));
    println!("source: {}", source.as_deref().unwrap_or("unknown"));
    for split in splits.keys() {
        match datasets.load(name, split) {
            Ok(dataset) => {
                println!("\n{split}: {} samples, digest {}", dataset.len(), dataset.digest);
                let counts = dataset.counts();
                let rows = classes.iter().zip(counts).map(|(class, count)| [class.clone(), count.to_string()]);
                println!("{}", table::render(["class", "samples"], rows));
            }
            Err(error) => println!("\n{split}: failed to {error}"),
        }
    }
    Ok(Exit::Pass)
}

fn verify(places: &Places, names: Vec<String>) -> Result<Exit> {
    let datasets = places.datasets();
    let names = if names.is_empty() {
        let all = datasets.list()?.into_iter().filter_map(|(name, manifest)| Some((name, manifest.ok()?)));
        all.map(|(name, _)| name).filter(|name| matches!(datasets.missing(name), Ok(None))).collect()
    } else {
        names
    };
    let mut exit = Exit::Pass;
    for name in names {
        for check in datasets.verify(&name)? {
            match check.state {
                FileState::Verified => println!("{name}/{}: verified", check.name),
                FileState::Failed(error) => {
                    println!("{name}/{}: FAILED to {error}", check.name);
                    exit = Exit::Failed;
                }
            }
        }
    }
    Ok(exit)
}

fn add(places: &Places, args: AddDataArgs) -> Result<Exit> {
    let format = match args.format.as_str() {
        "npy" => Format::Npy,
        "npz" => Format::Npz,
        "idx" => Format::Idx,
        "cifar-bin" => Format::CifarBin,
        "image-folder" => Format::ImageFolder,
        other => bail!("format `{other}` is not known; there are npy, npz, idx, cifar-bin and image-folder"),
    };
    let (root, files) = root_and_files(&args.files)?;
    let rows = args.rows.iter().map(|text| split_rows(text)).collect::<Result<BTreeMap<_, _>>>()?;
    if rows.len() < args.rows.len() {
        bail!("`--rows` names a split twice");
    }
    let splits = match rows.is_empty() {
        true => BTreeMap::from([(args.split, files)]),
        false => rows.keys().map(|split| (split.clone(), files.clone())).collect(),
    };
    let facts = NewDataset {
        name: args.name.clone(),
        format,
        root,
        splits,
        rows,
        layout: match args.layout.as_str() {
            "NHWC" => Layout::Nhwc,
            "NCHW" => Layout::Nchw,
            _ => Layout::Flat,
        },
        shape: args.shape.unwrap_or_default(),
        units: if args.raw { DataUnits::Raw } else { DataUnits::Unit },
        range: None,
        scale: None,
        zero_point: None,
        arrays: None,
        classes: args.classes.unwrap_or_default(),
        licence: Some(args.licence),
        source: None,
    };
    let manifest = places.datasets().add(facts)?;
    println!("registered data set {} in {}", manifest.name, places.manifests.display());
    Ok(Exit::Pass)
}

/// `severity-1=0..10000`: a split and its rows.
fn split_rows(text: &str) -> Result<(String, RowRange)> {
    let Some((split, rows)) = text.split_once('=') else {
        bail!("`--rows {text}` is not of the form SPLIT=START..END, such as severity-1=0..10000");
    };
    match rows.parse() {
        Ok(rows) => Ok((split.to_owned(), rows)),
        Err(reason) => bail!("`--rows {text}`: {reason}"),
    }
}

/// The folder that holds all files, and their names in it; the empty name for a folder that is given itself.
fn root_and_files(files: &[PathBuf]) -> Result<(PathBuf, Vec<String>)> {
    if let [folder] = files
        && folder.is_dir()
    {
        return Ok((folder.clone(), vec![String::new()]));
    }
    let parent = files[0].parent().unwrap_or(&files[0]);
    let names = files.iter().map(|file| match file.strip_prefix(parent) {
        Ok(name) => Ok(name.to_string_lossy().into_owned()),
        Err(_) => {
            bail!("{} is not in {}; the files of a data set stand in one folder", file.display(), parent.display())
        }
    });
    let names = names.collect::<Result<_>>()?;
    let here = parent.as_os_str().is_empty();
    Ok((if here { PathBuf::from(".") } else { parent.to_path_buf() }, names))
}
