//! Pedersen commitments in batches, and sums of points.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::traits::VartimeMultiscalarMul;
use zeroize::Zeroizing;

use crate::encoding::{points, scalars, ELEMENT_BYTES};
use crate::generators::commit_all;
use crate::Error;

/// One commitment for each pair of scalars, end to end. Constant time in both.
pub fn commit_batch(values: &[u8], blindings: &[u8]) -> Result<Vec<u8>, Error> {
    let values = Zeroizing::new(scalars(values)?);
    let blindings = Zeroizing::new(scalars(blindings)?);
    if values.len() != blindings.len() {
        return Err(Error::Mismatch);
    }
    let commitments = commit_all(values.iter().zip(blindings.iter()));
    Ok(commitments.iter().flat_map(CompressedRistretto::to_bytes).collect())
}

/// `Σ scalar·point` of public scalars and points, in variable time; the empty sum is the identity.
pub fn combine(factors: &[u8], bases: &[u8]) -> Result<[u8; ELEMENT_BYTES], Error> {
    let factors = scalars(factors)?;
    let bases = points(bases)?;
    if factors.len() != bases.len() {
        return Err(Error::Mismatch);
    }
    let sum = RistrettoPoint::vartime_multiscalar_mul(&factors, bases.iter().map(|base| base.element));
    Ok(sum.compress().to_bytes())
}
