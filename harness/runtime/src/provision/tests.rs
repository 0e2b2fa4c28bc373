use super::*;
use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};

const LIBRARY: &[u8] = b"not really a library";
const BESIDE: &[u8] = b"nor is this";

/// A wheel of our own, an installer that copies it, and the pin that fits both.
struct Mirror {
    folder: tempfile::TempDir,
    pin: Pin,
    settings: Settings,
}

fn leak(text: String) -> &'static str {
    Box::leak(text.into_boxed_str())
}

fn mirror() -> Mirror {
    let folder = tempfile::tempdir().unwrap();
    let wheel = folder.path().join("onnxruntime-test.whl");
    let mut zip = zip::ZipWriter::new(File::create(&wheel).unwrap());
    zip.start_file("onnxruntime/capi/libtest.so", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(LIBRARY).unwrap();
    zip.start_file("onnxruntime/capi/libbeside.so", zip::write::SimpleFileOptions::default()).unwrap();
    zip.write_all(BESIDE).unwrap();
    zip.finish().unwrap();
    let pin = Pin {
        build: Build::Cpu,
        platform: "test",
        tag: "any",
        wheel_sha256: leak(file_sha256(&wheel).unwrap()),
        member: "onnxruntime/capi/libtest.so",
        library_sha256: Some(leak(hex(&Sha256::digest(LIBRARY)))),
        companions: &[],
    };
    let counter = folder.path().join("downloads");
    // pip's last argument is the folder to download to.
    let script =
        format!("for last; do :; done; echo x >> {}; sleep 0.2; cp {} \"$last\"", counter.display(), wheel.display());
    let settings = Settings {
        dylib: None,
        cache: Some(folder.path().join("cache")),
        offline: false,
        build: Build::Cpu,
        installers: vec![Installer::new("sh", &["-c", &script, "sh"])],
    };
    Mirror { folder, pin, settings }
}

impl Mirror {
    /// The same wheel as a build whose library needs the second file beside it.
    fn with_companion(mut self) -> Self {
        let sha256 = leak(hex(&Sha256::digest(BESIDE)));
        self.pin.companions = Box::leak(Box::new([("onnxruntime/capi/libbeside.so", sha256 as &str)]));
        self
    }

    fn provision(&self) -> Result<Library, Error> {
        cached(&self.pin, &self.settings, &mut |_| {})
    }

    fn downloads(&self) -> usize {
        fs::read_to_string(self.folder.path().join("downloads")).map_or(0, |text| text.lines().count())
    }
}

#[test]
#[cfg(unix)]
fn downloads_once_and_then_takes_the_cache() {
    let mirror = mirror();
    let first = mirror.provision().unwrap();
    assert_eq!(first.source, Source::Download);
    assert_eq!(fs::read(&first.path).unwrap(), LIBRARY);
    let second = mirror.provision().unwrap();
    assert_eq!(second.source, Source::Cache);
    assert_eq!((first.path, first.sha256), (second.path, second.sha256));
    assert_eq!(mirror.downloads(), 1);
    let folder = Slot::new(&mirror.pin, mirror.settings.cache.as_deref().unwrap()).folder;
    let mut names: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["library.sha256", "libtest.so", "lock"]);
}

#[test]
#[cfg(unix)]
fn what_must_lie_beside_the_library_is_fetched_and_checked_like_it() {
    let mirror = mirror().with_companion();
    let first = mirror.provision().unwrap();
    let beside = first.path.with_file_name("libbeside.so");
    assert_eq!(fs::read(&beside).unwrap(), BESIDE);
    assert_eq!(first.companions, [("libbeside.so".to_owned(), hex(&Sha256::digest(BESIDE)))]);
    fs::remove_file(&beside).unwrap();
    assert_eq!(mirror.provision().unwrap().source, Source::Download);
    fs::write(&beside, b"flipped").unwrap();
    assert_eq!(mirror.provision().unwrap().source, Source::Download);
    assert_eq!(fs::read(&beside).unwrap(), BESIDE);
    assert_eq!(mirror.provision().unwrap().source, Source::Cache);
    assert_eq!(mirror.downloads(), 3);
}

