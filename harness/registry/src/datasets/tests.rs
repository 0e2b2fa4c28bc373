use super::*;
use ndarray::{Array1, Array3, ArrayD};
use ndarray_npy::NpzWriter;
use std::fs::File;

struct Scratch {
    folder: tempfile::TempDir,
    datasets: Datasets,
}

impl Scratch {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("files")).unwrap();
        let datasets = Datasets::open(None, folder.path().join("data"));
        Self { folder, datasets }
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        let path = self.folder.path().join("files").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn npz(&self, name: &str, add: impl FnOnce(&mut NpzWriter<File>)) {
        let mut writer = NpzWriter::new_compressed(File::create(self.folder.path().join("files").join(name)).unwrap());
        add(&mut writer);
        writer.finish().unwrap();
    }

    fn facts(&self, format: Format, files: &[&str]) -> NewDataset {
        NewDataset {
            name: "own".to_owned(),
            format,
            root: self.folder.path().join("files"),
            splits: BTreeMap::from([("test".to_owned(), files.iter().map(|file| (*file).to_owned()).collect())]),
            rows: BTreeMap::new(),
            layout: Layout::Nchw,
            shape: vec![1, 2, 2],
            units: DataUnits::Unit,
            range: None,
            scale: None,
            zero_point: None,
            arrays: None,
            classes: vec!["a".to_owned(), "b".to_owned()],
            licence: Some("CC0".to_owned()),
            source: None,
        }
    }

    fn refusal(&self, facts: NewDataset) -> String {
        let error = self.datasets.add(facts).expect_err("the files are wrong").to_string();
        assert!(!self.folder.path().join("data/own.yaml").exists());
        error
    }
}

fn idx(dims: &[u32], elements: &[u8]) -> Vec<u8> {
    let header = [0, 0, 8, dims.len() as u8];
    header.into_iter().chain(dims.iter().flat_map(|dim| dim.to_be_bytes())).chain(elements.iter().copied()).collect()
}

#[test]
fn signs32_is_drawn_with_the_pinned_digests() {
    let datasets = Datasets::open(None, "/nowhere");
    for (split, samples, digest) in [
        ("test", 2000, "25a4647cbc8a677b1a6e0dbae67b5062a0cd26f7a0c66e2ccd193383e2bd0efd"),
        ("train", 4000, "e690feba601c3df4618084cfbdf7df0426b0602fd857e010cfaebc55d93cbab8"),
    ] {
        let bytes = signs32::file(&format!("signs32/{split}")).unwrap();
        assert_eq!(Digest::of(&bytes).to_string(), digest);
        let dataset = datasets.load("signs32", split).unwrap();
        assert_eq!((dataset.len(), dataset.counts()), (samples, vec![samples / 10; 10]));
        assert_eq!(dataset.classes, signs32::CLASSES);
    }
    assert!(datasets.verify("signs32").unwrap().iter().all(FileCheck::is_verified));
}

#[test]
fn only_data_sets_with_files_can_be_missing() {
    let missing =
        |data_dir: Option<&str>, name: &str| Datasets::open(data_dir.map(PathBuf::from), "none").missing(name).unwrap();
    assert_eq!(missing(None, "signs32"), None);
    assert_eq!(missing(Some("no-such-folder"), "signs32"), None);
    assert_eq!(missing(None, "kws01").as_deref(), Some("TINYASSAY_DATA is not set"));
    assert_eq!(missing(Some("no-such-folder"), "kws01").as_deref(), Some("no-such-folder/kws01_perf1000.npz"));
}

#[test]
fn built_in_manifests_are_valid_and_say_where_to_get_the_data() {
    let datasets = Datasets::open(None, "/nowhere");
    let listed = datasets.list().unwrap();
    assert_eq!(
        listed.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(),
        ["cifar10", "kws01", "mnist", "signs32"]
    );
    for (name, manifest) in listed {
        let manifest = manifest.unwrap();
        assert_eq!(manifest.name, name);
        assert!(manifest.licence.is_some() && manifest.source.is_some());
    }
    let unset = datasets.load("cifar10", "test").unwrap_err().to_string();
    assert!(unset.contains("TINYASSAY_DATA is not set") && unset.contains("cifar-10-binary.tar.gz"), "{unset}");
    let empty = tempfile::tempdir().unwrap();
    let absent =
        Datasets::open(Some(empty.path().to_owned()), "/nowhere").load("mnist", "test").unwrap_err().to_string();
    assert!(absent.contains("t10k-images-idx3-ubyte is missing") && absent.contains("hint: "), "{absent}");
}

