use super::{Error, Installer, Pin, Settings, Slot, Step, VERSION, check_digest, file_sha256, manual};
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Downloads the wheel, takes the library and what must lie beside it out, and puts them with the record in their
/// slot, the library last. The lock is held.
///
/// Returns the library's SHA-256.
pub(super) fn fetch(
    pin: &Pin,
    slot: &Slot<'_>,
    settings: &Settings,
    report: &mut dyn FnMut(Step),
) -> Result<String, Error> {
    let scratch = Scratch::new(slot.folder.join("partial"))?;
    let wheel = download(pin, slot, &scratch.0, settings, report)?;
    check_digest(&wheel, pin.wheel_sha256, &file_sha256(&wheel)?)?;
    report(Step::Extracting { to: slot.library.clone() });
    let extracted = scratch.0.join(pin.file_name());
    extract(&wheel, pin.member, &extracted).map_err(|error| Error::io("extract the library of", &wheel, &error))?;
    let sha256 = file_sha256(&extracted)?;
    if let Some(expected) = pin.library_sha256 {
        check_digest(&extracted, expected, &sha256)?;
    }
    let record = scratch.0.join("library.sha256");
    fs::write(&record, &sha256).map_err(|error| Error::io("write", &record, &error))?;
    let mut moves = vec![(record, slot.record.clone())];
    for companion in &slot.companions {
        let extracted = scratch.0.join(companion.name);
        extract(&wheel, companion.member, &extracted)
            .map_err(|error| Error::io("extract the library of", &wheel, &error))?;
        check_digest(&extracted, companion.sha256, &file_sha256(&extracted)?)?;
        moves.push((extracted, companion.path.clone()));
    }
    moves.push((extracted, slot.library.clone()));
    for (from, to) in &moves {
        fs::rename(from, to).map_err(|error| Error::io("move into place", to, &error))?;
    }
    Ok(sha256)
}

/// A folder that is empty at the start and gone at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(path: PathBuf) -> Result<Self, Error> {
        if path.exists() {
            fs::remove_dir_all(&path).map_err(|error| Error::io("clear", &path, &error))?;
        }
        fs::create_dir_all(&path).map_err(|error| Error::io("create", &path, &error))?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind is cleared at the next start.
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn download(
    pin: &Pin,
    slot: &Slot<'_>,
    folder: &Path,
    settings: &Settings,
    report: &mut dyn FnMut(Step),
) -> Result<PathBuf, Error> {
    let requirements = folder.join("requirements.txt");
    fs::write(&requirements, pin.requirement()).map_err(|error| Error::io("write", &requirements, &error))?;
    let mut reasons = Vec::new();
    for installer in &settings.installers {
        let mut command = command(installer, pin, &requirements, folder);
        let shown = shown(installer);
        report(Step::Downloading {
            package: pin.package(),
            version: VERSION,
            size: pin.size(),
            installer: shown.clone(),
        });
        match run(&mut command) {
            Ok(()) => match find_wheel(folder) {
                Some(wheel) => return Ok(wheel),
                None => reasons.push(format!("`{shown}` downloaded no wheel")),
            },
            Err(reason) => reasons.push(format!("`{shown}`: {reason}")),
        }
    }
    Err(Error::Download { reason: reasons.join("; "), hint: manual(pin, &slot.cache) })
}

fn command(installer: &Installer, pin: &Pin, requirements: &Path, folder: &Path) -> Command {
    let mut command = Command::new(&installer.program);
    command.args(&installer.arguments);
    command.args(["download", "--quiet", "--no-input", "--disable-pip-version-check"]);
    command.args(pin.selection()).arg("--require-hashes").arg("--requirement").arg(requirements);
    command.arg("--dest").arg(folder).stdin(Stdio::null());
    command
}

fn shown(installer: &Installer) -> String {
    let words = std::iter::once(&installer.program).chain(&installer.arguments);
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}

fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "not found".to_owned(),
        _ => error.to_string(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = errors.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = lines[lines.len().saturating_sub(4)..].join(" | ");
    Err(format!("{}: {last}", output.status))
}

fn find_wheel(folder: &Path) -> Option<PathBuf> {
    let entries = fs::read_dir(folder).ok()?;
    entries.filter_map(Result::ok).map(|entry| entry.path()).find(|path| path.extension().is_some_and(|e| e == "whl"))
}

fn extract(wheel: &Path, member: &str, to: &Path) -> io::Result<()> {
    let mut archive = zip::ZipArchive::new(File::open(wheel)?)?;
    let mut source = archive.by_name(member)?;
    let mut target = File::create(to)?;
    io::copy(&mut source, &mut target)?;
    target.sync_all()
}