#[test]
fn the_build_with_cuda_has_a_folder_and_a_wheel_of_its_own() {
    let pin = |build| PINS.iter().find(|pin| pin.platform == "linux-x86_64" && pin.build == build).unwrap();
    let (cpu, cuda) = (pin(Build::Cpu), pin(Build::Cuda));
    let folder = |pin| Slot::new(pin, Path::new("/cache")).folder;
    assert_eq!(folder(cuda), Path::new("/cache/onnxruntime-gpu-1.31.1-linux-x86_64"));
    assert_ne!(folder(cpu), folder(cuda));
    assert!(cuda.requirement().starts_with("onnxruntime-gpu==1.31.1 --hash=sha256:e26c475f"));
    assert!(manual(cuda, Path::new("/cache")).contains("onnxruntime-gpu==1.31.1"));
    assert_eq!(Settings::from_lookup(|_| None).with_build(Build::Cuda).build, Build::Cuda);
}

#[test]
#[cfg(unix)]
fn racing_callers_download_once() {
    let mirror = mirror();
    let done = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                mirror.provision().unwrap();
                done.fetch_add(1, Ordering::Relaxed);
            });
        }
    });
    assert_eq!(done.load(Ordering::Relaxed), 4);
    assert_eq!(mirror.downloads(), 1);
}

#[test]
#[cfg(unix)]
fn a_damaged_library_is_set_aside_and_fetched_again() {
    for pinned in [true, false] {
        let mut mirror = mirror();
        if !pinned {
            mirror.pin.library_sha256 = None;
        }
        let path = mirror.provision().unwrap().path;
        fs::write(&path, b"flipped").unwrap();
        let mut steps = Vec::new();
        let again = cached(&mirror.pin, &mirror.settings, &mut |step| steps.push(step)).unwrap();
        assert_eq!(again.source, Source::Download);
        assert_eq!(fs::read(&again.path).unwrap(), LIBRARY);
        let Step::SetAside { to } = &steps[0] else { panic!("{steps:?}") };
        assert_eq!(fs::read(to).unwrap(), b"flipped");
        assert!(steps.iter().any(|step| matches!(step, Step::Downloading { .. })), "{steps:?}");
    }
}

#[test]
#[cfg(unix)]
fn a_wheel_or_library_with_another_digest_is_refused() {
    let mut wrong_wheel = mirror();
    wrong_wheel.pin.wheel_sha256 = leak("0".repeat(64));
    let error = wrong_wheel.provision().unwrap_err();
    assert!(matches!(&error, Error::Digest { what, .. } if what.ends_with(".whl")), "{error}");
    let mut wrong_library = mirror();
    wrong_library.pin.library_sha256 = Some(leak("0".repeat(64)));
    let error = wrong_library.provision().unwrap_err();
    assert!(matches!(&error, Error::Digest { what, .. } if what.ends_with("libtest.so")), "{error}");
    let slot = Slot::new(&wrong_library.pin, wrong_library.settings.cache.as_deref().unwrap());
    assert!(!slot.library.exists());
}

#[test]
#[cfg(unix)]
fn the_second_installer_is_tried_where_the_first_is_not_there_or_fails() {
    let mut mirror = mirror();
    mirror.settings.installers.insert(0, Installer::new("tinyassay-test-no-such-program", &[]));
    mirror.settings.installers.insert(1, Installer::new("sh", &["-c", "echo broken >&2; exit 3"]));
    assert_eq!(mirror.provision().unwrap().source, Source::Download);
}

#[test]
fn without_pip_the_error_holds_the_command() {
    let mut mirror = mirror();
    mirror.settings.installers = vec![Installer::new("tinyassay-test-no-such-program", &["-m", "pip"])];
    let text = mirror.provision().unwrap_err().to_string();
    assert!(
        text.starts_with("download ONNX Runtime 1.31.1: `tinyassay-test-no-such-program -m pip`: not found"),
        "{text}"
    );
    assert!(text.contains("python3 -m pip install --target"), "{text}");
    assert!(text.contains("export ORT_DYLIB_PATH="), "{text}");
}

