//! The cases of Conv.

use super::{Case, CaseInput};
use crate::Attrs;

pub(super) fn cases() -> Vec<Case> {
    let x = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
    let w = |shape: &[usize]| CaseInput::RandomConstant(shape.to_vec(), -1.0, 1.0);
    let none = Attrs::new;
    let case = |name, attrs, x_shape: &[usize], w_shape: &[usize]| Case::new(name, attrs, vec![x(x_shape), w(w_shape)]);
    vec![
        case("dense 3x3", none().ints("pads", [1, 1, 1, 1]), &[2, 5, 6, 7], &[4, 5, 3, 3]).macs(2 * 4 * 42 * 5 * 9),
        case("few channels", none().ints("pads", [1, 0, 2, 1]), &[1, 3, 6, 5], &[4, 3, 3, 3]).macs(4 * 28 * 27),
        case("1x1", none(), &[2, 6, 3, 4], &[5, 6, 1, 1]).macs(2 * 5 * 12 * 6),
        case("1x1 stride 2", none().ints("strides", [2, 2]), &[1, 6, 5, 4], &[5, 6, 1, 1]).macs(5 * 6 * 6),
        case("stride 2, odd and even sizes", none().ints("strides", [2, 2]), &[1, 6, 7, 8], &[5, 6, 3, 3])
            .macs(5 * 9 * 54),
        case(
            "stride 3 asymmetric pads",
            none().ints("strides", [3, 2]).ints("pads", [0, 2, 1, 1]),
            &[2, 5, 9, 8],
            &[3, 5, 3, 2],
        )
        .macs(2 * 3 * 15 * 30),
        case(
            "dilated, asymmetric pads",
            none().ints("dilations", [2, 3]).ints("pads", [4, 0, 1, 2]),
            &[1, 5, 6, 7],
            &[2, 5, 3, 2],
        )
        .macs(2 * 42 * 30),
        case(
            "dilated stride 2",
            none().ints("dilations", [2, 1]).ints("strides", [2, 2]),
            &[1, 5, 8, 6],
            &[2, 5, 2, 3],
        )
        .macs(2 * 6 * 30),
        case("pads wider than the window", none().ints("pads", [3, 3, 0, 4]), &[1, 5, 4, 4], &[2, 5, 3, 3])
            .macs(2 * 45 * 45),
        case("depthwise", none().int("group", 6).ints("pads", [1, 1, 1, 1]), &[2, 6, 5, 4], &[6, 1, 3, 3])
            .macs(2 * 6 * 20 * 9),
        case("depthwise with multiplier", none().int("group", 3), &[1, 3, 5, 4], &[6, 1, 3, 3]).macs(6 * 6 * 9),
        case(
            "depthwise stride 2",
            none().int("group", 4).ints("strides", [2, 2]).ints("pads", [1, 1, 1, 1]),
            &[1, 4, 7, 6],
            &[4, 1, 3, 3],
        )
        .macs(4 * 12 * 9),
        case("grouped", none().int("group", 2).ints("pads", [0, 1, 0, 1]), &[2, 6, 5, 4], &[4, 3, 3, 3])
            .macs(2 * 4 * 12 * 27),
        case("grouped stride 2", none().int("group", 2).ints("strides", [2, 2]), &[1, 6, 5, 6], &[4, 3, 3, 3])
            .macs(4 * 4 * 27),
        case(
            "same upper, stride 2",
            none().text("auto_pad", "SAME_UPPER").ints("strides", [2, 2]),
            &[1, 5, 8, 7],
            &[2, 5, 3, 3],
        )
        .macs(2 * 16 * 45),
        case("same lower, even window", none().text("auto_pad", "SAME_LOWER"), &[1, 5, 4, 5], &[2, 5, 2, 4])
            .macs(2 * 20 * 40),
        case(
            "same lower, stride 2",
            none().text("auto_pad", "SAME_LOWER").ints("strides", [2, 2]),
            &[1, 5, 8, 7],
            &[2, 5, 3, 3],
        )
        .macs(2 * 16 * 45),
        case("valid", none().text("auto_pad", "VALID").ints("strides", [2, 1]), &[1, 5, 6, 5], &[2, 5, 3, 3])
            .macs(2 * 6 * 45),
        case("1-D", none().ints("pads", [2, 1]).ints("kernel_shape", [4]), &[2, 5, 9], &[3, 5, 4]).macs(2 * 3 * 9 * 20),
        case(
            "1-D dilated stride 2 depthwise",
            none().int("group", 3).ints("strides", [2]).ints("dilations", [3]),
            &[1, 3, 12],
            &[3, 1, 3],
        )
        .macs(3 * 3 * 3),
        Case::new("bias", none().ints("pads", [1, 1, 1, 1]), vec![x(&[2, 5, 4, 3]), w(&[4, 5, 3, 3]), x(&[4])])
            .macs(2 * 4 * 12 * 45),
    ]
    .into_iter()
    .chain(trained())
    .collect()
}

