//! The inner-product argument: `P = ⟨a, G⟩ + ⟨b, H⟩ + ⟨a, b⟩·Q`, proven in log₂ n rounds.
//!
//! The vectors it is given are already masked by the blinding vectors of the outer protocol and could be sent as they
//! are, so variable time gives nothing away here.

use core::iter::once;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::VartimeMultiscalarMul;
use merlin::Transcript;

use crate::encoding::{Point, ProofReader};
use crate::transcript::Protocol;
use crate::vectors::inner_product;
use crate::Error;

/// The argument as it stands in a proof.
pub(crate) struct InnerProduct {
    rounds: Vec<(Point, Point)>,
    pub(crate) a: Scalar,
    pub(crate) b: Scalar,
}

/// What the verifier draws from the rounds.
pub(crate) struct Unfolding {
    /// `Σ u²·L + u⁻²·R` belongs to the sum that must vanish.
    pub(crate) terms: Vec<(Scalar, RistrettoPoint)>,
    /// The factor that folding left on each generator of `G`; reversed, on each of `H`.
    pub(crate) factors: Vec<Scalar>,
}

/// How many generators are summed to one at a time: summing two by two costs more than a few longer rounds.
const SUMMED_TOGETHER: usize = 8;

/// The two vectors and their generators while they fold.
///
/// The generators are folded late: `G_j` is the sum of `g_factors[i]·g[i]` over all `i` congruent to `j` modulo the
/// vectors' length, and likewise `H_j`.
pub(crate) struct Vectors {
    pub(crate) a: Vec<Scalar>,
    pub(crate) b: Vec<Scalar>,
    pub(crate) g: Vec<RistrettoPoint>,
    pub(crate) h: Vec<RistrettoPoint>,
    pub(crate) g_factors: Vec<Scalar>,
    pub(crate) h_factors: Vec<Scalar>,
}

impl InnerProduct {
    /// Read what is left of a proof: rounds for vectors of `length` (a power of two), then two scalars.
    pub(crate) fn read(reader: &mut ProofReader<'_>, length: usize) -> Result<Self, Error> {
        let rounds = length.trailing_zeros() as usize;
        if reader.elements_left()? != 2 * rounds + 2 {
            return Err(Error::ProofShape);
        }
        let rounds = (0..rounds).map(|_| Ok((reader.point()?, reader.point()?))).collect::<Result<_, Error>>()?;
        Ok(Self { rounds, a: reader.scalar()?, b: reader.scalar()? })
    }

    /// Draw the challenges again and compute what they come to.
    pub(crate) fn unfold(&self, transcript: &mut Transcript) -> Unfolding {
        let length = 1_usize << self.rounds.len();
        transcript.separate(b"ipp v1");
        transcript.append_u64(b"n", length as u64);
        let mut challenges = Vec::with_capacity(self.rounds.len());
        for (left, right) in &self.rounds {
            transcript.append_point(b"L", &left.encoded);
            transcript.append_point(b"R", &right.encoded);
            challenges.push(transcript.challenge(b"u"));
        }
        let mut inverses = challenges.clone();
        // Inverting nothing costs as much as inverting something.
        let all_inverse = if inverses.is_empty() { Scalar::ONE } else { Scalar::batch_invert(&mut inverses) };

        let squares: Vec<Scalar> = challenges.iter().map(|u| u * u).collect();
        let mut factors = Vec::with_capacity(length);
        factors.push(all_inverse);
        for square in squares.iter().rev() {
            // The challenge of the last round tells neighbours apart, that of the first the two halves.
            for i in 0..factors.len() {
                factors.push(factors[i] * square);
            }
        }
        let terms = self.rounds.iter().zip(squares.iter().zip(&inverses));
        let terms = terms.flat_map(|((left, right), (square, inverse))| {
            [(*square, left.element), (inverse * inverse, right.element)]
        });
        Unfolding { terms: terms.collect(), factors }
    }
}

