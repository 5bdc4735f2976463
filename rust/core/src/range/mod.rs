//! Aggregated range proofs: `0 ≤ value < 2^bits` for up to 64 committed values in one short proof.
//!
//! ```text
//! proof   A S T_1 T_2   t_x t_x_blinding e_blinding   (L R)*  a b
//! ```
//!
//! The number of values is padded to a power of two with the commitment to zero without blinding, the identity.

mod prove;
mod verify;

pub use prove::prove;
pub use verify::{verify_batch, Item};

use crate::generators::PARTY_BOUND;
use crate::Error;

/// Refuse an unsupported width or number of values; the number after padding.
fn padded(bits: usize, values: usize) -> Result<usize, Error> {
    if !matches!(bits, 8 | 16 | 32 | 64) || !(1..=PARTY_BOUND).contains(&values) {
        return Err(Error::RangeShape);
    }
    Ok(values.next_power_of_two())
}
