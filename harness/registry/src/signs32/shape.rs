/// A point in the units of a sign, whose outline reaches 1024 from its centre; `y` grows downwards.
pub(crate) type Point = (i32, i32);

/// An area of a sign.
pub(crate) enum Shape {
    /// All points at most so far from a centre.
    Disc(Point, i32),
    /// A convex polygon, clockwise as seen.
    Convex(&'static [Point]),
    /// All points at most `.2` from the line between two points.
    Stroke(Point, Point, i32),
}

impl Shape {
    /// Whether the area holds `point`. Coordinates stay below 2^14, so nothing overflows.
    pub(crate) fn holds(&self, point: Point) -> bool {
        match self {
            Self::Disc(centre, radius) => square(minus(point, *centre)) <= radius * radius,
            Self::Convex(corners) => (0..corners.len()).all(|i| {
                let (from, to) = (corners[i], corners[(i + 1) % corners.len()]);
                cross(minus(to, from), minus(point, from)) >= 0
            }),
            Self::Stroke(from, to, reach) => {
                let (along, offset) = (minus(*to, *from), minus(point, *from));
                let length = square(along);
                let projection = dot(along, offset);
                if projection <= 0 {
                    square(offset) <= reach * reach
                } else if projection >= length {
                    square(minus(point, *to)) <= reach * reach
                } else {
                    let cross = i64::from(cross(along, offset));
                    cross * cross <= i64::from(reach * reach) * i64::from(length)
                }
            }
        }
    }
}

fn minus(a: Point, b: Point) -> Point {
    (a.0 - b.0, a.1 - b.1)
}

fn dot(a: Point, b: Point) -> i32 {
    a.0 * b.0 + a.1 * b.1
}

fn cross(a: Point, b: Point) -> i32 {
    a.0 * b.1 - a.1 * b.0
}

fn square(a: Point) -> i32 {
    dot(a, a)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_hold_what_they_should() {
        let disc = Shape::Disc((10, 0), 5);
        assert!(disc.holds((15, 0)) && disc.holds((13, 4)) && !disc.holds((14, 4)));
        let triangle = Shape::Convex(&[(0, -10), (10, 10), (-10, 10)]);
        assert!(
            triangle.holds((0, 0)) && triangle.holds((0, -10)) && !triangle.holds((8, 0)) && !triangle.holds((0, 11))
        );
        let stroke = Shape::Stroke((0, 0), (10, 10), 3);
        assert!(stroke.holds((5, 5)) && stroke.holds((7, 4)) && !stroke.holds((9, 4)) && stroke.holds((-2, -2)));
        assert!(stroke.holds((12, 12)) && !stroke.holds((13, 13)));
    }
}
