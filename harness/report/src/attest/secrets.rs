use std::fs;
use std::path::Path;

use crate::Error;

/// What stands in every private key that is PEM text, whatever its kind.
const MARK: &[u8] = b"PRIVATE KEY-----";

/// Refuses a folder in which a file holds a private key as PEM text: what is signed is given away.
///
/// Errors: [`Error::Secret`] with the file; a file or folder that cannot be read. Links are not followed.
pub fn refuse_secrets(folder: &Path) -> Result<(), Error> {
    for entry in fs::read_dir(folder).map_err(Error::io("read", folder))? {
        let entry = entry.map_err(Error::io("read", folder))?;
        let (path, kind) = (entry.path(), entry.file_type().map_err(Error::io("read", folder))?);
        if kind.is_dir() {
            refuse_secrets(&path)?;
        } else if kind.is_file() {
            let bytes = fs::read(&path).map_err(Error::io("read", &path))?;
            if bytes.windows(MARK.len()).any(|window| window == MARK) {
                return Err(Error::Secret { path });
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::attest::key::tests::{key, private_pem};

    #[test]
    fn a_key_is_found_wherever_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let deep = folder.path().join("evidence/a");
        fs::create_dir_all(&deep).unwrap();
        fs::write(folder.path().join("release.pub"), key().public().to_pem()).unwrap();
        fs::write(folder.path().join("report.md"), "Of a PRIVATE KEY nobody speaks.").unwrap();
        refuse_secrets(folder.path()).unwrap();
        let kinds = ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "OPENSSH PRIVATE KEY"];
        for (index, kind) in kinds.iter().enumerate() {
            let place = if index % 2 == 0 { deep.join(".hidden") } else { folder.path().join("results.json") };
            fs::write(&place, format!("\u{0}{}", private_pem().replace("PRIVATE KEY", kind))).unwrap();
            assert!(matches!(refuse_secrets(folder.path()), Err(Error::Secret { path }) if path == place), "{kind}");
            fs::remove_file(place).unwrap();
        }
    }
}
