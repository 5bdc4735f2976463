//! Proofs over Ristretto255, the check of a signature, the hashes of a dictionary; nothing of Python, trading or I/O.
//!
//! - [`pedersen`]: commitments and sums of points;
//! - [`tape`]: a circuit as bytes, strictly parsed; `circuit`: the constraints it unrolls to;
//! - [`r1cs`], [`range`]: the two proof systems, with the wire format of the published `bulletproofs` crate;
//! - [`batch`]: every verification is one sum of points that must vanish, so many become one;
//! - [`ed25519`]: one signature, by one equation;
//! - [`dictionary`]: a `HashmapE 32` that is hashed as it changes.
//!
//! No input panics: whatever comes from outside is parsed into a [`Result`] first. Proving takes its entropy as an
//! argument, verifying takes none, and no function reads a clock or a file.

pub mod batch;
mod circuit;
pub mod dictionary;
pub mod ed25519;
pub mod encoding;
pub mod error;
pub mod generators;
mod inner_product;
pub mod pedersen;
pub mod r1cs;
pub mod range;
pub mod tape;
pub mod transcript;
mod vectors;

pub use batch::Indexed;
pub use error::{Error, Fault};
