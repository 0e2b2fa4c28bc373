//! What holds of every corruption, and the closed forms of single ones.

use super::planes::Planes;
use super::*;
use sha2::{Digest, Sha256};

const SIZES: [(usize, usize); 6] = [(1, 1), (2, 3), (8, 8), (9, 17), (28, 28), (32, 32)];

fn shape(channels: usize, (height, width): (usize, usize)) -> Picture {
    Picture { channels, height, width, channels_last: false }
}

/// 8-bit pixels from a small generator: a soft slope, a disk, and noise on both.
fn sample(picture: &Picture, mut seed: u64) -> Vec<f32> {
    let mut draw = |end: u64| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 40) % end
    };
    let Picture { channels, height, width, .. } = *picture;
    let (middle, size, colours) = (draw(height as u64), 1 + draw(height as u64), [draw(256), draw(256), draw(256)]);
    let mut row = vec![0.0; picture.len()];
    for c in 0..channels {
        for y in 0..height {
            for x in 0..width {
                let inside = y.abs_diff(middle as usize).pow(2) + x.abs_diff(width / 2).pow(2) < (size * size) as usize;
                let soft = ((y * 3 + x * 2) as u64 + 40 * c as u64) % 200;
                let pixel = if inside { colours[c] } else { soft } + draw(20);
                row[picture.index(c, y, x)] = pixel.min(255) as f32 / 255.0;
            }
        }
    }
    row
}

/// Every corruption at every severity.
fn all() -> impl Iterator<Item = (&'static Corruption, u32)> {
    CORRUPTIONS.iter().flat_map(|corruption| (1..=MOST_SEVERE).map(move |severity| (*corruption, severity)))
}

/// What a corruption makes of a picture before it is rounded.
fn unrounded(corruption: &Corruption, severity: u32, picture: &Picture, row: &[f32]) -> Planes {
    let mut planes = Planes::read(row, picture).unwrap();
    let numbers: Vec<f64> = corruption.numbers(severity).unwrap().into_iter().map(|(_, value)| value).collect();
    (corruption.apply)(&mut planes, &numbers, &mut stream(5, corruption.name, &[0; 32], 0));
    planes
}

fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}

#[test]
fn the_table_is_told_apart_and_explained() {
    for (index, one) in CORRUPTIONS.iter().enumerate() {
        assert!(CORRUPTIONS[..index].iter().all(|other| other.name != one.name), "`{}` twice", one.name);
        assert!(one.about.ends_with('.') && one.revision > 0 && !one.parameters.is_empty(), "{}", one.name);
        assert_eq!(corruption(one.name).map(|found| found.name), Some(one.name));
        assert!(one.parameters.iter().any(|number| number.values.windows(2).any(|pair| pair[0] != pair[1])));
    }
    assert!(corruption("frost").is_none());
}

#[test]
fn what_is_no_picture_or_severity_is_refused() {
    let picture = shape(1, (2, 2));
    for one in CORRUPTIONS {
        let refusal = |row: &[f32], picture: &Picture, severity| {
            one.apply(row, picture, severity, 0, &[0; 32]).unwrap_err().to_string()
        };
        for severity in [0, 6, u32::MAX] {
            assert!(refusal(&[0.0; 4], &picture, severity).contains("is not in 1 to 5"));
        }
        assert!(refusal(&[0.0; 3], &picture, 1).contains("3 values for 1x2x2"));
        assert!(refusal(&[0.0; 8], &shape(2, (2, 2)), 1).contains("2 channels"));
        assert!(refusal(&[], &shape(3, (0, 2)), 1).contains("at least 1x1"));
        for value in [1.5, -0.1, f32::NAN, f32::INFINITY] {
            assert!(refusal(&[0.0, 0.0, 0.0, value], &picture, 1).contains("pixels are 0 to 1"), "{value}");
        }
    }
}

