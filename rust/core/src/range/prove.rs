//! The prover of range proofs: the bits of all values as one vector.

use std::sync::Arc;

use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, MultiscalarMul};
use merlin::{Transcript, TranscriptRng};
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::padded;
use crate::circuit::number64;
use crate::encoding::{self, ELEMENT_BYTES};
use crate::generators::{blind, chain, commit, commit_all, value_base, Chain};
use crate::inner_product::{self, Vectors};
use crate::transcript::{for_ranges, Protocol};
use crate::vectors::{evaluate, inner_product, powers};
use crate::Error;

/// A proof that each value is below `2^bits`.
pub fn prove(
    values: &[u8],
    blindings: &[u8],
    bits: usize,
    statement: &[u8],
    entropy: [u8; ELEMENT_BYTES],
) -> Result<Vec<u8>, Error> {
    let mut values = Zeroizing::new(encoding::scalars(values)?);
    let mut blindings = Zeroizing::new(encoding::scalars(blindings)?);
    if values.len() != blindings.len() {
        return Err(Error::Mismatch);
    }
    let parties = padded(bits, values.len())?;
    values.resize(parties, Scalar::ZERO);
    blindings.resize(parties, Scalar::ZERO);
    let numbers = values.iter().map(|value| number_below(value, bits)).collect::<Result<Vec<u64>, _>>()?;
    let numbers = Zeroizing::new(numbers);
    let chains = (0..parties).map(|party| chain(party, bits)).collect::<Result<Vec<_>, _>>()?;

    let mut transcript = for_ranges(statement);
    transcript.separate(b"rangeproof v1");
    transcript.append_u64(b"n", bits as u64);
    transcript.append_u64(b"m", parties as u64);
    for commitment in commit_all(values.iter().zip(blindings.iter())) {
        transcript.append_point(b"V", &commitment);
    }
    let secrets = Zeroizing::new([&values[..], &blindings[..]].concat());
    let mut rng = transcript.prover_rng(entropy, &secrets);
    Ok(argue(&numbers, &blindings, bits, &chains, &mut transcript, &mut rng))
}

fn number_below(value: &Scalar, bits: usize) -> Result<u64, Error> {
    let number = number64(value)?;
    if bits < 64 && number >> bits != 0 {
        return Err(Error::WitnessRange);
    }
    Ok(number)
}

/// The bits of all values, lowest first.
fn bits_of(numbers: &[u64], bits: usize) -> Zeroizing<Vec<Scalar>> {
    let bits = numbers.iter().flat_map(|number| (0..bits).map(move |i| Scalar::from((number >> i) & 1)));
    Zeroizing::new(bits.collect())
}

/// l(x) = l₀ + l₁·x and r(x) = r₀ + r₁·x.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Polynomials {
    l: [Vec<Scalar>; 2],
    r: [Vec<Scalar>; 2],
}

impl Polynomials {
    fn at(&self, x: &Scalar) -> (Vec<Scalar>, Vec<Scalar>) {
        let at = |[zero, one]: &[Vec<Scalar>; 2]| zero.iter().zip(one).map(|(zero, one)| zero + x * one).collect();
        (at(&self.l), at(&self.r))
    }
}

fn polynomials(ones: &[Scalar], masks: [Vec<Scalar>; 2], bits: usize, y: &Scalar, z: &Scalar) -> Polynomials {
    let two_powers: Vec<Scalar> = powers(Scalar::from(2_u64)).take(bits).collect();
    let z_powers = powers(*z).map(|power| power * z * z);
    let weights = z_powers.flat_map(|z_power| two_powers.iter().map(move |two| z_power * two));
    let y_powers: Vec<Scalar> = powers(*y).take(ones.len()).collect();
    let [mask_left, mut mask_right] = masks;
    let r0 = ones.iter().zip(&y_powers).zip(weights);
    let r0 = r0.map(|((one, power), weight)| power * (one - Scalar::ONE + z) + weight).collect();
    for (mask, power) in mask_right.iter_mut().zip(&y_powers) {
        *mask *= power;
    }
    Polynomials { l: [ones.iter().map(|one| one - z).collect(), mask_left], r: [r0, mask_right] }
}

