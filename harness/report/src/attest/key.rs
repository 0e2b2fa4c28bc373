use std::fmt;

use evidence::Digest;
use p256::ecdsa::signature::{Signer, Verifier};
use p256::ecdsa::{Signature, SigningKey, VerifyingKey};
use p256::elliptic_curve::Generate;
use p256::pkcs8::{DecodePrivateKey, DecodePublicKey, EncodePrivateKey, EncodePublicKey, LineEnding};

use crate::Error;

/// A private key: ECDSA on the curve P-256 with SHA-256. It is never shown.
pub struct PrivateKey(SigningKey);

/// The public half, which verifies what the private one signed.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey(VerifyingKey);

impl PrivateKey {
    /// A new key, from the random numbers of the operating system.
    ///
    /// Errors: [`Error::Random`].
    pub fn generate() -> Result<Self, Error> {
        SigningKey::try_generate().map(Self).map_err(|error| Error::Random(error.to_string()))
    }

    /// Reads PEM text in the form PKCS#8.
    ///
    /// Errors: what the text is instead, and how to get what is wanted.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        SigningKey::from_pkcs8_pem(text.trim_ascii()).map(Self).map_err(|error| not_private(text, &error))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        PublicKey(*self.0.verifying_key())
    }

    /// The signature of a message, in DER. The same message has the same signature (RFC 6979).
    pub(crate) fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: Signature = self.0.sign(message);
        signature.to_der().as_bytes().to_vec()
    }

    /// The PEM text, for the file of the key and nothing else. The bytes are wiped when they are dropped.
    pub(super) fn to_pem(&self) -> impl std::ops::Deref<Target = String> {
        self.0.to_pkcs8_pem(LineEnding::LF).expect("a key on P-256 has a PKCS#8 form")
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PrivateKey(of {})", self.public().id())
    }
}

impl PublicKey {
    /// Reads PEM text in the form SubjectPublicKeyInfo.
    ///
    /// Errors: what the text is instead, and how to get what is wanted.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        VerifyingKey::from_public_key_pem(text.trim_ascii()).map(Self).map_err(|error| not_public(text, &error))
    }

    /// The PEM text.
    pub fn to_pem(&self) -> String {
        self.0.to_public_key_pem(LineEnding::LF).expect("a key on P-256 has a SubjectPublicKeyInfo form")
    }

    /// What signatures call the key: the SHA-256 digest of its PEM text, in hexadecimal.
    pub fn id(&self) -> String {
        Digest::of(self.to_pem().as_bytes()).to_string()
    }

    /// Whether `signature` (DER) is that of the message.
    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_der(signature).is_ok_and(|signature| self.0.verify(message, &signature).is_ok())
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.id())
    }
}

fn has(text: &str, label: &str) -> bool {
    text.contains(&format!("-----BEGIN {label}-----"))
}

fn not_private(text: &str, error: &dyn fmt::Display) -> String {
    const CONVERT: &str = "hint: `openssl pkcs8 -topk8 -nocrypt -in KEY -out NEW` writes the form that is read";
    if has(text, "PUBLIC KEY") {
        return "it is a public key, and signing needs the private one".to_owned();
    }
    if has(text, "ENCRYPTED PRIVATE KEY") {
        return format!("it is encrypted, which this version does not read\n{CONVERT}");
    }
    if has(text, "EC PRIVATE KEY") {
        return format!("it has the form SEC 1, and PKCS#8 is read\n{CONVERT}");
    }
    if !has(text, "PRIVATE KEY") {
        return "it has no private key in PEM text\nhint: `tinyassay key new FILE` makes one".to_owned();
    }
    format!("expected an ECDSA key on the curve P-256: {error}")
}

