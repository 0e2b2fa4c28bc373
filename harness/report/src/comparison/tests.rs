use super::*;
use crate::document::{markdown, terminal};
use crate::sample::{latency, observations, paired, stored, with_probes};
use evidence::{Flag, Results};

fn compared(a: Results, b: Results) -> Comparison {
    compare(&stored(a), &stored(b), &[]).unwrap()
}

#[test]
fn a_report_against_itself_has_no_difference_anywhere() {
    for results in [paired(&[("a", 70, 40), ("b", 60, 30)]), paired(&[("x", 100, 0)])] {
        let comparison = compared(results.clone(), results);
        assert!(!comparison.checks.is_empty());
        for check in &comparison.checks {
            let test = check.test.as_ref().unwrap();
            assert_eq!(
                (check.word(), test.difference, test.p, test.rows.only_a + test.rows.only_b),
                (Word::Undecided, 0.0, 1.0, 0)
            );
            assert!(test.interval.low <= 0.0 && test.interval.high >= 0.0 && check.baseline == check.candidate);
        }
        assert!(comparison.agreements.iter().all(Agreement::agrees) && comparison.only.iter().all(Vec::is_empty));
        assert!(comparison.measures.iter().all(|of| of.ratio() == Some(1.0)));
    }
}

#[test]
fn swapping_swaps_signs() {
    let (a, b) = (paired(&[("a", 80, 60), ("b", 70, 20)]), paired(&[("a", 75, 20), ("b", 72, 24)]));
    let (forth, back) = (compared(a.clone(), b.clone()), compared(b, a));
    for check in &forth.checks {
        let other = back.checks.iter().find(|other| (other.pair, &other.check) == (check.pair, &check.check)).unwrap();
        let (x, y) = (check.test.as_ref().unwrap(), other.test.as_ref().unwrap());
        assert_eq!((x.difference, x.p, x.p_holm), (-y.difference, y.p, y.p_holm));
        // Both ends are rounded outward, each to 1e-8.
        assert!((x.interval.low + y.interval.high).abs() < 3e-8 && (x.interval.high + y.interval.low).abs() < 3e-8);
        let swapped = match check.word() {
            Word::Regression => Word::Improvement,
            Word::Improvement => Word::Regression,
            same => same,
        };
        assert_eq!((other.word(), other.baseline, other.candidate), (swapped, check.candidate, check.baseline));
    }
    assert_eq!((forth.count(Word::Regression), back.count(Word::Improvement)), (2, 2), "attack and worst case of a");
}

/// 40 rows fewer of 100, all else equal: the p-value is 2 to the power of -39.
#[test]
fn regressions_come_first_and_have_the_p_value_of_their_rows() {
    let comparison = compared(paired(&[("a", 80, 60), ("b", 70, 20)]), paired(&[("a", 80, 20), ("b", 80, 50)]));
    let words: Vec<Word> = comparison.checks.iter().map(CheckPair::word).collect();
    assert!(words.is_sorted() && words[0] == Word::Regression && words.contains(&Word::Improvement), "{words:?}");
    let test = comparison.checks[0].test.as_ref().unwrap();
    assert_eq!((test.difference, test.rows.only_b, test.rows.only_a), (-0.4, 40, 0));
    assert!((test.p / 2f64.powi(-39) - 1.0).abs() < 1e-9, "{}", test.p);
    assert!(test.p_holm >= test.p && test.p_holm <= 6.0 * test.p, "six tests in all");
}

#[test]
fn other_rows_are_not_compared() {
    let mut other = paired(&[("a", 50, 10)]);
    other.dataset.selection = "100 chosen by the seed 1".to_owned();
    let comparison = compared(paired(&[("a", 80, 60)]), other);
    assert_eq!(comparison.count(Word::NotCompared), comparison.checks.len());
    let text = terminal(&document(&comparison));
    assert!(text.contains("another rows") && text.contains("80.00 (") && text.contains("50.00 ("), "{text}");
    let comparison = compared(with_probes(), with_probes());
    assert!(comparison.checks.iter().all(|check| check.test.as_ref().is_err_and(|why| why.contains("older version"))));
}

