use evidence::Results;

use crate::Error;

/// `results.json`.
pub(super) fn render(results: &Results) -> Result<String, Error> {
    Ok(results.to_json()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{detectors, example};

    #[test]
    fn comes_back_exactly() {
        let text = render(&example()).unwrap();
        assert_eq!(Results::from_json(&text).unwrap(), example());
    }

    #[test]
    fn areas_come_back_and_are_left_out_where_there_are_none() {
        let text = render(&detectors()).unwrap();
        assert_eq!(Results::from_json(&text).unwrap(), detectors());
        assert_eq!((text.matches("\"clean_auc\"").count(), text.matches("\"auc\"").count()), (1, 2));
    }

    #[test]
    fn one_model_as_text() {
        let mut results = example();
        results.models.truncate(1);
        results.models[0].attacks.truncate(1);
        insta::assert_snapshot!(render(&results).unwrap(), @r#"
        {
          "schema_version": 1,
          "suite": "resnet8-linf",
          "tinyassay": "0.1.0",
          "plan_digest": "64879f7d6b960a01909762d911a32d4582c20010c5641ee90278b644a9e3b525",
          "dataset": {
            "name": "cifar10",
            "split": "test",
            "digest": "3a6eb0790f39ac87c94f3856b2dd2c5d110e6811602261a9a923d3bb23adc8b7",
            "samples": 10000,
            "selection": "the first 10000 by index",
            "licence": "MIT"
          },
          "threat": {
            "norm": "linf",
            "epsilon": "8/255",
            "units": "pixels in 0..1"
          },
          "runtime": {
            "provider": "cpu",
            "onnxruntime": "1.31.1",
            "library_sha256": "fc44112fbe06d7d689c57e11d3862031f64711007e4ee020f8eed5185fd2c1d3",
            "instruction_set": "avx2",
            "optimisation": "all"
          },
          "plan": {
            "attacks": [
              {
                "name": "fgsm"
              },
              {
                "name": "pgd-20",
                "steps": 20
              }
            ],
            "seed": "0"
          },
          "models": [
            {
              "name": "resnet8-cifar10-int8",
              "digest": "251c4d47ebc8b55ffc29e12f8e0f10a09a2c8c88266da99c20d9f9d43282c765",
              "clean_accuracy": 0.8707,
              "ci_low": 0.86396563,
              "ci_high": 0.87721767,
              "correct": 8707,
              "total": 10000,
              "ties": 1,
              "macs": 12501632,
              "macs_torchprofile": 12501696,
              "parameters": null,
              "params_without_bn": 77706,
              "notes": [
                "the softmax ending was cut: gradients are those of the logits"
              ],
              "attacks": [
                {
                  "name": "fgsm",
                  "robust_accuracy": 0.21,
                  "bound": "upper",
                  "ci_low": 0.20205223,
                  "ci_high": 0.218117,
                  "robust": 2100,
                  "total": 10000,
                  "wrong": 1293,
                  "attacked": 6607,
                  "certified": 0,
                  "unknown": 2100,
                  "found": 6619,
                  "confirmed": 6607,
                  "rejected": 12,
                  "ties": 3,
                  "flags": {
                    "tie": 3,
                    "unconfirmed": 2
                  },
                  "forwards": 174140,
                  "backwards": 174140,
                  "judge_forwards": 8707,
                  "revision": 1,
                  "parameters": {
                    "step_size": "2/255",
                    "steps": 20
                  }
                }
              ],
              "worst_case": {
                "robust_accuracy": 0.0017,
                "bound": "upper",
                "ci_low": 0.00099061,
                "ci_high": 0.00272048,
                "robust": 17,
                "total": 10000
              }
            }
          ]
        }
        "#);
    }
}