fn not_public(text: &str, error: &dyn fmt::Display) -> String {
    if text.contains("PRIVATE KEY-----") {
        return "it is a private key, and verifying takes the public one\nhint: `tinyassay key new FILE` wrote it as FILE.pub"
            .to_owned();
    }
    if !has(text, "PUBLIC KEY") {
        return "it has no public key in PEM text (-----BEGIN PUBLIC KEY-----)".to_owned();
    }
    format!("expected an ECDSA key on the curve P-256: {error}")
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The key of RFC 6979, appendix A.2.5, as Python's `cryptography` writes it. It is public, and signs nothing else.
    const PRIVATE: &str = "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgya+p2EW6dRZrXCFX\n\
                           Z7HWk05Qw9s26JsSe4piKxIPZyGhRANCAARg/tS6JVqdMclh63TGNW1owEm4kjth\n\
                           +mzmaWIuYPKftnkD/hAIuLyZpBrp6VYovGTy8bIMLX6fUXejwpTURiKZ";
    const PUBLIC: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEYP7UuiVanTHJYet0xjVtaMBJuJI7\n\
                          Yfps5mliLmDyn7Z5A/4QCLi8maQa6elWKLxk8vGyDC1+n1F3o8KU1EYimQ==";
    /// The same number on another curve.
    const P384: &str = "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAAAAAAAAAAAAAAAAAA\n\
                        AAAAya+p2EW6dRZrXCFXZ7HWk05Qw9s26JsSe4piKxIPZyGhZANiAAQHwjDSC1rL\n\
                        hOJ1EkXP6mxmKJK8+EhqAYEnql4WBJpv3Yq1Mm0PabW3COtZWrTtbvZVd7DbO8vU\n\
                        oKhDBuAzbvZcO3mUn4c7WzTRtmj+60QUOiW/4HncS+w26C6HrmQkGek=";
    /// The example of RFC 8410.
    const ED25519: &str = "MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC";

    fn pem(label: &str, body: &str) -> String {
        format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n")
    }

    /// The key of the tests as text.
    pub(crate) fn private_pem() -> String {
        pem("PRIVATE KEY", PRIVATE)
    }

    /// The key of the tests.
    pub(crate) fn key() -> PrivateKey {
        PrivateKey::from_pem(&private_pem()).unwrap()
    }

    #[test]
    fn a_published_key_makes_the_published_signature() {
        // RFC 6979, A.2.5, with SHA-256, message `sample`: r, then s.
        let wanted = "3046\
                      022100efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716\
                      022100f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8";
        let signature = key().sign(b"sample");
        assert_eq!(signature.iter().map(|byte| format!("{byte:02x}")).collect::<String>(), wanted);
        assert!(key().public().verifies(b"sample", &signature) && !key().public().verifies(b"Sample", &signature));
    }

    #[test]
    fn keys_are_written_as_others_write_them() {
        let public = pem("PUBLIC KEY", PUBLIC);
        assert_eq!(*key().to_pem(), private_pem());
        assert_eq!(key().public().to_pem(), public);
        assert_eq!(PublicKey::from_pem(&public.replace('\n', "\r\n")).unwrap(), key().public());
        assert_eq!(key().public().id(), Digest::of(public.as_bytes()).to_string());
    }

    #[test]
    fn a_new_key_comes_back_and_is_another_each_time() {
        let (one, two) = (PrivateKey::generate().unwrap(), PrivateKey::generate().unwrap());
        assert_ne!(one.public(), two.public());
        let again = PrivateKey::from_pem(&one.to_pem()).unwrap();
        assert_eq!(again.public(), one.public());
        assert!(one.public().verifies(b"text", &again.sign(b"text")));
        assert!(!two.public().verifies(b"text", &one.sign(b"text")));
    }

    #[test]
    fn other_keys_are_refused_and_it_is_said_why() {
        let (public, sec1, locked) =
            (pem("PUBLIC KEY", PUBLIC), pem("EC PRIVATE KEY", PRIVATE), pem("ENCRYPTED PRIVATE KEY", PRIVATE));
        let others = [pem("PRIVATE KEY", P384), pem("PRIVATE KEY", ED25519), pem("PRIVATE KEY", &PRIVATE[1..])];
        let private = [(&public, "public key"), (&sec1, "SEC 1"), (&locked, "encrypted")];
        let private = private.into_iter().chain(others.iter().map(|text| (text, "the curve P-256")));
        for (text, part) in private.chain([(&String::new(), "key new")]) {
            let error = PrivateKey::from_pem(text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        for (text, part) in [(private_pem(), "FILE.pub"), (sec1, "private key"), (String::new(), "PUBLIC KEY")] {
            let error = PublicKey::from_pem(&text).unwrap_err();
            assert!(error.contains(part), "{error}");
        }
        assert!(PublicKey::from_pem(&pem("PUBLIC KEY", ED25519)).unwrap_err().contains("P-256"));
    }

    #[test]
    fn a_private_key_is_never_shown() {
        let shown = format!("{:?}", key());
        assert!(shown.contains(&key().public().id()) && !shown.contains("PRIVATE KEY"), "{shown}");
        assert!(PRIVATE.lines().all(|line| !shown.contains(line)));
    }
}
