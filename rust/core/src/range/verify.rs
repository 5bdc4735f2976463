//! The verifier of range proofs: a proof becomes a sum that must vanish.

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use merlin::Transcript;

use super::padded;
use crate::batch::{self, Check, Indexed, Weights};
use crate::encoding::{self, Point, ProofReader};
use crate::inner_product::InnerProduct;
use crate::transcript::{for_ranges, Protocol};
use crate::vectors::powers;
use crate::Error;

/// One proof, and what it is a proof of.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The commitments to the values, end to end.
    pub commitments: &'a [u8],
    /// The width of the range.
    pub bits: usize,
    /// What binds the proof to the outside.
    pub statement: &'a [u8],
    /// The proof.
    pub proof: &'a [u8],
}

/// Verify all items together; the error names the first bad one.
pub fn verify_batch(items: &[Item<'_>]) -> Result<(), Indexed> {
    let mut weights = Weights::new();
    for item in items {
        weights.absorb(item.commitments);
        weights.absorb(&(item.bits as u64).to_le_bytes());
        weights.absorb(item.statement);
        weights.absorb(item.proof);
    }
    batch::verify(items, weights, |item, r| {
        let mut commitments = encoding::points(item.commitments)?;
        let values = padded(item.bits, commitments.len())?;
        commitments.resize(values, Point::from(RistrettoPoint::identity()));
        let proof = Proof::parse(item.proof, item.bits * values)?;
        Ok(check(&proof, &commitments, item.bits, r, &mut for_ranges(item.statement)))
    })
}

struct Proof {
    bits: Point,
    mask: Point,
    t_1: Point,
    t_2: Point,
    t_x: Scalar,
    t_x_blinding: Scalar,
    e_blinding: Scalar,
    inner_product: InnerProduct,
}

impl Proof {
    fn parse(bytes: &[u8], length: usize) -> Result<Self, Error> {
        let mut reader = ProofReader::new(bytes);
        Ok(Self {
            bits: reader.point()?,
            mask: reader.point()?,
            t_1: reader.point()?,
            t_2: reader.point()?,
            t_x: reader.scalar()?,
            t_x_blinding: reader.scalar()?,
            e_blinding: reader.scalar()?,
            inner_product: InnerProduct::read(&mut reader, length)?,
        })
    }
}

/// The equation of the polynomials, times `r`, plus the equation of the inner product.
fn check(proof: &Proof, commitments: &[Point], bits: usize, r: &Scalar, transcript: &mut Transcript) -> Check {
    let values = commitments.len();
    transcript.separate(b"rangeproof v1");
    transcript.append_u64(b"n", bits as u64);
    transcript.append_u64(b"m", values as u64);
    for commitment in commitments {
        transcript.append_point(b"V", &commitment.encoded);
    }
    transcript.append_point(b"A", &proof.bits.encoded);
    transcript.append_point(b"S", &proof.mask.encoded);
    let y = transcript.challenge(b"y");
    let z = transcript.challenge(b"z");
    transcript.append_point(b"T_1", &proof.t_1.encoded);
    transcript.append_point(b"T_2", &proof.t_2.encoded);
    let x = transcript.challenge(b"x");
    transcript.append_scalar(b"t_x", &proof.t_x);
    transcript.append_scalar(b"t_x_blinding", &proof.t_x_blinding);
    transcript.append_scalar(b"e_blinding", &proof.e_blinding);
    let w = transcript.challenge(b"w");
    let unfolding = proof.inner_product.unfold(transcript);
    let (a, b) = (proof.inner_product.a, proof.inner_product.b);

    let z_squared = z * z;
    let two_powers: Vec<Scalar> = powers(Scalar::from(2_u64)).take(bits).collect();
    let z_powers: Vec<Scalar> = powers(z).take(values).map(|power| power * z_squared).collect();
    let weights = z_powers.iter().flat_map(|z_power| two_powers.iter().map(move |two| z_power * two));
    let g: Vec<Scalar> = unfolding.factors.iter().map(|s| -z - a * s).collect();
    let h = unfolding.factors.iter().rev().zip(powers(y.invert())).zip(weights);
    let h: Vec<Scalar> = h.map(|((s, inverse), weight)| z + inverse * (weight - b * s)).collect();

    let mut terms = unfolding.terms;
    terms.extend([
        (Scalar::ONE, proof.bits.element),
        (x, proof.mask.element),
        (r * x, proof.t_1.element),
        (r * x * x, proof.t_2.element),
    ]);
    terms.extend(z_powers.iter().zip(commitments).map(|(power, point)| (r * power, point.element)));
    Check {
        value: w * (proof.t_x - a * b) + r * (delta(bits, &z_powers, &y, &z) - proof.t_x),
        blinding: -proof.e_blinding - r * proof.t_x_blinding,
        chains: g.chunks(bits).zip(h.chunks(bits)).map(|(g, h)| (g.to_vec(), h.to_vec())).collect(),
        terms,
    }
}

/// `(z − z²)·Σ yⁱ − Σ z^(j+3)·(2^bits − 1)`, over all bits `i` and values `j`.
fn delta(bits: usize, z_powers: &[Scalar], y: &Scalar, z: &Scalar) -> Scalar {
    let sum_of_y: Scalar = powers(*y).take(bits * z_powers.len()).sum();
    let sum_of_two: Scalar = powers(Scalar::from(2_u64)).take(bits).sum();
    let sum_of_z: Scalar = z_powers.iter().sum();
    (z - z * z) * sum_of_y - z * sum_of_z * sum_of_two
}
