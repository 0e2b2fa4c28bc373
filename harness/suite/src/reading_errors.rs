//! What a user sees for each mistake in a suite that can be found in the file alone.

use crate::Suite;
use insta::assert_snapshot;

const GOOD: &str = "\
version: 1
name: quickstart
dataset: { name: signs32, split: test, samples: 500 }
models: [signs32-linear10]
threat: { norm: linf, epsilon: 8/255 }
attacks:
  - fgsm
  - pgd: { name: pgd-40x5, steps: 40, step_size: 1/255, start: random, restarts: 5, loss: margin, keep: best }
seed: 0
";

const PROBE: &str =
    "probes: [lipschitz: { inner: ratio, steps: 7, step_size: 1/255, start: { gaussian: wide } }]\nseed: 0";

fn complaint(bytes: &[u8]) -> String {
    Suite::parse("suites/my.yaml", bytes).expect_err("the suite is wrong").to_string()
}

/// The complaint about the good suite with one thing put wrong.
fn changed(good: &str, bad: &str) -> String {
    assert_eq!(GOOD.matches(good).count(), 1, "`{good}` must stand once in the good suite");
    complaint(GOOD.replace(good, bad).as_bytes())
}

/// One text out of all complaints, so that one snapshot shows them.
fn all(complaints: &[(&str, String)]) -> String {
    complaints.iter().map(|(what, complaint)| format!("== {what}\n{complaint}\n\n")).collect()
}

#[test]
fn the_good_suite_is_good() {
    Suite::parse("suites/my.yaml", GOOD.as_bytes()).expect("the suite is right");
}