#[test]
fn outcomes_are_pixels_of_8_bits_and_do_not_depend_on_the_order_of_elements() {
    for (one, severity) in all() {
        for picture in SIZES.iter().flat_map(|size| [1, 3].map(|channels| shape(channels, *size))) {
            let last = Picture { channels_last: true, ..picture };
            let row = sample(&picture, 7);
            let mut turned = row.clone();
            let places = |picture: Picture| -> Vec<usize> {
                let Picture { channels, height, width, .. } = picture;
                let all = (0..channels).flat_map(|c| (0..height).flat_map(move |y| (0..width).map(move |x| (c, y, x))));
                all.map(|(c, y, x)| picture.index(c, y, x)).collect()
            };
            places(picture).iter().zip(places(last)).for_each(|(from, to)| turned[to] = row[*from]);
            let out = one.apply(&row, &picture, severity, 3, &[1; 32]).unwrap();
            let out_last = one.apply(&turned, &last, severity, 3, &[1; 32]).unwrap();
            for (from, to) in places(picture).into_iter().zip(places(last)) {
                let level = (out[from] * 255.0).round();
                assert!((0.0..=255.0).contains(&level) && out[from].to_bits() == (level / 255.0).to_bits());
                assert_eq!(out[from].to_bits(), out_last[to].to_bits(), "{} {severity} {picture:?}", one.name);
            }
        }
    }
}

#[test]
fn random_ones_follow_seed_sample_and_severity_and_the_others_do_not() {
    let picture = shape(3, (16, 16));
    let row = sample(&picture, 1);
    for (one, severity) in all() {
        let of = |seed, digest: u8| one.apply(&row, &picture, severity, seed, &[digest; 32]).unwrap();
        assert_eq!(of(3, 4), of(3, 4), "{}", one.name);
        assert_eq!(of(3, 4) != of(2, 4), one.random, "{}: the seed", one.name);
        assert_eq!(of(3, 4) != of(3, 5), one.random, "{}: the sample", one.name);
    }
}

#[test]
fn a_higher_severity_moves_pictures_further() {
    let picture = shape(3, (32, 32));
    for one in CORRUPTIONS {
        let distance = |severity| {
            let of = |seed: u8| {
                let row = sample(&picture, seed.into());
                let out = one.apply(&row, &picture, severity, 0, &[seed; 32]).unwrap();
                row.iter().zip(out).map(|(a, b)| f64::from(a - b).powi(2)).sum::<f64>()
            };
            (0..40).map(of).sum::<f64>()
        };
        let distances: Vec<f64> = (1..=MOST_SEVERE).map(distance).collect();
        assert!(distances[0] > 0.0 && distances.is_sorted_by(|a, b| a < b), "{}: {distances:?}", one.name);
    }
}

