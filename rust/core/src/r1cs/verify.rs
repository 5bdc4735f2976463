//! The verifier: a proof becomes a sum that must vanish.

use core::iter::{repeat, repeat_n};

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::Identity;
use merlin::Transcript;

use super::proof::{Proof, Wires};
use crate::batch::{self, Check, Indexed, Weights};
use crate::circuit::{Circuit, Folded};
use crate::encoding::{self, Point};
use crate::tape::Tape;
use crate::transcript::{for_r1cs, Protocol, Statement};
use crate::vectors::{inner_product, inverse_powers};
use crate::Error;

/// One proof, and what it is a proof of.
#[derive(Clone, Copy, Debug)]
pub struct Item<'a> {
    /// The circuit.
    pub tape: &'a [u8],
    /// The commitments that the tape names by index, end to end. The identity is one: it commits to zero.
    pub commitments: &'a [u8],
    /// What binds the proof to the outside.
    pub statement: Statement<'a>,
    /// The proof.
    pub proof: &'a [u8],
}

/// Verify all items together; the error names the first bad one.
pub fn verify_batch(items: &[Item<'_>]) -> Result<(), Indexed> {
    let mut weights = Weights::new();
    for item in items {
        weights.absorb(item.tape);
        weights.absorb(item.commitments);
        match item.statement {
            Statement::Compatible => weights.absorb(b"compatible"),
            Statement::Strict(statement) => {
                weights.absorb(b"strict");
                weights.absorb(statement);
            }
        }
        weights.absorb(item.proof);
    }
    batch::verify(items, weights, check)
}

/// The challenges of a proof.
struct Challenges {
    y: Scalar,
    z: Scalar,
    u: Scalar,
    x: Scalar,
    w: Scalar,
}

fn check(item: &Item<'_>, r: &Scalar) -> Result<Check, Error> {
    let tape = Tape::parse(item.tape)?;
    let commitments = encoding::points(item.commitments)?;
    let encodings: Vec<CompressedRistretto> = commitments.iter().map(|point| point.encoded).collect();
    let mut transcript = for_r1cs(item.statement);
    let mut circuit = Circuit::first_phase(&tape, &mut transcript, &encodings, None)?;
    let first_multipliers = circuit.multipliers;
    let padded = (first_multipliers + tape.second_phase_multipliers()).next_power_of_two();
    let proof = Proof::parse(item.proof, tape.second_phase_multipliers() > 0, padded)?;

    append_wires(&mut transcript, [b"A_I1", b"A_O1", b"S1"], Some(&proof.first));
    circuit.second_phase(&tape, &mut transcript);
    append_wires(&mut transcript, [b"A_I2", b"A_O2", b"S2"], proof.second.as_ref());
    let challenges = draw(&mut transcript, &proof);
    let folded = circuit.folded(&challenges.z);
    let mut check = sum(&proof, &folded, first_multipliers, padded, &challenges, r, &mut transcript);
    let factor = r * challenges.x * challenges.x;
    check.terms.extend(committed_terms(&circuit, &folded, &commitments, &factor));
    Ok(check)
}

fn append_wires(transcript: &mut Transcript, labels: [&'static [u8]; 3], wires: Option<&Wires>) {
    let identity = CompressedRistretto::identity();
    let points = wires.map_or([identity; 3], |wires| [wires.input, wires.output, wires.mask].map(|p| p.encoded));
    for (label, point) in labels.into_iter().zip(&points) {
        transcript.append_point(label, point);
    }
}

fn draw(transcript: &mut Transcript, proof: &Proof) -> Challenges {
    let y = transcript.challenge(b"y");
    let z = transcript.challenge(b"z");
    let labels: [&'static [u8]; 5] = [b"T_1", b"T_3", b"T_4", b"T_5", b"T_6"];
    for (label, point) in labels.into_iter().zip(&proof.coefficients) {
        transcript.append_point(label, &point.encoded);
    }
    let u = transcript.challenge(b"u");
    let x = transcript.challenge(b"x");
    transcript.append_scalar(b"t_x", &proof.t_x);
    transcript.append_scalar(b"t_x_blinding", &proof.t_x_blinding);
    transcript.append_scalar(b"e_blinding", &proof.e_blinding);
    let w = transcript.challenge(b"w");
    Challenges { y, z, u, x, w }
}

/// The commitments with `factor` and what the constraints make of them; a repeated one counts once.
fn committed_terms<'a>(
    circuit: &Circuit,
    folded: &Folded,
    commitments: &'a [Point],
    factor: &Scalar,
) -> impl Iterator<Item = (Scalar, RistrettoPoint)> + 'a {
    let mut factors = vec![Scalar::ZERO; commitments.len()];
    for (index, weight) in circuit.committed.iter().zip(&folded.committed) {
        factors[*index] += factor * weight;
    }
    factors.into_iter().zip(commitments.iter().map(|point| point.element))
}

/// The equation of the polynomials, times `r`, plus the equation of the inner product.
fn sum(
    proof: &Proof,
    folded: &Folded,
    first_multipliers: usize,
    padded: usize,
    challenges: &Challenges,
    r: &Scalar,
    transcript: &mut Transcript,
) -> Check {
    let Challenges { y, u, x, w, .. } = challenges;
    let (a, b) = (proof.inner_product.a, proof.inner_product.b);
    let unfolding = proof.inner_product.unfold(transcript);
    let y_inverse = inverse_powers(y, padded);

    let right: Vec<Scalar> = folded.right.iter().zip(&y_inverse).map(|(w_r, inverse)| w_r * inverse).collect();
    let delta = inner_product(&right, &folded.left);
    let phases: Vec<Scalar> = repeat_n(Scalar::ONE, first_multipliers).chain(repeat(*u)).take(padded).collect();

    let padded_with_zeros = |wires| Iterator::chain(<[Scalar]>::iter(wires), repeat(&Scalar::ZERO));
    let g = padded_with_zeros(&right).zip(&phases).zip(&unfolding.factors);
    let g = g.map(|((right, phase), s)| phase * (x * right - a * s)).collect();
    let h = padded_with_zeros(&folded.left).zip(padded_with_zeros(&folded.output));
    let h = h.zip(&y_inverse).zip(&phases).zip(unfolding.factors.iter().rev());
    let h = h
        .map(|((((left, output), inverse), phase), s)| phase * (inverse * (x * left + output - b * s) - Scalar::ONE))
        .collect();

    let x2 = x * x;
    let x3 = x2 * x;
    let mut terms = unfolding.terms;
    for (wires, factor) in [(Some(&proof.first), Scalar::ONE), (proof.second.as_ref(), *u)] {
        if let Some(wires) = wires {
            terms.push((factor * x, wires.input.element));
            terms.push((factor * x2, wires.output.element));
            terms.push((factor * x3, wires.mask.element));
        }
    }
    let rx2 = r * x2;
    let powers_of_x = [r * x, rx2 * x, rx2 * x2, rx2 * x3, rx2 * x2 * x2];
    terms.extend(powers_of_x.into_iter().zip(&proof.coefficients).map(|(power, point)| (power, point.element)));

    Check {
        value: w * (proof.t_x - a * b) + r * (x2 * (folded.constant + delta) - proof.t_x),
        blinding: -proof.e_blinding - r * proof.t_x_blinding,
        chains: vec![(g, h)],
        terms,
    }
}