/// Append the argument for `vectors` (of equal length, a power of two) to `proof`.
pub(crate) fn prove(transcript: &mut Transcript, q: &RistrettoPoint, mut vectors: Vectors, proof: &mut Vec<u8>) {
    transcript.separate(b"ipp v1");
    transcript.append_u64(b"n", vectors.a.len() as u64);
    while vectors.a.len() > 1 {
        let (left, right) = vectors.cross_terms(q);
        for (label, point) in [(b"L", left), (b"R", right)] {
            let encoded = point.compress();
            transcript.append_point(label, &encoded);
            proof.extend_from_slice(encoded.as_bytes());
        }
        let challenge = transcript.challenge(b"u");
        vectors.fold(&challenge);
    }
    proof.extend_from_slice(vectors.a[0].as_bytes());
    proof.extend_from_slice(vectors.b[0].as_bytes());
}

impl Vectors {
    /// `L = ⟨a_lo, G_hi⟩ + ⟨b_hi, H_lo⟩ + ⟨a_lo, b_hi⟩·Q` and `R`, its mirror.
    fn cross_terms(&self, q: &RistrettoPoint) -> (RistrettoPoint, RistrettoPoint) {
        let (a_low, a_high) = self.a.split_at(self.a.len() / 2);
        let (b_low, b_high) = self.b.split_at(self.b.len() / 2);
        (self.cross_term(a_low, b_high, true, q), self.cross_term(a_high, b_low, false, q))
    }

    /// `a` over the high half of `G` (or the low one) and `b` over the other half of `H`.
    fn cross_term(&self, a: &[Scalar], b: &[Scalar], a_on_high: bool, q: &RistrettoPoint) -> RistrettoPoint {
        let length = self.a.len();
        let is_high = |i: usize| i % length >= length / 2;
        let over = |wanted: bool| (0..self.g.len()).filter(move |i| is_high(*i) == wanted);
        let g = over(a_on_high).map(|i| (self.g_factors[i] * a[i % a.len()], &self.g[i]));
        let h = over(!a_on_high).map(|i| (self.h_factors[i] * b[i % b.len()], &self.h[i]));
        let (scalars, points): (Vec<Scalar>, Vec<&RistrettoPoint>) =
            g.chain(h).chain(once((inner_product(a, b), q))).unzip();
        RistrettoPoint::vartime_multiscalar_mul(scalars, points)
    }

    /// Halve everything by the challenge `u`; the generators only in name, until enough rounds have come together.
    fn fold(&mut self, u: &Scalar) {
        let half = self.a.len() / 2;
        let inverse = u.invert();
        for i in 0..self.g.len() {
            let (on_g, on_h) = if i % (2 * half) < half { (&inverse, u) } else { (u, &inverse) };
            self.g_factors[i] *= on_g;
            self.h_factors[i] *= on_h;
        }
        for i in 0..half {
            self.a[i] = self.a[i] * u + self.a[i + half] * inverse;
            self.b[i] = self.b[i] * inverse + self.b[i + half] * u;
        }
        self.a.truncate(half);
        self.b.truncate(half);
        if half > 1 && self.g.len() == half * SUMMED_TOGETHER {
            self.g = summed(&self.g, &self.g_factors, half);
            self.h = summed(&self.h, &self.h_factors, half);
            self.g_factors = vec![Scalar::ONE; half];
            self.h_factors = vec![Scalar::ONE; half];
        }
    }
}

/// The generators that are congruent modulo `length`, summed with their factors.
fn summed(generators: &[RistrettoPoint], factors: &[Scalar], length: usize) -> Vec<RistrettoPoint> {
    let every = |from| (from..generators.len()).step_by(length);
    let sum =
        |j| RistrettoPoint::vartime_multiscalar_mul(every(j).map(|i| factors[i]), every(j).map(|i| generators[i]));
    (0..length).map(sum).collect()
}