#[test]
fn other_attacks_are_in_one_of_them_only() {
    let (a, mut b) = (paired(&[("a", 80, 60)]), paired(&[("a", 80, 60)]));
    b.models[0].attacks[0].parameters.insert("steps".to_owned(), 40.into());
    let comparison = compared(a.clone(), b);
    assert_eq!(comparison.checks.iter().map(|check| check.check.as_str()).collect::<Vec<_>>(), ["clean"]);
    assert!(comparison.only.iter().all(|only| only.len() == 1 && only[0].contains("other parameters")));
    let mut b = a.clone();
    b.threat.epsilon = "4/255".to_owned();
    let comparison = compared(a, b);
    assert_eq!(comparison.checks.len(), 1);
    assert!(comparison.only[0][0].contains("another threat model"), "{:?}", comparison.only);
}

#[test]
fn models_are_paired_by_name_by_map_or_alone() {
    let (a, b) = (paired(&[("a", 80, 60), ("b", 70, 50)]), paired(&[("b", 70, 50), ("c", 80, 60)]));
    let pairs = |map: &[(&str, &str)]| {
        let map: Vec<_> = map.iter().map(|(old, new)| ((*old).to_owned(), (*new).to_owned())).collect();
        let comparison = compare(&stored(a.clone()), &stored(b.clone()), &map).map_err(|error| error.to_string())?;
        Ok::<_, String>((comparison.models.iter().map(ModelPair::name).collect::<Vec<_>>(), comparison.only))
    };
    let (names, only) = pairs(&[]).unwrap();
    assert_eq!((names, only), (vec!["b".to_owned()], [vec!["model a".to_owned()], vec!["model c".to_owned()]]));
    assert_eq!(pairs(&[("a", "c")]).unwrap().0, ["a → c", "b"]);
    assert_eq!(pairs(&[("a", "b")]).unwrap().0, ["a → b"], "b is taken");
    assert!(pairs(&[("a", "x")]).unwrap_err().contains("the candidate has no model `x`\nhint: it has b, c"));
    assert!(pairs(&[("a", "b"), ("a", "c")]).unwrap_err().contains("twice"));
    let alone = compared(paired(&[("old", 1, 1)]), paired(&[("new", 2, 1)]));
    assert_eq!(alone.models[0].name(), "old → new");
    let none = compare(&stored(a), &stored(paired(&[("x", 1, 1), ("y", 1, 1)])), &[]).unwrap_err().to_string();
    assert!(none.starts_with("compare the reports: no model") && none.contains("--map a=x"), "{none}");
}

#[test]
fn a_report_that_contradicts_itself_is_refused() {
    let mut damaged = paired(&[("a", 80, 60)]);
    damaged.models[0].correct = 81;
    let error = compare(&stored(damaged.clone()), &stored(damaged), &[]).unwrap_err().to_string();
    assert!(error.contains("80 of 100") && error.contains("81 of 100"), "{error}");
}

