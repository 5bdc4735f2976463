//! A constraint proof, strictly parsed.

use curve25519_dalek::scalar::Scalar;

use crate::encoding::{Point, ProofReader};
use crate::inner_product::InnerProduct;
use crate::Error;

pub(super) const ONE_PHASE: u8 = 0;
pub(super) const TWO_PHASE: u8 = 1;

/// Commitments to the wires of one phase and to the vectors that mask them.
pub(super) struct Wires {
    pub(super) input: Point,
    pub(super) output: Point,
    pub(super) mask: Point,
}

pub(super) struct Proof {
    pub(super) first: Wires,
    pub(super) second: Option<Wires>,
    /// The commitments to the coefficients 1, 3, 4, 5 and 6 of t(x); the second is known to the verifier.
    pub(super) coefficients: [Point; 5],
    pub(super) t_x: Scalar,
    pub(super) t_x_blinding: Scalar,
    pub(super) e_blinding: Scalar,
    pub(super) inner_product: InnerProduct,
}

impl Proof {
    /// Understand the proof of a circuit with `padded` multipliers (a power of two).
    pub(super) fn parse(bytes: &[u8], two_phase: bool, padded: usize) -> Result<Self, Error> {
        let (version, rest) = bytes.split_first().ok_or(Error::ProofShape)?;
        if *version != if two_phase { TWO_PHASE } else { ONE_PHASE } {
            return Err(Error::ProofShape);
        }
        let mut reader = ProofReader::new(rest);
        let mut point = || reader.point();
        let first = Wires { input: point()?, output: point()?, mask: point()? };
        let second = if two_phase { Some(Wires { input: point()?, output: point()?, mask: point()? }) } else { None };
        let coefficients = [point()?, point()?, point()?, point()?, point()?];
        Ok(Self {
            first,
            second,
            coefficients,
            t_x: reader.scalar()?,
            t_x_blinding: reader.scalar()?,
            e_blinding: reader.scalar()?,
            inner_product: InnerProduct::read(&mut reader, padded)?,
        })
    }
}