fn argue(
    numbers: &[u64],
    blindings: &[Scalar],
    bits: usize,
    chains: &[Arc<Chain>],
    transcript: &mut Transcript,
    rng: &mut TranscriptRng,
) -> Vec<u8> {
    let g: Vec<RistrettoPoint> = chains.iter().flat_map(|chain| &chain.g[..bits]).copied().collect();
    let h: Vec<RistrettoPoint> = chains.iter().flat_map(|chain| &chain.h[..bits]).copied().collect();
    let ones = bits_of(numbers, bits);
    let length = ones.len();
    let mut proof = Vec::new();

    let bit_blinding = Zeroizing::new(Scalar::random(rng));
    let mask_blinding = Zeroizing::new(Scalar::random(rng));
    let masks: [Vec<Scalar>; 2] = core::array::from_fn(|_| (0..length).map(|_| Scalar::random(rng)).collect());
    append_point(transcript, &mut proof, b"A", &(selected(&ones, &g, &h) + blind(&bit_blinding)));
    let mask =
        blind(&mask_blinding) + RistrettoPoint::multiscalar_mul(masks[0].iter().chain(&masks[1]), g.iter().chain(&h));
    append_point(transcript, &mut proof, b"S", &mask);

    let y = transcript.challenge(b"y");
    let z = transcript.challenge(b"z");
    let polynomials = polynomials(&ones, masks, bits, &y, &z);
    let ([l0, l1], [r0, r1]) = (&polynomials.l, &polynomials.r);
    let t =
        Zeroizing::new([inner_product(l0, r0), inner_product(l0, r1) + inner_product(l1, r0), inner_product(l1, r1)]);
    let value_blinding = blindings.iter().zip(powers(z)).map(|(blinding, power)| z * z * power * blinding).sum();
    let t_blindings = Zeroizing::new([value_blinding, Scalar::random(rng), Scalar::random(rng)]);
    append_point(transcript, &mut proof, b"T_1", &commit(&t[1], &t_blindings[1]));
    append_point(transcript, &mut proof, b"T_2", &commit(&t[2], &t_blindings[2]));

    let x = transcript.challenge(b"x");
    let e_blinding = *bit_blinding + x * *mask_blinding;
    append_scalar(transcript, &mut proof, b"t_x", &evaluate(&t[..], &x));
    append_scalar(transcript, &mut proof, b"t_x_blinding", &evaluate(&t_blindings[..], &x));
    append_scalar(transcript, &mut proof, b"e_blinding", &e_blinding);
    let w = transcript.challenge(b"w");
    let (a, b) = polynomials.at(&x);
    let h_factors = powers(y.invert()).take(length).collect();
    let vectors = Vectors { a, b, g, h, g_factors: vec![Scalar::ONE; length], h_factors };
    inner_product::prove(transcript, &(w * value_base()), vectors, &mut proof);
    proof
}

/// `Σ bit·G − (1 − bit)·H`, by selection in constant time.
fn selected(ones: &[Scalar], g: &[RistrettoPoint], h: &[RistrettoPoint]) -> RistrettoPoint {
    let mut sum = RistrettoPoint::identity();
    for ((one, g), h) in ones.iter().zip(g).zip(h) {
        sum += select(one, g, &-h);
    }
    sum
}

fn select(one: &Scalar, if_one: &RistrettoPoint, if_zero: &RistrettoPoint) -> RistrettoPoint {
    RistrettoPoint::conditional_select(if_zero, if_one, one.ct_eq(&Scalar::ONE))
}

fn append_point(transcript: &mut Transcript, proof: &mut Vec<u8>, label: &'static [u8], point: &RistrettoPoint) {
    let encoded = point.compress();
    transcript.append_point(label, &encoded);
    proof.extend_from_slice(encoded.as_bytes());
}

fn append_scalar(transcript: &mut Transcript, proof: &mut Vec<u8>, label: &'static [u8], scalar: &Scalar) {
    transcript.append_scalar(label, scalar);
    proof.extend_from_slice(scalar.as_bytes());
}
