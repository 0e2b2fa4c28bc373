use super::SIDE;
use super::sign::{Paint, sign};
use super::stream::Stream;

/// Red, green and blue, 0 to 255 with room for what lies outside on the way.
type Colour = [i32; 3];

/// Sub-samples per pixel along each axis.
const SAMPLES: i32 = 2;

/// Sine and cosine of 0 to 24 degrees in units of 2^-14.
const SINE: [i32; 25] = [
    0, 286, 572, 857, 1143, 1428, 1713, 1997, 2280, 2563, 2845, 3126, 3406, 3686, 3964, 4240, 4516, 4790, 5063, 5334,
    5604, 5872, 6138, 6402, 6664,
];
const COSINE: [i32; 25] = [
    16384, 16382, 16374, 16362, 16344, 16322, 16294, 16262, 16225, 16182, 16135, 16083, 16026, 15964, 15897, 15826,
    15749, 15668, 15582, 15491, 15396, 15296, 15191, 15082, 14968,
];

/// Draws a picture of `class` and appends its planes of red, green and blue.
pub(crate) fn draw(class: usize, mut stream: Stream, planes: &mut Vec<u8>) {
    let mut canvas = background(&mut stream);
    clutter(&mut stream, &mut canvas);
    place(class, &mut stream, &mut canvas);
    if stream.chance(30) {
        occlude(&mut stream, &mut canvas);
    }
    for _ in 0..stream.between(0, 2) {
        canvas = blurred(&canvas);
    }
    expose(&mut stream, &mut canvas);
    for channel in 0..3 {
        planes.extend(canvas.iter().map(|colour| colour[channel].clamp(0, 255) as u8));
    }
}

/// A gradient between two colours with a coarse texture on it.
fn background(stream: &mut Stream) -> Vec<Colour> {
    const CELLS: usize = 5;
    let (from, to) = (any_colour(stream, 30, 200), any_colour(stream, 30, 200));
    let direction = (stream.between(-8, 8), stream.between(-8, 8));
    let roughness = stream.between(0, 40);
    let lattice: Vec<i32> = (0..CELLS * CELLS).map(|_| stream.between(-roughness, roughness)).collect();
    let mut canvas = Vec::with_capacity(SIDE * SIDE);
    for (y, x) in (0..SIDE).flat_map(|y| (0..SIDE).map(move |x| (y, x))) {
        let along = (256 + direction.0 * (2 * x as i32 - 31) + direction.1 * (2 * y as i32 - 31)).clamp(0, 512);
        let (column, row) = (x / 8, y / 8);
        let (right, down) = ((x % 8) as i32, (y % 8) as i32);
        let corner = |row: usize, column: usize| lattice[row * CELLS + column];
        let above = corner(row, column) * (8 - right) + corner(row, column + 1) * right;
        let below = corner(row + 1, column) * (8 - right) + corner(row + 1, column + 1) * right;
        let texture = (above * (8 - down) + below * down) / 64;
        canvas.push([0, 1, 2].map(|c| (from[c] * (512 - along) + to[c] * along) / 512 + texture));
    }
    canvas
}

/// Rectangles and discs of any colour behind the sign, in the colours of signs too.
fn clutter(stream: &mut Stream, canvas: &mut [Colour]) {
    for _ in 0..stream.between(1, 4) {
        let colour = if stream.chance(40) {
            let paint = [Paint::Red, Paint::Blue, Paint::Yellow, Paint::White][stream.between(0, 3) as usize];
            mixed(stream, paint)
        } else {
            any_colour(stream, 0, 255)
        };
        blot(stream, canvas, colour, 3, 11);
    }
}

/// Something small in front of the sign.
fn occlude(stream: &mut Stream, canvas: &mut [Colour]) {
    let colour = any_colour(stream, 10, 160);
    blot(stream, canvas, colour, 2, 5);
}

/// A disc or a rectangle anywhere, with half extents between `least` and `most` pixels.
fn blot(stream: &mut Stream, canvas: &mut [Colour], colour: Colour, least: i32, most: i32) {
    let centre = (stream.between(0, 31), stream.between(0, 31));
    let (width, height) = (stream.between(least, most), stream.between(least, most));
    let round = stream.chance(50);
    for y in 0..SIDE as i32 {
        for x in 0..SIDE as i32 {
            let (dx, dy) = ((x - centre.0).abs(), (y - centre.1).abs());
            let inside = if round { dx * dx + dy * dy <= width * width } else { dx <= width && dy <= height };
            if inside {
                canvas[y as usize * SIDE + x as usize] = colour;
            }
        }
    }
}

/// From pixels to the units of a sign: position, size, rotation and foreshortening.
struct Pose {
    centre: (i32, i32),
    /// Row-major 2x2 matrix in units of 2^-16 sign units per 2^-8 pixel.
    matrix: [i64; 4],
}