/// Weights that are no constants, in the shapes of tiny networks' convolutions.
fn trained() -> Vec<Case> {
    let random = |shape: &[usize]| CaseInput::Random(shape.to_vec(), -1.0, 1.0);
    let case = |name, attrs, x: &[usize], w: &[usize]| Case::new(name, attrs, vec![random(x), random(w)]);
    let none = Attrs::new;
    let same = || none().ints("pads", [1, 1, 1, 1]);
    let strided = || none().ints("strides", [2, 2]);
    let upper = || none().text("auto_pad", "SAME_UPPER");
    vec![
        case("weights that are no constants", none().ints("strides", [2, 1]), &[1, 5, 6, 4], &[2, 5, 3, 3])
            .macs(2 * 4 * 45),
        case("trained 3x3, even sizes", same(), &[2, 5, 4, 6], &[3, 5, 3, 3]).macs(2 * 3 * 24 * 45),
        case("trained 3x3, odd sizes", same(), &[1, 3, 5, 7], &[4, 3, 3, 3]).macs(4 * 35 * 27),
        case("trained 3x3 stride 2, odd sizes", same().ints("strides", [2, 2]), &[1, 5, 5, 7], &[3, 5, 3, 3])
            .macs(3 * 12 * 45),
        case("trained 3x3 stride 2, as SAME", upper().ints("strides", [2, 2]), &[2, 5, 6, 4], &[3, 5, 3, 3])
            .macs(2 * 3 * 6 * 45),
        case("trained 3x3 stride 2, pads as SAME", strided().ints("pads", [0, 0, 1, 1]), &[1, 5, 4, 6], &[3, 5, 3, 3])
            .macs(3 * 6 * 45),
        case("trained 1x1", none(), &[2, 6, 3, 4], &[5, 6, 1, 1]).macs(2 * 5 * 12 * 6),
        case("trained 1x1, a large image", none(), &[2, 5, 9, 8], &[3, 5, 1, 1]).macs(2 * 3 * 72 * 5),
        case("trained 1x1 stride 2", strided(), &[2, 5, 4, 5], &[3, 5, 1, 1]).macs(2 * 3 * 6 * 5),
        case("trained depthwise", same().int("group", 6), &[2, 6, 5, 4], &[6, 1, 3, 3]).macs(2 * 6 * 20 * 9),
        case(
            "trained depthwise stride 2",
            upper().ints("strides", [2, 2]).int("group", 5),
            &[2, 5, 6, 5],
            &[5, 1, 3, 3],
        )
        .macs(2 * 5 * 9 * 9),
        case("trained depthwise with multiplier", none().int("group", 3), &[1, 3, 4, 5], &[6, 1, 3, 3]).macs(6 * 6 * 9),
        case("a trained stem of 10x4", upper().ints("strides", [2, 2]), &[2, 1, 13, 6], &[4, 1, 10, 4])
            .macs(2 * 4 * 21 * 40),
        case("trained in groups", same().int("group", 2), &[2, 6, 3, 4], &[4, 3, 3, 3]).macs(2 * 4 * 12 * 27),
        case(
            "trained, dilated",
            none().ints("dilations", [2, 1]).ints("pads", [2, 1, 2, 1]),
            &[1, 5, 5, 4],
            &[2, 5, 3, 3],
        )
        .macs(2 * 20 * 45),
        case("trained 1-D", none().ints("pads", [1, 1]), &[2, 5, 7], &[3, 5, 3]).macs(2 * 3 * 7 * 15),
        case("trained 1-D depthwise, stride 2", none().ints("strides", [2]).int("group", 5), &[2, 5, 7], &[5, 1, 3])
            .macs(2 * 5 * 3 * 3),
        Case::new("trained with bias", same(), vec![random(&[2, 5, 4, 3]), random(&[4, 5, 3, 3]), random(&[4])])
            .macs(2 * 4 * 12 * 45),
    ]
}