/// A larger deviation has a larger effect; this says that it is the one that is promised.
#[test]
fn noise_has_the_moments_of_its_closed_form() {
    let picture = shape(3, (64, 64));
    let (grey, count) = (0.4f64, 3.0 * 4096.0);
    for severity in 1..=MOST_SEVERE {
        let moments = |one: &Corruption| {
            let values = unrounded(one, severity, &picture, &vec![0.4; picture.len()]).values;
            let mean = mean(&values);
            (mean, values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / count, values)
        };
        let number = |one: &Corruption| one.numbers(severity).unwrap()[0].1;
        for (one, variance) in [
            (&gaussian_noise::GAUSSIAN_NOISE, number(&gaussian_noise::GAUSSIAN_NOISE).powi(2)),
            (&shot_noise::SHOT_NOISE, grey / number(&shot_noise::SHOT_NOISE)),
        ] {
            let (m, v, _) = moments(one);
            // Five standard errors; that of a variance is about its root of 2 / n.
            assert!((m - grey).abs() < 5.0 * (variance / count).sqrt(), "{} mean {m}", one.name);
            assert!((v / variance - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "{} variance {v} {variance}", one.name);
        }
        let (_, _, values) = moments(&impulse_noise::IMPULSE_NOISE);
        let share = number(&impulse_noise::IMPULSE_NOISE);
        let of = |wanted: f64| values.iter().filter(|value| **value == wanted).count() as f64;
        let (salt, pepper) = (of(1.0), of(0.0));
        assert!(((salt + pepper) / count - share).abs() < 5.0 * (share / count).sqrt(), "{salt} {pepper}");
        assert!((salt - pepper).abs() < 5.0 * (share * count).sqrt(), "{salt} {pepper}");
        assert_eq!(salt + pepper + of(f64::from(0.4f32)), count, "the others are as they were");
    }
}

/// A Poisson variable of the smallest mean that is left of a pixel is 0 as often as it should be.
#[test]
fn dark_pixels_catch_a_photon_as_often_as_they_should() {
    let picture = shape(3, (64, 64));
    let values = unrounded(&shot_noise::SHOT_NOISE, 5, &picture, &vec![1.0 / 255.0; picture.len()]).values;
    let dark = values.iter().filter(|value| **value == 0.0).count() as f64 / values.len() as f64;
    let expected = (-50.0f64 / 255.0).exp();
    assert!((dark - expected).abs() < 5.0 * (expected * (1.0 - expected) / values.len() as f64).sqrt(), "{dark}");
    let black = unrounded(&shot_noise::SHOT_NOISE, 5, &picture, &vec![0.0; picture.len()]).values;
    assert!(black.iter().all(|value| *value == 0.0));
}

#[test]
fn brightness_adds_to_grey_and_keeps_the_ratio_of_channels() {
    let added = |severity| brightness::BRIGHTNESS.numbers(severity).unwrap()[0].1;
    for severity in 1..=MOST_SEVERE {
        let line = shape(1, (1, 256));
        let row: Vec<f32> = (0..256).map(|level| level as f32 / 255.0).collect();
        for (before, after) in row.iter().zip(unrounded(&brightness::BRIGHTNESS, severity, &line, &row).values) {
            assert!((after - (f64::from(*before) + added(severity)).min(1.0)).abs() < 1e-12);
        }
        let pixel = unrounded(&brightness::BRIGHTNESS, severity, &shape(3, (1, 1)), &[0.2, 0.5, 0.1]).values;
        let value = f64::from(0.5f32) + added(severity);
        for (after, before) in pixel.iter().zip([0.2f32, 0.5, 0.1]) {
            assert!((after / value - f64::from(before) / 0.5).abs() < 1e-12, "{pixel:?}");
        }
    }
}

#[test]
fn contrast_keeps_the_mean_of_a_channel_and_a_share_of_the_distance() {
    for severity in 1..=MOST_SEVERE {
        let kept = contrast::CONTRAST.numbers(severity).unwrap()[0].1;
        let picture = shape(3, (2, 2));
        let row: Vec<f32> = [0.0, 1.0, 0.0, 1.0, 0.25, 0.25, 0.75, 0.75, 0.5, 0.5, 0.5, 0.5].to_vec();
        let after = unrounded(&contrast::CONTRAST, severity, &picture, &row).values;
        for (before, after) in row.iter().zip(after) {
            assert!((after - (0.5 + kept * (f64::from(*before) - 0.5))).abs() < 1e-15);
        }
    }
}

#[test]
fn blurs_and_large_pixels_keep_the_mean_and_what_is_constant() {
    let linear = [&gaussian_blur::GAUSSIAN_BLUR, &defocus_blur::DEFOCUS_BLUR, &pixelate::PIXELATE];
    for (one, severity) in linear.into_iter().flat_map(|one| (1..=MOST_SEVERE).map(move |severity| (one, severity))) {
        for picture in SIZES.map(|size| shape(1, size)) {
            let row = sample(&picture, 11);
            let before: Vec<f64> = row.iter().copied().map(f64::from).collect();
            let after = unrounded(one, severity, &picture, &row).values;
            assert!((mean(&before) - mean(&after)).abs() < 1e-12, "{} {severity} {picture:?}", one.name);
            let constant = unrounded(one, severity, &picture, &vec![0.3; picture.len()]).values;
            assert!(constant.iter().all(|value| (value - f64::from(0.3f32)).abs() < 1e-12), "{}", one.name);
            let range = |values: &[f64]| values.iter().fold((1.0, 0.0), |(a, b), v| (f64::min(a, *v), f64::max(b, *v)));
            let ((low, high), (least, most)) = (range(&before), range(&after));
            assert!(low - 1e-12 <= least && most <= high + 1e-12, "a mean of pixels lies between them");
        }
    }
}

/// A single light pixel becomes the filter itself, whose second moment is known: for one axis the square of the deviation,
/// but for what is cut off and that pixels are points.
#[test]
fn a_gaussian_blur_is_as_wide_as_its_deviation() {
    let picture = shape(1, (1, 33));
    let row: Vec<f32> = (0..33).map(|x| if x == 16 { 1.0 } else { 0.0 }).collect();
    for severity in 1..=MOST_SEVERE {
        let deviation = gaussian_blur::GAUSSIAN_BLUR.numbers(severity).unwrap()[0].1;
        let after = unrounded(&gaussian_blur::GAUSSIAN_BLUR, severity, &picture, &row).values;
        let ratio = after[17] / after[16];
        assert!((ratio - (-0.5 / (deviation * deviation)).exp()).abs() < 1e-12, "{ratio}");
        let second: f64 = after.iter().enumerate().map(|(x, value)| value * (x as f64 - 16.0).powi(2)).sum();
        if deviation >= 0.7 {
            assert!((second - deviation * deviation).abs() < 0.01 * deviation, "{second}");
        }
    }
}

/// Large pixels are a projection: what they leave has them already.
#[test]
fn pixelating_twice_changes_nothing_more() {
    for (severity, size) in (1..=MOST_SEVERE).flat_map(|severity| SIZES.map(|size| (severity, size))) {
        let picture = shape(3, size);
        let once = pixelate::PIXELATE.apply(&sample(&picture, 2), &picture, severity, 0, &[0; 32]).unwrap();
        assert_eq!(pixelate::PIXELATE.apply(&once, &picture, severity, 0, &[0; 32]).unwrap(), once);
    }
}

/// Of a constant picture only the mean of each block is rounded, to an eighth of the first step of the tables.
#[test]
fn jpeg_keeps_constant_pictures_constant() {
    for severity in 1..=MOST_SEVERE {
        for picture in SIZES.iter().flat_map(|size| [1, 3].map(|channels| shape(channels, *size))) {
            for grey in [0u8, 1, 100, 128, 200, 255] {
                let row = vec![f32::from(grey) / 255.0; picture.len()];
                let out = jpeg::JPEG.apply(&row, &picture, severity, 0, &[0; 32]).unwrap();
                assert!(out.iter().all(|value| value == &out[0]), "{severity} {picture:?}");
                // The first step is 20 at most, so half of it is 1.25 levels, and rounding adds half a level.
                assert!((out[0] * 255.0 - f32::from(grey)).abs() < 1.76, "{grey} {}", out[0] * 255.0);
            }
        }
    }
}

#[test]
fn fog_lightens_what_is_dark_and_leaves_the_lightest_as_a_bound() {
    let picture = shape(1, (32, 32));
    let row = sample(&picture, 9);
    let lightest = row.iter().copied().fold(0.0, f32::max);
    for severity in 1..=MOST_SEVERE {
        let out = unrounded(&fog::FOG, severity, &picture, &row).values;
        assert!(out.iter().all(|value| (0.0..=f64::from(lightest) + 1e-12).contains(value)));
        let black = unrounded(&fog::FOG, severity, &picture, &vec![0.0; 1024]).values;
        assert!(black.iter().all(|value| *value == 0.0), "fog is no lighter than the lightest element");
    }
}

/// The pictures that each revision makes. A change here asks for another revision and a line in the changelog.
#[test]
fn pictures_are_pinned_by_revisions() {
    let digest = |one: &Corruption| {
        let mut hash = Sha256::new();
        for (severity, picture) in (1..=MOST_SEVERE).flat_map(|s| [(s, shape(3, (32, 32))), (s, shape(1, (9, 17)))]) {
            let out = one.apply(&sample(&picture, 42), &picture, severity, 6, &[8; 32]).unwrap();
            hash.update(out.iter().map(|value| (value * 255.0).round() as u8).collect::<Vec<_>>());
        }
        hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect::<String>()
    };
    let found: Vec<(&str, u32, String)> = CORRUPTIONS.iter().map(|one| (one.name, one.revision, digest(one))).collect();
    let pinned = PINNED.iter().map(|(name, revision, digest)| (*name, *revision, (*digest).to_owned()));
    assert_eq!(found, pinned.collect::<Vec<_>>());
}

const PINNED: &[(&str, u32, &str)] = &[
    ("gaussian-noise", 1, "a545e9e6"),
    ("shot-noise", 1, "4c978336"),
    ("impulse-noise", 1, "648ac785"),
    ("defocus-blur", 1, "cc3520ed"),
    ("gaussian-blur", 1, "f011d586"),
    ("fog", 1, "24c06e51"),
    ("brightness", 1, "cc9caffc"),
    ("contrast", 1, "9a42587e"),
    ("pixelate", 1, "b1251cf9"),
    ("jpeg", 1, "c5cc110e"),
];