impl Pose {
    fn new(stream: &mut Stream) -> Self {
        let radius = stream.between(9 * 256, 15 * 256);
        let centre = (16 * 256 + stream.between(-800, 800), 16 * 256 + stream.between(-800, 800));
        let degrees = stream.between(-20, 20);
        let turn = degrees.unsigned_abs() as usize;
        let (sine, cosine) = (i64::from(SINE[turn] * degrees.signum()), i64::from(COSINE[turn]));
        let squeeze = (i64::from(stream.between(215, 256)), i64::from(stream.between(235, 256)));
        let unit = |value: i64, squeeze: i64| value * 4 * 1024 * 256 / (i64::from(radius) * squeeze);
        let matrix = [unit(cosine, squeeze.0), unit(sine, squeeze.0), unit(-sine, squeeze.1), unit(cosine, squeeze.1)];
        Self { centre, matrix }
    }

    /// Where a position in 2^-8 pixels falls on the sign.
    fn on_sign(&self, x: i32, y: i32) -> (i32, i32) {
        let (dx, dy) = (i64::from(x - self.centre.0), i64::from(y - self.centre.1));
        let [a, b, c, d] = self.matrix;
        (((a * dx + b * dy) >> 16) as i32, ((c * dx + d * dy) >> 16) as i32)
    }
}

/// Paints the sign over the canvas, with edges smoothed by sub-samples.
fn place(class: usize, stream: &mut Stream, canvas: &mut [Colour]) {
    let pose = Pose::new(stream);
    let paints = [Paint::Red, Paint::Blue, Paint::Yellow, Paint::White, Paint::Black].map(|paint| mixed(stream, paint));
    let layers = sign(class);
    let (_, outline) = layers.last().expect("every sign has an outline");
    for (index, pixel) in canvas.iter_mut().enumerate() {
        let mut sum = [0; 3];
        for sample in 0..SAMPLES * SAMPLES {
            let within = |step: i32| (2 * step + 1) * 128 / SAMPLES;
            let x = (index % SIDE) as i32 * 256 + within(sample % SAMPLES);
            let y = (index / SIDE) as i32 * 256 + within(sample / SAMPLES);
            let point = pose.on_sign(x, y);
            let inside = outline.holds(point);
            let layer = layers.iter().find(|(_, shape)| inside && shape.holds(point));
            let colour = layer.map_or(*pixel, |(paint, _)| paints[*paint as usize]);
            (0..3).for_each(|c| sum[c] += colour[c]);
        }
        *pixel = sum.map(|total| total / (SAMPLES * SAMPLES));
    }
}

/// One colour of what signs are painted with.
fn mixed(stream: &mut Stream, paint: Paint) -> Colour {
    let ranges: [(i32, i32); 3] = match paint {
        Paint::Red => [(150, 240), (5, 70), (5, 75)],
        Paint::Blue => [(5, 70), (40, 120), (125, 225)],
        Paint::Yellow => [(205, 250), (150, 205), (5, 80)],
        Paint::White => [(190, 245), (190, 245), (190, 245)],
        Paint::Black => [(5, 50), (5, 50), (5, 50)],
    };
    ranges.map(|(low, high)| stream.between(low, high))
}

fn any_colour(stream: &mut Stream, low: i32, high: i32) -> Colour {
    [0; 3].map(|_| stream.between(low, high))
}

/// Each pixel mixed with its neighbours, weights 1-2-1 along both axes.
fn blurred(canvas: &[Colour]) -> Vec<Colour> {
    let at = |x: i32, y: i32| canvas[y.clamp(0, 31) as usize * SIDE + x.clamp(0, 31) as usize];
    let mix = |index: usize| {
        let (x, y) = ((index % SIDE) as i32, (index / SIDE) as i32);
        let mut sum = [8; 3];
        for (dx, dy) in (-1..=1).flat_map(|dy| (-1..=1).map(move |dx| (dx, dy))) {
            let weight = (2 - i32::abs(dx)) * (2 - i32::abs(dy));
            (0..3).for_each(|c| sum[c] += weight * at(x + dx, y + dy)[c]);
        }
        sum.map(|total| total / 16)
    };
    (0..canvas.len()).map(mix).collect()
}

/// Brightness, haze, tint and noise.
fn expose(stream: &mut Stream, canvas: &mut [Colour]) {
    let gain = stream.between(110, 280);
    let haze = stream.between(0, 60);
    let tint = [0; 3].map(|_| stream.between(200, 300));
    let grain = stream.between(2, 14);
    for colour in canvas.iter_mut() {
        for c in 0..3 {
            let lit = colour[c] * gain / 256 * tint[c] / 256;
            colour[c] = lit + haze + stream.bell() * grain / 209;
        }
    }
}