#[test]
fn unknown_names_and_splits_are_answered_with_the_known_ones() {
    let datasets = Datasets::open(None, "/nowhere");
    let set = datasets.load("cifar", "test").unwrap_err().to_string();
    assert!(set.contains("the data sets are cifar10, kws01, mnist, signs32"), "{set}");
    let split = datasets.load("signs32", "validation").unwrap_err().to_string();
    assert!(split.contains("its splits are test, train"), "{split}");
    assert!(matches!(datasets.load("../x", "test"), Err(Error::NoDataset { .. })));
}

#[test]
fn cifar_records_are_read_and_truncation_is_noticed() {
    let scratch = Scratch::new();
    scratch.write("b.bin", &[1, 10, 20, 30, 40, 0, 50, 60, 70, 80]);
    scratch.datasets.add(scratch.facts(Format::CifarBin, &["b.bin"])).unwrap();
    let samples = scratch.datasets.load("own", "test").unwrap().rows(0..2).unwrap();
    assert_eq!((samples.labels, samples.x[3], samples.x[4]), (vec![1, 0], 40.0 / 255.0, 50.0 / 255.0));

    scratch.write("b.bin", &[1, 10, 20, 30, 40, 0, 50, 60, 70, 81]);
    assert!(matches!(scratch.datasets.load("own", "test"), Err(Error::WrongDigest { .. })));
    assert!(!scratch.datasets.verify("own").unwrap()[0].is_verified());
    assert!(matches!(scratch.datasets.add(scratch.facts(Format::CifarBin, &["b.bin"])), Err(Error::Exists { .. })));
    fs::remove_file(scratch.folder.path().join("data/own.yaml")).unwrap();

    scratch.write("b.bin", &[1, 10, 20, 30, 40, 0, 50]);
    assert!(scratch.refusal(scratch.facts(Format::CifarBin, &["b.bin"])).contains("no multiple of a record's 5"));
    scratch.write("b.bin", &[2, 10, 20, 30, 40]);
    assert!(scratch.refusal(scratch.facts(Format::CifarBin, &["b.bin"])).contains("row 0 has label 2"));
    scratch.write("b.bin", &[]);
    assert!(scratch.refusal(scratch.facts(Format::CifarBin, &["b.bin"])).contains("at least one sample"));
}

#[test]
fn idx_files_are_read_in_either_order_and_truncation_is_noticed() {
    let scratch = Scratch::new();
    let images = idx(&[2, 2, 2], &[0, 1, 2, 3, 4, 5, 6, 255]);
    scratch.write("z-images", &images);
    scratch.write("a-labels", &idx(&[2], &[1, 0]));
    scratch.datasets.add(scratch.facts(Format::Idx, &["z-images", "a-labels"])).unwrap();
    let samples = scratch.datasets.load("own", "test").unwrap().rows(1..2).unwrap();
    assert_eq!((samples.labels, samples.x[3]), (vec![0], 1.0));
    fs::remove_file(scratch.folder.path().join("data/own.yaml")).unwrap();

    for (bytes, expected) in [
        (images[..images.len() - 1].to_vec(), "has 7 elements, its header says [2, 2, 2]"),
        (images[..9].to_vec(), "ends inside its header"),
        (vec![0, 0], "does not begin as an IDX file"),
        (vec![0, 0, 13, 1, 0, 0, 0, 0], "element type 13"),
        (idx(&[u32::MAX; 4], &[0]), "its header says"),
        (idx(&[2, 2, 3], &[0; 12]), "has rows of [2, 3], the manifest says [1, 2, 2]"),
        (idx(&[2], &[0, 0]), "one file of images and one of labels"),
        (idx(&[3, 2, 2], &[0; 12]), "12 values for 2 rows"),
    ] {
        scratch.write("z-images", &bytes);
        let error = scratch.refusal(scratch.facts(Format::Idx, &["z-images", "a-labels"]));
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn npz_arrays_of_each_type_are_read() {
    let scratch = Scratch::new();
    let facts = |name: &str| NewDataset { name: name.to_owned(), ..scratch.facts(Format::Npz, &["t.npz"]) };
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &ArrayD::from_shape_vec(vec![2, 2, 2, 1], (0u8..8).collect()).unwrap()).unwrap();
        npz.add_array("y", &Array1::from_vec(vec![1i64, 0])).unwrap();
    });
    scratch.datasets.add(facts("bytes")).unwrap();
    let samples = scratch.datasets.load("bytes", "test").unwrap().rows(0..2).unwrap();
    assert_eq!((samples.labels, samples.x[7]), (vec![1, 0], 7.0 / 255.0));

    scratch.npz("t.npz", |npz| {
        npz.add_array("rows", &Array3::<f32>::from_elem((2, 2, 2), 0.5)).unwrap();
        npz.add_array("labels", &Array1::from_vec(vec![1u8, 1])).unwrap();
    });
    let arrays = Some(Arrays { x: "rows".to_owned(), y: "labels".to_owned() });
    scratch.datasets.add(NewDataset { arrays, ..facts("floats") }).unwrap();
    let dataset = scratch.datasets.load("floats", "test").unwrap();
    assert_eq!((dataset.domain.levels, dataset.counts()), (None, vec![0, 2]));
    assert!(scratch.refusal(facts("names")).contains("there is no array `x`, the arrays are rows, labels"));
}

