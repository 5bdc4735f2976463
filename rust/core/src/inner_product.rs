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

/// The two vectors and their generators while they fold. `g_factors` and `h_factors` are still to be multiplied in.
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
        let all_inverse = Scalar::batch_invert(&mut inverses);

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
        let half = self.a.len() / 2;
        let (low, high) = (0..half, half..2 * half);
        let cross = |ours: core::ops::Range<usize>, theirs: core::ops::Range<usize>| {
            let (a, b) = (&self.a[ours.clone()], &self.b[theirs.clone()]);
            let a_scaled = a.iter().zip(&self.g_factors[theirs.clone()]).map(|(a, factor)| a * factor);
            let b_scaled = b.iter().zip(&self.h_factors[ours.clone()]).map(|(b, factor)| b * factor);
            RistrettoPoint::vartime_multiscalar_mul(
                a_scaled.chain(b_scaled).chain(once(inner_product(a, b))),
                self.g[theirs].iter().chain(&self.h[ours]).chain(once(q)),
            )
        };
        (cross(low.clone(), high.clone()), cross(high, low))
    }

    /// Halve everything by the challenge `u`.
    fn fold(&mut self, u: &Scalar) {
        let half = self.a.len() / 2;
        let inverse = u.invert();
        for i in 0..half {
            self.a[i] = self.a[i] * u + self.a[i + half] * inverse;
            self.b[i] = self.b[i] * inverse + self.b[i + half] * u;
            self.g[i] = RistrettoPoint::vartime_multiscalar_mul(
                [inverse * self.g_factors[i], u * self.g_factors[i + half]],
                [self.g[i], self.g[i + half]],
            );
            self.h[i] = RistrettoPoint::vartime_multiscalar_mul(
                [u * self.h_factors[i], inverse * self.h_factors[i + half]],
                [self.h[i], self.h[i + half]],
            );
        }
        self.a.truncate(half);
        self.b.truncate(half);
        self.g.truncate(half);
        self.h.truncate(half);
        self.g_factors = vec![Scalar::ONE; half];
        self.h_factors = vec![Scalar::ONE; half];
    }
}
