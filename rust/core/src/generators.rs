//! The bases of commitments and the chains of generators, made once and kept.
//!
//! Making them anew for each proof is most of what a naive verifier spends. They are nothing-up-my-sleeve points, the
//! same as the published `bulletproofs` crate's: SHAKE-256 over `"GeneratorsChain" ‖ ('G' | 'H') ‖ party`, 64 bytes
//! hashed to the group for each.

use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use curve25519_dalek::constants::{
    RISTRETTO_BASEPOINT_COMPRESSED, RISTRETTO_BASEPOINT_POINT, RISTRETTO_BASEPOINT_TABLE,
};
use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoBasepointTable, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::{Sha3_512, Shake256};

use crate::Error;

/// The most multipliers a circuit may have, and so the longest chain.
pub const CHAIN_BOUND: usize = 1 << 14;
/// The most values one range proof may cover, and so the number of chains.
pub const PARTY_BOUND: usize = 64;
const CHAIN_STEP: usize = 64;

/// The generators of one party: party 0 serves circuits, and each value of a range proof has its own.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The generators of left sides.
    pub g: Vec<RistrettoPoint>,
    /// The generators of right sides.
    pub h: Vec<RistrettoPoint>,
}

/// The base of values.
#[must_use]
pub fn value_base() -> RistrettoPoint {
    RISTRETTO_BASEPOINT_POINT
}

/// The base of blindings: SHA3-512 of the encoded basepoint, hashed to the group.
#[must_use]
pub fn blinding_base() -> RistrettoPoint {
    blinding_table().basepoint()
}

/// `value·B + blinding·B_blinding`. Constant time.
#[must_use]
pub fn commit(value: &Scalar, blinding: &Scalar) -> RistrettoPoint {
    RISTRETTO_BASEPOINT_TABLE * value + blind(blinding)
}

/// The encodings of many commitments. Constant time.
///
/// Doubled points share one inversion when they are encoded, so the scalars are halved first: a single commitment gains
/// nothing, many are an eighth faster.
#[must_use]
pub fn commit_all<'a>(openings: impl IntoIterator<Item = (&'a Scalar, &'a Scalar)>) -> Vec<CompressedRistretto> {
    let half = half();
    let halves = openings.into_iter().map(|(value, blinding)| commit(&(half * value), &(half * blinding)));
    RistrettoPoint::double_and_compress_batch(&halves.collect::<Vec<_>>())
}

/// `blinding·B_blinding`. Constant time.
#[must_use]
pub fn blind(blinding: &Scalar) -> RistrettoPoint {
    blinding_table() * blinding
}

/// The chain of a party, at least `length` long.
pub fn chain(party: usize, length: usize) -> Result<Arc<Chain>, Error> {
    static CHAINS: RwLock<Vec<Arc<Chain>>> = RwLock::new(Vec::new());
    if party >= PARTY_BOUND || length > CHAIN_BOUND {
        return Err(Error::TapeBound);
    }
    let known = CHAINS.read().unwrap_or_else(PoisonError::into_inner);
    if let Some(chain) = known.get(party).filter(|chain| chain.g.len() >= length) {
        return Ok(Arc::clone(chain));
    }
    drop(known);
    let mut chains = CHAINS.write().unwrap_or_else(PoisonError::into_inner);
    if chains.len() <= party {
        chains.resize_with(party + 1, Arc::default);
    }
    if chains[party].g.len() < length {
        chains[party] = Arc::new(grown(party, &chains[party], length.next_power_of_two().max(CHAIN_STEP)));
    }
    Ok(Arc::clone(&chains[party]))
}

fn grown(party: usize, known: &Chain, length: usize) -> Chain {
    let mut chain = known.clone();
    chain.g.extend(points(b'G', party).take(length).skip(known.g.len()));
    chain.h.extend(points(b'H', party).take(length).skip(known.h.len()));
    chain
}

/// The endless chain of a side and a party. Skipped points cost their bytes and their hashing to the group.
fn points(side: u8, party: usize) -> impl Iterator<Item = RistrettoPoint> {
    let mut hash = Shake256::default();
    hash.update(b"GeneratorsChain");
    hash.update(&[side]);
    hash.update(&u32::try_from(party).unwrap_or(u32::MAX).to_le_bytes());
    let mut reader = hash.finalize_xof();
    core::iter::repeat_with(move || {
        let mut uniform = [0; 64];
        reader.read(&mut uniform);
        RistrettoPoint::from_uniform_bytes(&uniform)
    })
}

/// The inverse of two.
fn half() -> &'static Scalar {
    static HALF: OnceLock<Scalar> = OnceLock::new();
    HALF.get_or_init(|| Scalar::from(2_u8).invert())
}

fn blinding_table() -> &'static RistrettoBasepointTable {
    static TABLE: OnceLock<RistrettoBasepointTable> = OnceLock::new();
    TABLE.get_or_init(|| {
        let base = RistrettoPoint::hash_from_bytes::<Sha3_512>(RISTRETTO_BASEPOINT_COMPRESSED.as_bytes());
        RistrettoBasepointTable::create(&base)
    })
}