#[test]
#[cfg(unix)]
fn what_the_installer_says_is_in_the_error() {
    let mut mirror = mirror();
    mirror.settings.installers = vec![Installer::new("sh", &["-c", "echo no route to host >&2; exit 1"])];
    let text = mirror.provision().unwrap_err().to_string();
    assert!(text.contains("no route to host"), "{text}");
}

#[test]
fn offline_is_an_error_that_names_the_folder() {
    let mut mirror = mirror();
    mirror.settings.offline = true;
    let text = mirror.provision().unwrap_err().to_string();
    assert!(text.contains("TINYASSAY_OFFLINE is set"), "{text}");
    assert!(text.contains("onnxruntime-1.31.1-test"), "{text}");
    assert_eq!(mirror.downloads(), 0);
    assert!(!mirror.folder.path().join("cache").exists());
}

#[test]
#[cfg(unix)]
fn offline_takes_what_is_in_the_cache() {
    let mut mirror = mirror();
    mirror.provision().unwrap();
    mirror.settings.offline = true;
    assert_eq!(mirror.provision().unwrap().source, Source::Cache);
}

#[test]
fn a_dylib_path_that_is_missing_is_named() {
    let mut mirror = mirror();
    mirror.settings.dylib = Some("/no/such/libonnxruntime.so".into());
    let text = provision(&mirror.settings, &mut |_| {}).unwrap_err().to_string();
    assert!(text.contains("`/no/such/libonnxruntime.so`"), "{text}");
}

#[test]
fn a_dylib_path_wins_over_the_cache() {
    let mut mirror = mirror();
    let file = mirror.folder.path().join("given.so");
    fs::write(&file, LIBRARY).unwrap();
    mirror.settings.dylib = Some(file);
    let library = provision(&mirror.settings, &mut |_| {}).unwrap();
    assert_eq!((library.source, library.sha256), (Source::Variable, hex(&Sha256::digest(LIBRARY))));
}

#[test]
fn settings_come_from_the_variables_in_order() {
    let settings = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, String)> = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Settings::from_lookup(move |name| pairs.iter().find(|(k, _)| k == name).map(|(_, v)| v.into()))
    };
    let cache = |pairs: &[(&str, &str)]| settings(pairs).cache;
    let (home, xdg, own) = (("HOME", "/h"), ("XDG_CACHE_HOME", "/x"), ("TINYASSAY_CACHE", "/t"));
    assert_eq!(cache(&[home, xdg, own]), Some("/t".into()));
    assert_eq!(cache(&[home, xdg]), Some("/x/tinyassay".into()));
    assert_eq!(cache(&[home]), Some("/h/.cache/tinyassay".into()));
    assert_eq!(cache(&[]), None);
    assert!(settings(&[("TINYASSAY_OFFLINE", "1")]).offline);
    assert!(!settings(&[("TINYASSAY_OFFLINE", "0")]).offline);
    assert!(!settings(&[("TINYASSAY_OFFLINE", "")]).offline);
    assert_eq!(settings(&[("ORT_DYLIB_PATH", "")]).dylib, None);
}

#[test]
fn every_pin_is_well_formed_and_of_its_own_platform() {
    for pin in PINS {
        let companions = pin.companions.iter().map(|(_, sha256)| *sha256);
        for digest in [Some(pin.wheel_sha256), pin.library_sha256].into_iter().flatten().chain(companions) {
            assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{pin:?}");
        }
        assert_eq!(
            PINS.iter().filter(|other| (other.platform, other.build) == (pin.platform, pin.build)).count(),
            1,
            "{pin:?}"
        );
        assert!(pin.member.starts_with("onnxruntime/capi/"), "{pin:?}");
    }
}