#[test]
fn keys() {
    assert_snapshot!(all(&[
        ("misspelt", changed("steps: 40", "stepz: 40")),
        ("misspelt at the top", changed("seed: 0", "sede: 0")),
        ("nothing like it", changed("seed: 0", "seed: 0\nbanana: 1")),
        ("twice", changed("seed: 0", "seed: 0\nname: again")),
        ("missing", changed("seed: 0\n", "")),
        ("missing in an attack", changed("steps: 40, ", "")),
        ("empty long form", changed("  - fgsm", "  - pgd: {}")),
        ("two attacks in one entry", changed("  - fgsm", "  - fgsm: { loss: margin }\n    pgd: {}")),
        ("no attack in an entry", changed("  - fgsm", "  - {}")),
    ]), @r"
    == misspelt
    read suites/my.yaml:8:28: unknown key `stepz`
      |
    8 |   - pgd: { name: pgd-40x5, stepz: 40, step_size: 1/255, start: random, restarts: 5, loss: margin, ke...
      |                            ^^^^^
    hint: did you mean `steps`?

    == misspelt at the top
    read suites/my.yaml:9:1: unknown key `sede`
      |
    9 | sede: 0
      | ^^^^
    hint: did you mean `seed`?

    == nothing like it
    read suites/my.yaml:10:1: unknown key `banana`
       |
    10 | banana: 1
       | ^^^^^^
    hint: known here: `version`, `name`, `purpose`, `dataset`, `models`, `threat`, `curve`, `attacks`, `seed`, `probes`, `corruptions`, `published`, `cost`, `gates`, `certify`

    == twice
    read suites/my.yaml:10:1: key `name` is given twice
       |
    10 | name: again
       | ^^^^
    hint: keep one of the two

    == missing
    read suites/my.yaml:6:1: key `seed` is missing in this mapping
      |
    6 | attacks:
      | ^^^^^^^

    == missing in an attack
    read suites/my.yaml:8:88: key `steps` is missing in this mapping
      |
    8 |   - pgd: { name: pgd-40x5, step_size: 1/255, start: random, restarts: 5, loss: margin, keep: best }
      |                                                                                        ^^^^

    == empty long form
    read suites/my.yaml:7:10: key `steps` is missing in this mapping
      |
    7 |   - pgd: {}
      |          ^

    == two attacks in one entry
    read suites/my.yaml:7:5: an entry holds one attack, and `pgd` is a second one
      |
    7 |   - fgsm: { loss: margin }
      |     ^

    == no attack in an entry
    read suites/my.yaml:7:5: an entry needs the name of an attack
      |
    7 |   - {}
      |     ^
    ");
}

#[test]
fn values() {
    let (head, _) = GOOD.split_once("attacks:").expect("the good suite has attacks");
    let no_attacks = format!("{head}attacks: []\nseed: 0\n");
    assert_snapshot!(all(&[
        ("version", changed("version: 1", "version: 2")),
        ("name", changed("name: quickstart", "name: ../../etc")),
        ("no samples", changed("samples: 500", "samples: 0")),
        ("fewer than no samples", changed("samples: 500", "samples: -5")),
        ("wrong type", changed("samples: 500", "samples: many")),
        ("list for a number", changed("samples: 500", "samples: [500]")),
        ("number for an attack", changed("  - fgsm", "  - 20")),
        ("norm", changed("norm: linf", "norm: lnif")),
        ("no such loss", changed("loss: margin", "loss: drl")),
        ("models", changed("[signs32-linear10]", "[]")),
        ("one model without a list", changed("[signs32-linear10]", "signs32-linear10")),
        ("attacks", complaint(no_attacks.as_bytes())),
        ("seed", changed("seed: 0", "seed: 18446744073709551616")),
    ]), @r#"
    == version
    read suites/my.yaml:1:10: version 2 of the format is not known; this program reads version 1
      |
    1 | version: 2
      |          ^

    == name
    read suites/my.yaml:2:7: name "../../etc" is not a name
      |
    2 | name: ../../etc
      |       ^^^^^^^^^
    hint: a name has 1 to 64 letters, digits, `-`, `_` or `.` and begins with a letter or a digit

    == no samples
    read suites/my.yaml:3:49: `samples` is 0, and at least 1 is needed
      |
    3 | dataset: { name: signs32, split: test, samples: 0 }
      |                                                 ^

    == fewer than no samples
    read suites/my.yaml:3:49: expected a whole number, at least 0
      |
    3 | dataset: { name: signs32, split: test, samples: -5 }
      |                                                 ^^

    == wrong type
    read suites/my.yaml:3:49: expected a whole number, at least 0
      |
    3 | dataset: { name: signs32, split: test, samples: many }
      |                                                 ^^^^

    == list for a number
    read suites/my.yaml:3:49: expected a single value
      |
    3 | dataset: { name: signs32, split: test, samples: [500] }
      |                                                 ^

    == number for an attack
    read suites/my.yaml:7:5: expected the name of a preset (`pgd-20`) or an attack with its numbers (`pgd: { ... }`), found integer `20`
      |
    7 |   - 20
      |     ^^

    == norm
    read suites/my.yaml:5:17: unknown value `lnif`, expected one of `linf`, `l2`, `l1`
      |
    5 | threat: { norm: lnif, epsilon: 8/255 }
      |                 ^^^^
    hint: did you mean `linf`?

    == no such loss
    read suites/my.yaml:8:91: unknown value `drl`, expected one of `cross-entropy`, `margin`, `dlr`
      |
    8 | ...: { name: pgd-40x5, steps: 40, step_size: 1/255, start: random, restarts: 5, loss: drl, keep: best }
      |                                                                                       ^^^
    hint: did you mean `dlr`?

    == models
    read suites/my.yaml:4:9: `models` is empty, and a suite needs at least one
      |
    4 | models: []
      |         ^

    == one model without a list
    read suites/my.yaml:4:9: expected a list (`[a, b]`, or a line `- a` for each entry)
      |
    4 | models: signs32-linear10
      |         ^^^^^^^^^^^^^^^^

    == attacks
    read suites/my.yaml:6:10: `attacks` is empty, and a suite needs at least one
      |
    6 | attacks: []
      |          ^

    == seed
    read suites/my.yaml:9:7: expected a whole number, at least 0
      |
    9 | seed: 18446744073709551616
      |       ^^^^^^^^^^^^^^^^^^^^
    "#);
}

#[test]
fn epsilons() {
    assert_snapshot!(all(&[
        ("negative", changed("epsilon: 8/255", "epsilon: -1")),
        ("zero denominator", changed("epsilon: 8/255", "epsilon: 8/0")),
        ("a word", changed("epsilon: 8/255", "epsilon: \"eight\"")),
        ("nothing", changed("epsilon: 8/255", "epsilon:")),
        ("a step backwards", changed("step_size: 1/255", "step_size: -1/255")),
        ("a start without its number", changed("seed: 0", PROBE)),
        ("a misspelt key of a stage", changed("  - fgsm", "  - ensemble: { stages: [fgsm: { los: margin }] }")),
    ]), @r#"
    == negative
    read suites/my.yaml:5:32: `-1`: it must not be negative
      |
    5 | threat: { norm: linf, epsilon: -1 }
      |                                ^^

    == zero denominator
    read suites/my.yaml:5:32: `8/0`: its denominator is zero
      |
    5 | threat: { norm: linf, epsilon: 8/0 }
      |                                ^^^

    == a word
    read suites/my.yaml:5:32: `eight`: expected a fraction or a decimal such as 8/255, 0.031 or 1e-3
      |
    5 | threat: { norm: linf, epsilon: "eight" }
      |                                ^^^^^^^

    == nothing
    read suites/my.yaml:5:30: a value is missing
      |
    5 | threat: { norm: linf, epsilon: }
      |                              ^

    == a step backwards
    read suites/my.yaml:8:50: `-1/255`: it must not be negative
      |
    8 |   - pgd: { name: pgd-40x5, steps: 40, step_size: -1/255, start: random, restarts: 5, loss: margin, k...
      |                                                  ^^^^^^

    == a start without its number
    read suites/my.yaml:9:84: `wide`: expected a fraction or a decimal such as 8/255, 0.031 or 1e-3
      |
    9 | probes: [lipschitz: { inner: ratio, steps: 7, step_size: 1/255, start: { gaussian: wide } }]
      |                                                                                    ^^^^

    == a misspelt key of a stage
    read suites/my.yaml:7:34: unknown key `los`
      |
    7 |   - ensemble: { stages: [fgsm: { los: margin }] }
      |                                  ^^^
    hint: did you mean `loss`?
    "#);
}

#[test]
fn not_yaml() {
    assert_snapshot!(all(&[
        ("empty", complaint(b"")),
        ("a list", complaint(b"- 1\n- 2\n")),
        ("unclosed", complaint(b"version: 1\nmodels: [a, b\nseed: 0\n")),
        ("tab", complaint(b"version: 1\ndataset:\n\tname: a\n")),
        ("two documents", complaint(format!("{GOOD}---\n{GOOD}").as_bytes())),
        ("not UTF-8", complaint(b"version: 1\nname: caf\xe9\n")),
    ]), @r"
    == empty
    read suites/my.yaml:1:1: the file is empty or ends too early
      |
    1 | 
      | ^

    == a list
    read suites/my.yaml:1:1: expected a mapping (`key: value`)
      |
    1 | - 1
      | ^

    == unclosed
    read suites/my.yaml:3:5: illegal placement of ':' indicator
      |
    3 | seed: 0
      |     ^

    == tab
    read suites/my.yaml:3:2: tabs disallowed within this context (block indentation)
      |
    3 |  name: a
      |  ^

    == two documents
    read suites/my.yaml:11:1: only single YAML document expected but multiple found
       |
    11 | version: 1
       | ^

    == not UTF-8
    read suites/my.yaml:2:10: the file is not UTF-8: byte 0xe9 does not belong there
      |
    2 | name: caf�
      |          ^
    ");
}

#[test]
fn hostile() {
    let brackets = format!("version: 1\nmodels: {}", "[".repeat(100_000));
    let braces = format!("version: 1\ngates: {}", "{a: ".repeat(100_000));
    let laughs = (1..10).fold("a0: &a0 [lol]\n".to_owned(), |text, i| {
        format!("{text}a{i}: &a{i} [{}]\n", vec![format!("*a{}", i - 1); 10].join(", "))
    });
    let inside = format!("version: 1\ncertify:\n{}", laughs.lines().map(|l| format!("  {l}\n")).collect::<String>());
    assert_snapshot!(all(&[
        ("100,000 brackets", complaint(brackets.as_bytes())),
        ("100,000 braces", complaint(braces.as_bytes())),
        ("billion laughs at the top", complaint(laughs.as_bytes())),
        ("billion laughs in a section that is not read", complaint(inside.as_bytes())),
    ]), @r"
    == 100,000 brackets
    read suites/my.yaml:2:264: recursion limit exceeded
      |
    2 | ...[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[...
      |                                                      ^

    == 100,000 braces
    read suites/my.yaml:2:260: values are nested too deeply, or there are too many, for a file of this kind
      |
    2 | ...: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a: {a...
      |                                                      ^

    == billion laughs at the top
    read suites/my.yaml:1:1: unknown key `a0`
      |
    1 | a0: &a0 [lol]
      | ^^
    hint: known here: `version`, `name`, `purpose`, `dataset`, `models`, `threat`, `curve`, `attacks`, `seed`, `probes`, `corruptions`, `published`, `cost`, `gates`, `certify`

    == billion laughs in a section that is not read
    read suites/my.yaml:3:12: values are nested too deeply, or there are too many, for a file of this kind
      |
    3 |   a0: &a0 [lol]
      |            ^^^
    ");
}