#[test]
fn npz_files_that_do_not_fit_are_refused() {
    let scratch = Scratch::new();
    let two = || Array1::from_vec(vec![0u8, 1]);
    let refusal = || scratch.refusal(scratch.facts(Format::Npz, &["t.npz"]));
    scratch.write("t.npz", b"not a zip file");
    assert!(refusal().contains("`t.npz`"));
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &Array3::<f64>::zeros((2, 2, 2))).unwrap();
        npz.add_array("y", &two()).unwrap();
    });
    assert!(refusal().contains("must be uint8, int8 or float32"));
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &Array3::<i8>::zeros((2, 2, 2))).unwrap();
        npz.add_array("y", &two()).unwrap();
    });
    assert!(refusal().contains("needs `units: raw`"));
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &Array3::<f32>::from_elem((2, 2, 2), f32::NAN)).unwrap();
        npz.add_array("y", &two()).unwrap();
    });
    assert!(refusal().contains("is NaN"));
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &Array3::<u8>::zeros((2, 2, 2))).unwrap();
        npz.add_array("y", &Array1::from_vec(vec![0i32, -1])).unwrap();
    });
    assert!(refusal().contains("label -1, which is negative"));
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &Array3::<u8>::zeros((3, 2, 2))).unwrap();
        npz.add_array("y", &two()).unwrap();
    });
    assert!(refusal().contains("has 3 rows, `y` 2 labels"));
    scratch.npz("t.npz", |npz| {
        npz.add_array("x", &Array3::<u8>::zeros((2, 3, 2))).unwrap();
        npz.add_array("y", &two()).unwrap();
    });
    assert!(refusal().contains("its rows must be [1, 2, 2]"));
}

/// The bytes of an npy file of version 1.0, whose header is padded as NumPy pads it.
fn npy(header: &str, elements: &[u8]) -> Vec<u8> {
    let padding = (64 - (10 + header.len() + 1) % 64) % 64;
    let header = format!("{header}{}\n", " ".repeat(padding));
    [b"\x93NUMPY\x01\x00", &(header.len() as u16).to_le_bytes()[..], header.as_bytes(), elements].concat()
}

fn header(kind: &str, shape: &str) -> String {
    format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}")
}

