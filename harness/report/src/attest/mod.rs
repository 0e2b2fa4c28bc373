//! Signatures: keys, signed statements about a report folder, signatures of models.
//!
//! One kind of key (ECDSA on P-256) and one envelope (DSSE) for everything. A statement says what was found, and the digests
//! of the files that it was found in and on; the signature says who says so, and nothing more: whether it is true is for whoever
//! holds the files to check. This room must not know how a gate or an attack works.

mod dsse;
mod folder;
mod key;
mod key_file;
mod model;
mod robustness;
mod secrets;
mod statement;
mod test_result;

pub use dsse::{Signer, Verified, pae, sign, verify};
pub(crate) use folder::remove_statements;
pub use folder::{Attested, STATEMENTS, Written, attest_folder, disagreements, verify_envelope};
pub use key::{PrivateKey, PublicKey};
pub use model::{SignedModel, sign_model, verify_model};
pub use robustness::ROBUSTNESS;
pub use secrets::refuse_secrets;
pub use statement::{IN_TOTO, Statement, Subject};
pub(crate) use test_result::uri_part;