#[test]
fn the_comparison_as_text() {
    let (mut a, mut b) = (paired(&[("net", 80, 60), ("old", 50, 10)]), paired(&[("net", 82, 41)]));
    for (results, mean) in [(&mut a, 0.25), (&mut b, 0.5)] {
        let mut probe = with_probes().models[0].probes[0].clone();
        probe.mean = Some(mean);
        results.models[0].probes.push(probe);
    }
    b.runtime.instruction_set = "avx512-vnni".to_owned();
    b.models[0].attacks[0].inconclusive = vec![Flag::StoodStill];
    let [mut a, mut b] = [stored(a), stored(b)];
    for (stored, scale) in [(&mut a, 1.0), (&mut b, 1.5)] {
        let mut measured = latency();
        measured.models[0].model = "net".to_owned();
        measured.models[0].latency_ns *= scale;
        let mut all = observations();
        all.latency = vec![measured];
        stored.observations = Some(all);
    }
    let comparison = compare(&a, &b, &[]).unwrap();
    insta::assert_snapshot!(markdown(&document(&comparison)), @r"
    # resnet8-linf against resnet8-linf

    1 pair of models; **2 regressions, 1 difference that cannot be told from chance**.

    ## 1 Checks

    Shares of rows in percent with 95 % Clopper-Pearson intervals; under attack they are upper bounds on the true robust accuracy. The difference is candidate less baseline in percentage points, with Tango's 95 % interval for the same rows. p is McNemar's exact two-sided test after Holm's correction over all tests of this comparison; below 0.05 a difference is called a regression or an improvement. Rows that only one gets count both ways: a difference of 0 may hide many.

    | result | model | check | baseline | candidate | difference | p (Holm) | only baseline | only candidate |
    | --- | --- | --- | ---: | ---: | ---: | ---: | ---: | ---: |
    | **regression** (inconclusive) | net | pgd-20 | 60.00 (49.72–69.67) | 41.00 (31.26–51.29) | -19.00 (-27.78 to -12.51) | 1.144e-5 | 19 | 0 |
    | **regression** (inconclusive) | net | worst case | 60.00 (49.72–69.67) | 41.00 (31.26–51.29) | -19.00 (-27.78 to -12.51) | 1.144e-5 | 19 | 0 |
    | **cannot be told apart** | net | clean | 80.00 (70.82–87.33) | 82.00 (73.05–88.97) | +2.00 (-1.77 to 7.00) | 0.5000 | 0 | 2 |

    > **Note.** Flags make these inconclusive in at least one report: the truth may lie far below the number.

    - net, pgd-20: `stood-still`
    - net, worst case: `stood-still`

    ## 2 Probes and costs

    No test is made of these. ≥ is a lower bound on the truth, ≈ an estimate; a ratio of two bounds bounds nothing.

    | model | measure | units | baseline | candidate | ratio |
    | --- | --- | --- | ---: | ---: | ---: |
    | net | kl-instability (mean) | nats | ≥ 0.2500 | ≥ 0.5000 | 2.000 |
    | net | MACs |  | 12.50 M | 12.50 M | 1.000 |
    | net | params |  | 78.67 k | 78.67 k | 1.000 |

    ## 3 Latency

    > **Note.** Observed in two runs, at two times: a machine that was busier, warmer or slower then changes the ratio as a slower model does. To compare latencies measure both in turns: `tinyassay latency OLD NEW --reference OLD`.

    | measurement | model | machine | flags | baseline | candidate | ratio |
    | --- | --- | --- | --- | ---: | ---: | ---: |
    | latency-2t | net | the same | busy, few-queries, unsteady | 1.500 ms | 2.250 ms | 1.500 |

    ## 4 In one of them only

    - *baseline*: model old

    ## 5 Whether the runs are comparable

    The same in both: data set, rows, threat model, attack revisions, seed, plan, Tinyassay.

    1 pair is of the very same files.

    | differs | baseline | candidate | what follows |
    | --- | --- | --- | --- |
    | runtime | cpu, ONNX Runtime 1.31.1 (fc44112fbe06), avx2, optimisation all | cpu, ONNX Runtime 1.31.1 (fc44112fbe06), avx512-vnni, optimisation all | sums are rounded differently, so that single rows near a boundary may differ without any other cause |
    ");
    insta::assert_snapshot!(terminal(&document(&comparison)), @r"
    resnet8-linf against resnet8-linf

    1 pair of models; 2 regressions, 1 difference that cannot be told from chance.

    Checks
    ------

    Shares of rows in percent with 95 % Clopper-Pearson intervals; under attack they are upper bounds on
    the true robust accuracy. The difference is candidate less baseline in percentage points, with
    Tango's 95 % interval for the same rows. p is McNemar's exact two-sided test after Holm's correction
    over all tests of this comparison; below 0.05 a difference is called a regression or an improvement.
    Rows that only one gets count both ways: a difference of 0 may hide many.

    ╭───────────────────────────┬───────┬────────────┬─────────────────────┬─────────────────────┬───────────────────────────┬──────────┬───────────────┬────────────────╮
    │ result                    │ model │ check      │            baseline │           candidate │                difference │ p (Holm) │ only baseline │ only candidate │
    ├───────────────────────────┼───────┼────────────┼─────────────────────┼─────────────────────┼───────────────────────────┼──────────┼───────────────┼────────────────┤
    │ regression (inconclusive) │ net   │ pgd-20     │ 60.00 (49.72–69.67) │ 41.00 (31.26–51.29) │ -19.00 (-27.78 to -12.51) │ 1.144e-5 │            19 │              0 │
    │ regression (inconclusive) │ net   │ worst case │ 60.00 (49.72–69.67) │ 41.00 (31.26–51.29) │ -19.00 (-27.78 to -12.51) │ 1.144e-5 │            19 │              0 │
    │ cannot be told apart      │ net   │ clean      │ 80.00 (70.82–87.33) │ 82.00 (73.05–88.97) │     +2.00 (-1.77 to 7.00) │   0.5000 │             0 │              2 │
    ╰───────────────────────────┴───────┴────────────┴─────────────────────┴─────────────────────┴───────────────────────────┴──────────┴───────────────┴────────────────╯

      Note: Flags make these inconclusive in at least one report: the truth may lie far below the
      number.

    - net, pgd-20: stood-still
    - net, worst case: stood-still

    Probes and costs
    ----------------

    No test is made of these. ≥ is a lower bound on the truth, ≈ an estimate; a ratio of two bounds
    bounds nothing.

    ╭───────┬───────────────────────┬───────┬──────────┬───────────┬───────╮
    │ model │ measure               │ units │ baseline │ candidate │ ratio │
    ├───────┼───────────────────────┼───────┼──────────┼───────────┼───────┤
    │ net   │ kl-instability (mean) │ nats  │ ≥ 0.2500 │  ≥ 0.5000 │ 2.000 │
    │ net   │ MACs                  │       │  12.50 M │   12.50 M │ 1.000 │
    │ net   │ params                │       │  78.67 k │   78.67 k │ 1.000 │
    ╰───────┴───────────────────────┴───────┴──────────┴───────────┴───────╯

    Latency
    -------

      Note: Observed in two runs, at two times: a machine that was busier, warmer or slower then changes
      the ratio as a slower model does. To compare latencies measure both in turns: tinyassay latency
      OLD NEW --reference OLD.

    ╭─────────────┬───────┬──────────┬─────────────────────────────┬──────────┬───────────┬───────╮
    │ measurement │ model │ machine  │ flags                       │ baseline │ candidate │ ratio │
    ├─────────────┼───────┼──────────┼─────────────────────────────┼──────────┼───────────┼───────┤
    │ latency-2t  │ net   │ the same │ busy, few-queries, unsteady │ 1.500 ms │  2.250 ms │ 1.500 │
    ╰─────────────┴───────┴──────────┴─────────────────────────────┴──────────┴───────────┴───────╯

    In one of them only
    -------------------

    - baseline: model old

    Whether the runs are comparable
    -------------------------------

    The same in both: data set, rows, threat model, attack revisions, seed, plan, Tinyassay.

    1 pair is of the very same files.

    ╭─────────┬──────────────────────────────────────────┬──────────────────────────────────────────┬──────────────────────────────────────────────╮
    │ differs │ baseline                                 │ candidate                                │ what follows                                 │
    ├─────────┼──────────────────────────────────────────┼──────────────────────────────────────────┼──────────────────────────────────────────────┤
    │ runtime │ cpu, ONNX Runtime 1.31.1 (fc44112fbe06), │ cpu, ONNX Runtime 1.31.1 (fc44112fbe06), │ sums are rounded differently, so that single │
    │         │ avx2, optimisation all                   │ avx512-vnni, optimisation all            │ rows near a boundary may differ without any  │
    │         │                                          │                                          │ other cause                                  │
    ╰─────────┴──────────────────────────────────────────┴──────────────────────────────────────────┴──────────────────────────────────────────────╯
    ");
}

#[test]
fn the_comparison_for_machines() {
    let mut comparison = compared(paired(&[("a", 80, 60)]), paired(&[("a", 80, 20)]));
    comparison.checks.truncate(1);
    comparison.measures.truncate(1);
    comparison.agreements.truncate(1);
    insta::assert_snapshot!(json(&comparison).unwrap(), @r#"
    {
      "agreements": [
        {
          "agrees": true,
          "baseline": "cifar10, test split, digest 3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
          "candidate": "cifar10, test split, digest 3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
          "what": "data set"
        }
      ],
      "baseline": "resnet8-linf",
      "candidate": "resnet8-linf",
      "checks": [
        {
          "baseline": {
            "ci_high": 0.69670524,
            "ci_low": 0.49720914,
            "count": 60,
            "share": 0.6,
            "total": 100
          },
          "candidate": {
            "ci_high": 0.2918427,
            "ci_low": 0.12665554,
            "count": 20,
            "share": 0.2,
            "total": 100
          },
          "check": "pgd-20",
          "inconclusive": [],
          "model": "a",
          "test": {
            "both": 20,
            "ci_high": -0.30940128,
            "ci_low": -0.49799742,
            "difference": -0.4,
            "neither": 40,
            "only_baseline": 40,
            "only_candidate": 0,
            "p": 1.818989403545857e-12,
            "p_holm": 5.456968210637571e-12
          },
          "word": "regression"
        }
      ],
      "improvements": 0,
      "latency": [],
      "measures": [
        {
          "baseline": 12501632.0,
          "bound": "exact",
          "candidate": 12501632.0,
          "model": "a",
          "name": "MACs",
          "ratio": 1.0,
          "units": ""
        }
      ],
      "models": [
        {
          "baseline": "a",
          "candidate": "a",
          "same_file": true
        }
      ],
      "only_baseline": [],
      "only_candidate": [],
      "regressions": 1,
      "schema_version": 1,
      "significance": 0.05
    }
    "#);
}