/// Files as those of CIFAR-10-C: rows of pictures, one severity after the other, and labels.
#[test]
fn npy_files_are_read_by_ranges_of_rows() {
    let scratch = Scratch::new();
    let pixels: Vec<u8> = (0..40).collect();
    scratch.write("gaussian_noise.npy", &npy(&header("|u1", "(10, 2, 2, 1)"), &pixels));
    let labels: Vec<u8> = (0..10).map(|row| row % 2).collect();
    let nhwc = |name: &str, rows: &[(&str, &str)]| {
        let facts = scratch.facts(Format::Npy, &["gaussian_noise.npy", "labels.npy"]);
        let rows = rows.iter().map(|(split, rows)| ((*split).to_owned(), rows.parse().unwrap()));
        let rows: BTreeMap<String, RowRange> = rows.collect();
        let files = facts.splits["test"].clone();
        let splits = rows.keys().map(|split| (split.clone(), files.clone())).collect();
        let splits = if rows.is_empty() { facts.splits.clone() } else { splits };
        NewDataset { name: name.to_owned(), splits, rows, layout: Layout::Nhwc, shape: vec![2, 2, 1], ..facts }
    };
    for (kind, size) in [("|u1", 1), ("|i1", 1), (">u1", 1), ("<i2", 2), ("<u4", 4), ("<i4", 4), ("<i8", 8), ("<u8", 8)]
    {
        let wide: Vec<u8> = labels.iter().flat_map(|label| u64::from(*label).to_le_bytes()[..size].to_vec()).collect();
        scratch.write("labels.npy", &npy(&header(kind, "(10,)"), &wide));
        let name = format!("whole-{size}-{}", &kind[1..]).replace("u1", if kind == ">u1" { "b1" } else { "u1" });
        assert_eq!(scratch.datasets.add(nhwc(&name, &[])).unwrap().splits["test"].samples, 10, "{kind}");
        let whole = scratch.datasets.load(&name, "test").unwrap();
        assert_eq!(whole.labels().collect::<Vec<_>>(), [0, 1, 0, 1, 0, 1, 0, 1, 0, 1], "{kind}");
    }
    scratch.write("labels.npy", &npy(&header("|u1", "(10,)"), &labels));
    let splits = [("severity-1", "0..2"), ("severity-2", "2..5"), ("severity-5", "9..10")];
    scratch.datasets.add(nhwc("cor", &splits)).unwrap();
    let mut digests = Vec::new();
    for (split, first, count) in [("severity-1", 0, 2), ("severity-2", 2, 3), ("severity-5", 9, 1)] {
        let part = scratch.datasets.load("cor", split).unwrap();
        assert_eq!((part.len(), part.domain.levels), (count, Some(255)));
        let samples = part.rows(0..count).unwrap();
        let wanted: Vec<f32> = pixels[4 * first..4 * (first + count)].iter().map(|p| f32::from(*p) / 255.0).collect();
        assert_eq!((samples.x, samples.labels[0]), (wanted, first % 2));
        digests.push(part.digest);
    }
    digests.dedup();
    assert_eq!(digests.len(), 3, "the rows are part of the digest");
    assert!(scratch.datasets.verify("cor").unwrap().iter().all(FileCheck::is_verified));
    let manifest = fs::read_to_string(scratch.folder.path().join("data/cor.yaml")).unwrap();
    assert!(manifest.contains("rows: \"2..5\""), "{manifest}");

    for (change, expected) in [
        ("rows: 2..6", "are 4 samples, and `samples` says 3"),
        ("rows: 5..2", "no range of rows"),
        ("rows: [2, 5]", "own.yaml"),
    ] {
        let own = manifest.replace("name: cor", "name: own").replace("rows: \"2..5\"", change);
        fs::write(scratch.folder.path().join("data/own.yaml"), own).unwrap();
        let error = scratch.datasets.manifest("own").unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    fs::remove_file(scratch.folder.path().join("data/own.yaml")).unwrap();
    assert!(scratch.refusal(nhwc("own", &[("late", "9..11")])).contains("rows 9..11 were asked for"));
    scratch.write("b.bin", &[1, 10, 20, 30, 40]);
    let rows = BTreeMap::from([("test".to_owned(), RowRange { start: 0, end: 1 })]);
    let other = NewDataset { rows, ..scratch.facts(Format::CifarBin, &["b.bin"]) };
    assert!(scratch.refusal(other).contains("`rows` belongs to `format: npy`"));
}

#[test]
fn hostile_npy_files_are_refused_without_believing_their_headers() {
    let scratch = Scratch::new();
    let good = npy(&header("|u1", "(2, 1, 2, 2)"), &[7; 8]);
    let labels = npy(&header("|u1", "(2,)"), &[0, 1]);
    let refusal = |images: &[u8], labels: &[u8]| {
        scratch.write("images.npy", images);
        scratch.write("labels.npy", labels);
        scratch.refusal(scratch.facts(Format::Npy, &["images.npy", "labels.npy"]))
    };
    let bent = |from: &str, to: &str| npy(&header("|u1", "(2, 1, 2, 2)").replace(from, to), &[7; 8]);
    let huge = u64::MAX.to_string();
    let long = [b"\x93NUMPY\x02\x00", &u32::MAX.to_le_bytes()[..], b"{}"].concat();
    for (bytes, expected) in [
        (b"".to_vec(), "does not begin as an npy file"),
        (b"PK\x03\x04".to_vec(), "does not begin as an npy file"),
        (b"\x93NUMPY".to_vec(), "ends inside its header"),
        (b"\x93NUMPY\x09\x00\x00\x00".to_vec(), "version 9"),
        (long, "more than 65536"),
        (good[..40].to_vec(), "ends inside its header"),
        (good[..good.len() - 1].to_vec(), "has 7 bytes of elements"),
        ([&good[..], b"x"].concat(), "has 9 bytes of elements"),
        (bent("False", "True"), "Fortran order"),
        (bent("False", "Maybe"), "no `fortran_order`"),
        (bent("|u1", "<f8"), "has 8 bytes of elements"),
        (npy(&header("<f4", "(2, 1, 2, 2)"), &[0; 32]), "images must be uint8"),
        (npy(&header("|i1", "(2, 1, 2, 2)"), &[0; 8]), "images must be uint8"),
        (bent("|u1", ">u2"), "is not read"),
        (bent("'|u1'", "[('a', '|u1')]"), "no simple element type"),
        (bent("|u1", "|é"), "no simple element type"),
        (bent("'descr'", "'kind'"), "no `descr`"),
        (bent("(2, 1, 2, 2)", &format!("({huge}, {huge})")), "bytes of elements"),
        (bent("(2, 1, 2, 2)", "(2, 1, 2, 99999999999999999999)"), "no whole number"),
        (bent("(2, 1, 2, 2)", "(2, 1, 2, -2)"), "no whole number"),
        (bent("(2, 1, 2, 2)", "2"), "no `shape` in parentheses"),
        (bent("(2, 1, 2, 2)", "()"), "has 8 bytes of elements"),
        (npy(&header("|u1", "()"), &[7]), "has no dimensions"),
        (bent("(2, 1, 2, 2)", "(2, 2, 2, 1)"), "has rows of [2, 2, 1]"),
        (npy(&header("|u1", "(3, 1, 2, 2)"), &[7; 12]), "has 3 rows"),
        (npy("\u{1f}", &[]), "no `descr`"),
        (labels.clone(), "one file of images and one of labels"),
    ] {
        let error = refusal(&bytes, &labels);
        assert!(error.contains(expected), "expected `{expected}`: {error}");
    }
    for (bytes, expected) in [
        (npy(&header("<f4", "(2,)"), &[0; 8]), "labels must be integers"),
        (npy(&header("|i1", "(2,)"), &[0, 255]), "negative label"),
        (npy(&header("|u1", "(2,)"), &[0, 9]), "row 1 has label 9"),
        (good.clone(), "one file of images and one of labels"),
    ] {
        let error = refusal(&good, &bytes);
        assert!(error.contains(expected), "expected `{expected}`: {error}");
    }
    // No byte of a header makes the program do worse than refuse.
    scratch.write("images.npy", &good);
    scratch.write("labels.npy", &labels);
    let manifest = scratch.datasets.add(scratch.facts(Format::Npy, &["images.npy", "labels.npy"])).unwrap();
    let mut refused = 0;
    for at in 0..good.len() - 8 {
        for bit in 0..8 {
            let mut damaged = good.clone();
            damaged[at] ^= 1 << bit;
            let files = [("images.npy".to_owned(), damaged), ("labels.npy".to_owned(), labels.clone())];
            refused += usize::from(formats::read(&manifest, None, &files).is_err());
        }
    }
    // Padding may be damaged, and what is not read of the version.
    assert!(refused > 8 * 60, "{refused}");
}

fn png(width: u32, height: u32, rgb: [u8; 3]) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbImage::from_pixel(width, height, image::Rgb(rgb)).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    bytes.into_inner()
}

