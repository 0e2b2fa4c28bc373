use super::shape::Point;
use super::shape::Shape::{self, Convex, Disc, Stroke};

/// What a layer is painted with; its exact colour differs from picture to picture.
#[derive(Clone, Copy)]
pub(crate) enum Paint {
    Red,
    Blue,
    Yellow,
    White,
    Black,
}

/// Layers from the top to the bottom: the first that holds a point colours it. The last one contains all others.
pub(crate) type Sign = &'static [(Paint, Shape)];

/// Names of the classes, in the order of their numbers.
pub const CLASSES: [&str; 10] = [
    "stop",
    "no-entry",
    "yield",
    "danger",
    "speed-limit",
    "ahead-only",
    "right-only",
    "priority-road",
    "parking",
    "crossing",
];

/// The drawing of a class.
pub(crate) fn sign(class: usize) -> Sign {
    [STOP, NO_ENTRY, YIELD, DANGER, SPEED_LIMIT, AHEAD_ONLY, RIGHT_ONLY, PRIORITY_ROAD, PARKING, CROSSING][class]
}

const fn stroke(from: Point, to: Point, reach: i32) -> Shape {
    Stroke(from, to, reach)
}

const CENTRE: Point = (0, 0);

const STOP: Sign = &[
    (Paint::White, stroke((-500, -200), (-700, -200), 62)),
    (Paint::White, stroke((-700, -200), (-700, 0), 62)),
    (Paint::White, stroke((-700, 0), (-500, 0), 62)),
    (Paint::White, stroke((-500, 0), (-500, 200), 62)),
    (Paint::White, stroke((-500, 200), (-700, 200), 62)),
    (Paint::White, stroke((-340, -200), (-60, -200), 62)),
    (Paint::White, stroke((-200, -200), (-200, 200), 62)),
    (Paint::White, stroke((100, -200), (300, -200), 62)),
    (Paint::White, stroke((300, -200), (300, 200), 62)),
    (Paint::White, stroke((300, 200), (100, 200), 62)),
    (Paint::White, stroke((100, 200), (100, -200), 62)),
    (Paint::White, stroke((480, 200), (480, -200), 62)),
    (Paint::White, stroke((480, -200), (680, -200), 62)),
    (Paint::White, stroke((680, -200), (680, 20), 62)),
    (Paint::White, stroke((680, 20), (480, 20), 62)),
    (
        Paint::Red,
        Convex(&[
            (-370, -894),
            (370, -894),
            (894, -370),
            (894, 370),
            (370, 894),
            (-370, 894),
            (-894, 370),
            (-894, -370),
        ]),
    ),
    (
        Paint::White,
        Convex(&[
            (-414, -1000),
            (414, -1000),
            (1000, -414),
            (1000, 414),
            (414, 1000),
            (-414, 1000),
            (-1000, 414),
            (-1000, -414),
        ]),
    ),
];

const NO_ENTRY: Sign = &[
    (Paint::White, Convex(&[(-680, -170), (680, -170), (680, 170), (-680, 170)])),
    (Paint::Red, Disc(CENTRE, 930)),
    (Paint::White, Disc(CENTRE, 1010)),
];

const YIELD: Sign = &[
    (Paint::White, Convex(&[(-490, -440), (490, -440), (0, 400)])),
    (Paint::Red, Convex(&[(-980, -720), (980, -720), (0, 980)])),
];

const DANGER: Sign = &[
    (Paint::Black, stroke((0, -130), (0, 190), 90)),
    (Paint::Black, Disc((0, 410), 100)),
    (Paint::White, Convex(&[(0, -500), (560, 520), (-560, 520)])),
    (Paint::Red, Convex(&[(0, -980), (980, 760), (-980, 760)])),
];

const SPEED_LIMIT: Sign = &[
    (Paint::Black, stroke((-420, -280), (-160, -280), 75)),
    (Paint::Black, stroke((-160, -280), (-160, 280), 75)),
    (Paint::Black, stroke((-330, 0), (-160, 0), 75)),
    (Paint::Black, stroke((-160, 280), (-420, 280), 75)),
    (Paint::Black, stroke((140, -280), (400, -280), 75)),
    (Paint::Black, stroke((400, -280), (400, 280), 75)),
    (Paint::Black, stroke((400, 280), (140, 280), 75)),
    (Paint::Black, stroke((140, 280), (140, -280), 75)),
    (Paint::White, Disc(CENTRE, 720)),
    (Paint::Red, Disc(CENTRE, 1010)),
];

const AHEAD_ONLY: Sign = &[
    (Paint::White, Convex(&[(0, -720), (430, -170), (-430, -170)])),
    (Paint::White, Convex(&[(-140, -200), (140, -200), (140, 660), (-140, 660)])),
    (Paint::Blue, Disc(CENTRE, 940)),
    (Paint::White, Disc(CENTRE, 1010)),
];

const RIGHT_ONLY: Sign = &[
    (Paint::White, Convex(&[(720, 0), (170, 430), (170, -430)])),
    (Paint::White, Convex(&[(-660, -140), (200, -140), (200, 140), (-660, 140)])),
    (Paint::Blue, Disc(CENTRE, 940)),
    (Paint::White, Disc(CENTRE, 1010)),
];

const PRIORITY_ROAD: Sign = &[
    (Paint::Yellow, Convex(&[(0, -640), (640, 0), (0, 640), (-640, 0)])),
    (Paint::White, Convex(&[(0, -1020), (1020, 0), (0, 1020), (-1020, 0)])),
];

const PARKING: Sign = &[
    (Paint::White, stroke((-190, 480), (-190, -480), 110)),
    (Paint::White, stroke((-190, -480), (120, -480), 110)),
    (Paint::White, stroke((120, -480), (270, -300), 110)),
    (Paint::White, stroke((270, -300), (270, -130), 110)),
    (Paint::White, stroke((270, -130), (120, 40), 110)),
    (Paint::White, stroke((120, 40), (-190, 40), 110)),
    (Paint::Blue, Convex(&[(-840, -840), (840, -840), (840, 840), (-840, 840)])),
];

const CROSSING: Sign = &[
    (Paint::Black, Disc((0, -240), 95)),
    (Paint::Black, stroke((0, -80), (0, 140), 90)),
    (Paint::Black, stroke((0, 140), (-170, 450), 70)),
    (Paint::Black, stroke((0, 140), (170, 450), 70)),
    (Paint::Black, stroke((-200, 40), (200, 0), 55)),
    (Paint::White, Convex(&[(0, -700), (700, 560), (-700, 560)])),
    (Paint::Blue, Convex(&[(-840, -840), (840, -840), (840, 840), (-840, 840)])),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_layer_contains_all_others() {
        for (class, name) in CLASSES.iter().enumerate() {
            let layers = sign(class);
            let (_, outline) = layers.last().unwrap();
            for point in (-1100..=1100).step_by(20).flat_map(|y| (-1100..=1100).step_by(20).map(move |x| (x, y))) {
                assert!(
                    outline.holds(point) || !layers.iter().any(|(_, shape)| shape.holds(point)),
                    "{name} {point:?}"
                );
            }
        }
    }

    #[test]
    fn red_is_in_the_signs_that_forbid_or_warn_and_in_no_other() {
        for (class, name) in CLASSES.iter().enumerate() {
            let red = sign(class).iter().any(|(paint, _)| matches!(paint, Paint::Red));
            assert_eq!(red, super::super::GROUPS[class] == 0, "{name}");
        }
    }
}
