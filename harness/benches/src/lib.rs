//! What the benchmarks and `peer-worker` share: small networks of our own, rows to run them on, and a crew of workers
//! that runs them the way the product does. Suites, evidence and data sets are unknown here.

mod crew;
mod dump;
mod nets;
mod request;
mod rows;
mod session;

pub use crew::{Crew, Effort};
pub use nets::{Net, conv_net, dense_net};
pub use request::Request;
pub use rows::Batch;
pub use session::{PeerSession, Refusal, describe};