#[test]
fn a_folder_of_images_finds_its_own_classes_and_shape() {
    let scratch = Scratch::new();
    scratch.write("set/dog/1.png", &png(4, 2, [255, 0, 51]));
    scratch.write("set/cat/1.png", &png(4, 2, [0, 255, 0]));
    scratch.write("set/cat/2.PNG", &png(4, 2, [0, 0, 255]));
    scratch.write("set/cat/notes.txt", b"no image");
    let facts = || NewDataset { shape: vec![], classes: vec![], ..scratch.facts(Format::ImageFolder, &["set"]) };
    let manifest = scratch.datasets.add(facts()).unwrap();
    assert_eq!((manifest.classes, manifest.shape), (vec!["cat".to_owned(), "dog".to_owned()], vec![3, 2, 4]));
    let dataset = scratch.datasets.load("own", "test").unwrap();
    let samples = dataset.rows(2..3).unwrap();
    assert_eq!((samples.labels, samples.x[0], samples.x[8], samples.x[16]), (vec![1], 1.0, 0.0, 0.2));
    fs::remove_file(scratch.folder.path().join("data/own.yaml")).unwrap();

    scratch.write("set/cat/2.PNG", &png(4, 3, [0, 0, 255]));
    assert!(scratch.refusal(facts()).contains("all images must be [3, 2, 4]"));
    scratch.write("set/cat/2.PNG", &png(4, 2, [0, 0, 255])[..40]);
    assert!(scratch.refusal(facts()).contains("`set/cat/2.PNG`"));
    let mut bytes = std::io::Cursor::new(Vec::new());
    image::RgbaImage::new(4, 2).write_to(&mut bytes, image::ImageFormat::Png).unwrap();
    scratch.write("set/cat/2.PNG", &bytes.into_inner());
    assert!(scratch.refusal(facts()).contains("only 8-bit grey and RGB are read"));
}

