//! Every verification comes to one sum of points that must vanish. Weighted at random, many sums become one.
//!
//! The weights are drawn from a hash of all that the batch consists of, so a prover would have to find a hash output
//! that fits, about 2²⁵² trials; a single verification is a batch of one.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{IsIdentity, VartimeMultiscalarMul};
use sha3::digest::{ExtendableOutput, Update, XofReader};
use sha3::Shake256;

use crate::generators::{blinding_base, chain, value_base};
use crate::Error;

/// An error, and the index of the first item it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Indexed {
    /// Where in the batch.
    pub index: usize,
    /// What is wrong there.
    pub error: Error,
}

/// A sum that vanishes if a proof holds.
#[derive(Default)]
pub(crate) struct Check {
    /// The factor of the base of values.
    pub(crate) value: Scalar,
    /// The factor of the base of blindings.
    pub(crate) blinding: Scalar,
    /// The factors of each party's generators, equally many of `G` and `H`.
    pub(crate) chains: Vec<(Vec<Scalar>, Vec<Scalar>)>,
    /// The points of the proof and its commitments.
    pub(crate) terms: Vec<(Scalar, RistrettoPoint)>,
}

/// Randomness that the batch fixes and nobody chooses.
pub(crate) struct Weights {
    hash: Shake256,
}

/// Two scalars for each item: one to join its own equations, one to join it to the batch.
#[derive(Clone, Copy)]
pub(crate) struct Weight {
    pub(crate) inner: Scalar,
    pub(crate) outer: Scalar,
}

impl Weights {
    pub(crate) fn new() -> Self {
        let mut hash = Shake256::default();
        hash.update(b"fairway.batch.v1");
        Self { hash }
    }

    pub(crate) fn absorb(&mut self, part: &[u8]) {
        self.hash.update(&(part.len() as u64).to_le_bytes());
        self.hash.update(part);
    }

    pub(crate) fn draw(self) -> impl Iterator<Item = Weight> {
        let mut reader = self.hash.finalize_xof();
        let mut scalar = move || {
            let mut uniform = [0; 64];
            reader.read(&mut uniform);
            Scalar::from_bytes_mod_order_wide(&uniform)
        };
        core::iter::repeat_with(move || Weight { inner: scalar(), outer: scalar() })
    }
}

/// Verify all items together; on failure find the first bad one.
///
/// `prepare` turns an item into its check, given the scalar that joins its equations.
pub(crate) fn verify<Item>(
    items: &[Item],
    weights: Weights,
    prepare: impl Fn(&Item, &Scalar) -> Result<Check, Error>,
) -> Result<(), Indexed> {
    let mut checks = Vec::with_capacity(items.len());
    let mut malformed = Ok(());
    for (index, (item, weight)) in items.iter().zip(weights.draw()).enumerate() {
        match prepare(item, &weight.inner) {
            Ok(check) => checks.push((check, weight.outer)),
            Err(error) => {
                malformed = Err(Indexed { index, error });
                break;
            }
        }
    }
    let at = |index| Indexed { index, error: Error::ProofInvalid };
    match first_failing(&checks) {
        Ok(None) => malformed,
        Ok(Some(index)) => Err(at(index)),
        Err(error) => Err(Indexed { index: 0, error }),
    }
}

/// The first check that fails, by halving: a good batch costs one sum, a bad one about two.
fn first_failing(checks: &[(Check, Scalar)]) -> Result<Option<usize>, Error> {
    if vanishes(checks)? {
        return Ok(None);
    }
    let (mut from, mut to) = (0, checks.len());
    while to - from > 1 {
        let middle = from + (to - from) / 2;
        if vanishes(&checks[from..middle])? {
            from = middle;
        } else {
            to = middle;
        }
    }
    Ok(Some(from))
}

fn vanishes(checks: &[(Check, Scalar)]) -> Result<bool, Error> {
    let mut scalars = vec![Scalar::ZERO; 2];
    let mut points = vec![value_base(), blinding_base()];
    let mut chains: Vec<(Vec<Scalar>, Vec<Scalar>)> = Vec::new();
    for (check, weight) in checks {
        scalars[0] += weight * check.value;
        scalars[1] += weight * check.blinding;
        chains.resize_with(chains.len().max(check.chains.len()), Default::default);
        for (sum, part) in chains.iter_mut().zip(&check.chains) {
            add_weighted(&mut sum.0, &part.0, weight);
            add_weighted(&mut sum.1, &part.1, weight);
        }
        scalars.extend(check.terms.iter().map(|(scalar, _)| weight * scalar));
        points.extend(check.terms.iter().map(|(_, point)| point));
    }
    for (party, (g, h)) in chains.into_iter().enumerate() {
        let generators = chain(party, g.len())?;
        points.extend(generators.g.iter().take(g.len()));
        points.extend(generators.h.iter().take(h.len()));
        scalars.extend(g.into_iter().chain(h));
    }
    Ok(RistrettoPoint::vartime_multiscalar_mul(scalars, points).is_identity())
}

fn add_weighted(sum: &mut Vec<Scalar>, part: &[Scalar], weight: &Scalar) {
    sum.resize(sum.len().max(part.len()), Scalar::ZERO);
    for (total, scalar) in sum.iter_mut().zip(part) {
        *total += weight * scalar;
    }
}
