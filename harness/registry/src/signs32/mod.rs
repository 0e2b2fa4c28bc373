//! `signs32`: ten classes of 32x32 RGB pictures that look like road signs, drawn by this program.
//!
//! Everything is integer arithmetic on a stream of its own per picture, so the bytes are the same on every machine;
//! their digests are pinned in the data set's manifest. Five signs forbid or warn and have red in them; five instruct
//! or inform and have none, which gives a two-class question besides the ten-class one. Any change to what is drawn
//! needs new digests, and reports made with the old ones keep theirs.

mod picture;
mod shape;
mod sign;
mod stream;

pub use sign::CLASSES;

/// Side of a picture in pixels.
pub const SIDE: usize = 32;

/// For each class whether it forbids or warns (0), or instructs or informs (1).
pub const GROUPS: [usize; 10] = [0, 0, 0, 0, 0, 1, 1, 1, 1, 1];

/// The splits: file name in the manifest, number of pictures, number of its streams.
const SPLITS: [(&str, usize, u64); 2] = [("signs32/test", 2000, 1), ("signs32/train", 4000, 2)];

/// The bytes of one split in the CIFAR binary format: label, then the planes of red, green and blue.
pub(crate) fn file(name: &str) -> Option<Vec<u8>> {
    let (_, pictures, number) = SPLITS.iter().find(|(known, ..)| *known == name)?;
    let mut bytes = Vec::with_capacity(pictures * (1 + 3 * SIDE * SIDE));
    for index in 0..*pictures {
        let class = index % CLASSES.len();
        bytes.push(class as u8);
        picture::draw(class, stream::Stream::new(*number, index as u64), &mut bytes);
    }
    Some(bytes)
}