#[test]
fn a_user_manifest_with_a_mistake_is_shown_with_its_place() {
    let scratch = Scratch::new();
    fs::create_dir(scratch.folder.path().join("data")).unwrap();
    fs::write(scratch.folder.path().join("data/own.yaml"), "name: own\nformt: npz\n").unwrap();
    let error = scratch.datasets.manifest("own").unwrap_err().to_string();
    assert!(error.contains("own.yaml:2:1: unknown key `formt`") && error.contains("did you mean `format`?"), "{error}");
    assert!(scratch.datasets.list().unwrap().iter().any(|(name, manifest)| name == "own" && manifest.is_err()));
    fs::write(scratch.folder.path().join("data/mnist.yaml"), "").unwrap();
    assert!(scratch.datasets.manifest("mnist").unwrap_err().to_string().contains("built-in"));
    fs::write(scratch.folder.path().join("data/other.yaml"), include_str!("../builtin/cifar10.yaml")).unwrap();
    assert!(scratch.datasets.manifest("other").unwrap_err().to_string().contains("differs from the file's name"));
}

#[test]
fn facts_that_cannot_be_are_refused() {
    let scratch = Scratch::new();
    scratch.write("b.bin", &[1, 10, 20, 30, 40]);
    let facts = || scratch.facts(Format::CifarBin, &["b.bin"]);
    let named = |name: &str| NewDataset { name: name.to_owned(), ..facts() };
    assert!(scratch.refusal(named("a/b")).contains("is not allowed"));
    assert!(matches!(scratch.datasets.add(named("mnist")), Err(Error::Exists { .. })));
    assert!(scratch.refusal(scratch.facts(Format::CifarBin, &["../b.bin"])).contains("relative path inside"));
    assert!(matches!(scratch.datasets.add(scratch.facts(Format::CifarBin, &["c.bin"])), Err(Error::Io { .. })));
    assert!(scratch.refusal(NewDataset { scale: Some(1.0), ..facts() }).contains("belong to `units: raw`"));
    assert!(scratch.refusal(NewDataset { arrays: Some(Arrays::default()), ..facts() }).contains("`arrays` belongs"));
    assert!(scratch.refusal(NewDataset { classes: vec!["a".into()], ..facts() }).contains("`classes` has 1 names"));
    let raw = || NewDataset { units: DataUnits::Raw, ..facts() };
    for scale in [-1.0, 0.0, 1e-40, 1e37, f64::INFINITY] {
        assert!(scratch.refusal(NewDataset { scale: Some(scale), ..raw() }).contains("`scale: "), "{scale}");
    }
    assert!(scratch.refusal(NewDataset { range: Some([1.0, 0.0]), ..raw() }).contains("smaller one first"));
    assert!(scratch.refusal(NewDataset { zero_point: Some(300), ..raw() }).contains("not in -128..=255"));
}
