//! Constraint proofs over a tape.
//!
//! ```text
//! proof   version:u8   A_I1 A_O1 S1  [A_I2 A_O2 S2]  T_1 T_3 T_4 T_5 T_6   t_x t_x_blinding e_blinding   (L R)*  a b
//! ```
//!
//! The bracket is there, and the version 1 instead of 0, if and only if the second phase has multipliers. The published
//! verifier also takes identity points in the bracket's place and elsewhere; this one does not.

mod proof;
mod prove;
mod verify;

pub use prove::{prove, Secrets};
pub use verify::{verify_batch, Item};
