/// Whether `name` may name a model, a data set or a split: it becomes a file name.
///
/// ASCII letters, digits, `.`, `_` and `-`; starts with a letter or a digit; at most 100 characters.
pub(crate) fn check_name(name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    let first = name.chars().next();
    if name.len() <= 100 && name.chars().all(allowed) && first.is_some_and(|c| c.is_ascii_alphanumeric()) {
        return Ok(());
    }
    Err(format!(
        "the name `{name}` is not allowed: use letters, digits, `.`, `_` and `-`, starting with a letter or a digit"
    ))
}

/// Whether `path` names a file inside a folder on every system: relative, `/` between components, none of them `..`.
pub(crate) fn check_relative_path(path: &str) -> Result<(), String> {
    let plain = |part: &str| {
        let reserved = |c: char| c.is_control() || "\\:*?\"<>|".contains(c);
        !part.is_empty() && part != "." && part != ".." && !part.chars().any(reserved)
    };
    if path.len() <= 1000 && path.split('/').all(plain) {
        return Ok(());
    }
    Err("it must be a relative path inside the folder, without `..`, `\\` or reserved characters".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain() {
        for name in ["a", "resnet8-cifar10", "A_1.5"] {
            assert_eq!(check_name(name), Ok(()));
        }
        for name in ["", ".", "..", ".a", "-a", "a/b", "a\\b", "a b", "ä", "a\n", &"a".repeat(101)] {
            assert!(check_name(name).is_err(), "{name}");
        }
    }

    #[test]
    fn paths_stay_inside() {
        for path in ["model.onnx", "a/b/c.bin", "weights (1).data"] {
            assert_eq!(check_relative_path(path), Ok(()));
        }
        for path in ["", "/etc/passwd", "../a", "a/../b", "a//b", "./a", "a/", "C:\\a", "a\0b"] {
            assert!(check_relative_path(path).is_err(), "{path}");
        }
    }
}
