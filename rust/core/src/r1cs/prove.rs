//! The prover: commit to the wires, to masks and to a polynomial that vanishes where the constraints hold.

use core::iter::{repeat, repeat_n};
use core::ops::Range;

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::{Identity, MultiscalarMul};
use merlin::{Transcript, TranscriptRng};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use super::proof::{ONE_PHASE, TWO_PHASE};
use crate::circuit::{Circuit, Openings, Witness};
use crate::encoding::{self, ELEMENT_BYTES};
use crate::generators::{blind, chain, commit_all, value_base, Chain};
use crate::inner_product::{self, Vectors};
use crate::tape::Tape;
use crate::transcript::{for_r1cs, Protocol, Statement};
use crate::vectors::{evaluate, inner_product, inverse_powers, powers};
use crate::Error;

/// What a prover knows, each part end to end.
#[derive(Clone, Copy)]
pub struct Secrets<'a> {
    /// The value of each commitment that the tape names by index.
    pub values: &'a [u8],
    /// Their blindings.
    pub blindings: &'a [u8],
    /// The commitments themselves, which whoever opens them has: to make them again would take as long as the rest.
    pub commitments: &'a [u8],
    /// The value of each free wire of the tape, in order.
    pub assignments: &'a [u8],
}

/// A proof that the secrets satisfy the tape.
///
/// With commitments that the values and blindings do not open, the proof will not verify.
pub fn prove(
    tape: &[u8],
    secrets: &Secrets<'_>,
    statement: Statement<'_>,
    entropy: [u8; ELEMENT_BYTES],
) -> Result<Vec<u8>, Error> {
    let tape = Tape::parse(tape)?;
    let values = Zeroizing::new(encoding::scalars(secrets.values)?);
    let blindings = Zeroizing::new(encoding::scalars(secrets.blindings)?);
    let assignments = Zeroizing::new(encoding::scalars(secrets.assignments)?);
    let commitments = encoding::encodings(secrets.commitments)?;
    if values.len() != blindings.len() || values.len() != commitments.len() {
        return Err(Error::Mismatch);
    }
    if assignments.len() != tape.free_wires() {
        return Err(Error::WitnessCount);
    }
    let openings = Openings { values: &values, blindings: &blindings, assignments: &assignments };
    prove_openings(&tape, &commitments, &openings, statement, entropy)
}

fn prove_openings(
    tape: &Tape,
    commitments: &[CompressedRistretto],
    openings: &Openings<'_>,
    statement: Statement<'_>,
    entropy: [u8; ELEMENT_BYTES],
) -> Result<Vec<u8>, Error> {
    let mut transcript = for_r1cs(statement);
    let mut circuit = Circuit::first_phase(tape, &mut transcript, commitments, Some(openings))?;
    let first = circuit.multipliers;
    let padded = (first + tape.second_phase_multipliers()).next_power_of_two();
    let generators = chain(0, padded)?;
    let mut rng = transcript.prover_rng(entropy, &all_of(openings));

    let mut proof = vec![if tape.second_phase_multipliers() > 0 { TWO_PHASE } else { ONE_PHASE }];
    let masks1 = Masks::draw(&mut rng, first);
    let points = masks1.commit(witness(&circuit)?, 0..first, &generators);
    append_points(&mut transcript, &mut proof, [b"A_I1", b"A_O1", b"S1"], &points);

    circuit.second_phase(tape, &mut transcript);
    circuit.check_witness()?;
    let second = first..circuit.multipliers;
    let labels: [&'static [u8]; 3] = [b"A_I2", b"A_O2", b"S2"];
    let masks2 = if second.is_empty() {
        for label in labels {
            transcript.append_point(label, &CompressedRistretto::identity());
        }
        Masks::default()
    } else {
        let masks = Masks::draw(&mut rng, second.len());
        let points = masks.commit(witness(&circuit)?, second, &generators);
        append_points(&mut transcript, &mut proof, labels, &points);
        masks
    };
    let masks = [masks1, masks2];
    argue(&circuit, &masks, first, padded, &generators, &mut transcript, &mut rng, &mut proof)?;
    Ok(proof)
}

fn witness(circuit: &Circuit) -> Result<&Witness, Error> {
    circuit.witness.as_ref().ok_or(Error::WitnessCount)
}

fn all_of(openings: &Openings<'_>) -> Zeroizing<Vec<Scalar>> {
    Zeroizing::new([openings.values, openings.blindings, openings.assignments].concat())
}

/// Everything that hides the wires of one phase.
#[derive(Default, Zeroize, ZeroizeOnDrop)]
struct Masks {
    input_blinding: Scalar,
    output_blinding: Scalar,
    mask_blinding: Scalar,
    left: Vec<Scalar>,
    right: Vec<Scalar>,
}

impl Masks {
    fn draw(rng: &mut TranscriptRng, multipliers: usize) -> Self {
        let mut scalar = || Scalar::random(rng);
        Self {
            input_blinding: scalar(),
            output_blinding: scalar(),
            mask_blinding: scalar(),
            left: (0..multipliers).map(|_| scalar()).collect(),
            right: (0..multipliers).map(|_| scalar()).collect(),
        }
    }

    /// `A_I`, `A_O` and `S` of the multipliers in `range`. Constant time.
    fn commit(&self, witness: &Witness, range: Range<usize>, generators: &Chain) -> [CompressedRistretto; 3] {
        let (left, right) = (&witness.left[range.clone()], &witness.right[range.clone()]);
        let output = &witness.output[range.clone()];
        let (g, h) = (&generators.g[range.clone()], &generators.h[range]);
        [
            hide(&self.input_blinding, left.iter().chain(right), g.iter().chain(h)),
            hide(&self.output_blinding, output, g),
            hide(&self.mask_blinding, self.left.iter().chain(&self.right), g.iter().chain(h)),
        ]
    }
}

/// `Σ scalar·generator + blinding·B_blinding`, in constant time.
fn hide<'a>(
    blinding: &Scalar,
    scalars: impl IntoIterator<Item = &'a Scalar>,
    generators: impl IntoIterator<Item = &'a RistrettoPoint>,
) -> CompressedRistretto {
    (blind(blinding) + RistrettoPoint::multiscalar_mul(scalars, generators)).compress()
}

fn append_points<const N: usize>(
    transcript: &mut Transcript,
    proof: &mut Vec<u8>,
    labels: [&'static [u8]; N],
    points: &[CompressedRistretto],
) {
    for (label, point) in labels.into_iter().zip(points) {
        transcript.append_point(label, point);
        proof.extend_from_slice(point.as_bytes());
    }
}

fn append_scalars<const N: usize>(
    transcript: &mut Transcript,
    proof: &mut Vec<u8>,
    labels: [&'static [u8]; N],
    scalars: &[Scalar; N],
) {
    for (label, scalar) in labels.into_iter().zip(scalars) {
        transcript.append_scalar(label, scalar);
        proof.extend_from_slice(scalar.as_bytes());
    }
}

/// The coefficients of l(x) and r(x) that are not zero: l has 1, 2, 3 and r has 0, 1, 3.
#[derive(Zeroize, ZeroizeOnDrop)]
struct Polynomials {
    l: [Vec<Scalar>; 3],
    r: [Vec<Scalar>; 3],
}

impl Polynomials {
    /// The coefficients 1 to 6 of t(x) = ⟨l(x), r(x)⟩.
    fn product(&self) -> Zeroizing<[Scalar; 6]> {
        let ([l1, l2, l3], [r0, r1, r3]) = (&self.l, &self.r);
        let dot = inner_product;
        Zeroizing::new([
            dot(l1, r0),
            dot(l1, r1) + dot(l2, r0),
            dot(l2, r1) + dot(l3, r0),
            dot(l1, r3) + dot(l3, r1),
            dot(l2, r3),
            dot(l3, r3),
        ])
    }

    /// l(x) and r(x).
    fn at(&self, x: &Scalar) -> (Vec<Scalar>, Vec<Scalar>) {
        let ([l1, l2, l3], [r0, r1, r3]) = (&self.l, &self.r);
        let l = l1.iter().zip(l2).zip(l3).map(|((one, two), three)| x * (one + x * (two + x * three)));
        let r = r0.iter().zip(r1).zip(r3).map(|((zero, one), three)| zero + x * (one + x * x * three));
        (l.collect(), r.collect())
    }
}

fn polynomials(
    witness: &Witness,
    masks: &[Masks; 2],
    folded: &crate::circuit::Folded,
    y_powers: &[Scalar],
    y_inverses: &[Scalar],
) -> Polynomials {
    let mask_left = masks.iter().flat_map(|masks| &masks.left);
    let mask_right = masks.iter().flat_map(|masks| &masks.right);
    Polynomials {
        l: [
            witness.left.iter().zip(y_inverses).zip(&folded.right).map(|((a, inverse), w)| a + inverse * w).collect(),
            witness.output.clone(),
            mask_left.copied().collect(),
        ],
        r: [
            folded.output.iter().zip(y_powers).map(|(w, power)| w - power).collect(),
            witness.right.iter().zip(y_powers).zip(&folded.left).map(|((a, power), w)| power * a + w).collect(),
            mask_right.zip(y_powers).map(|(mask, power)| power * mask).collect(),
        ],
    }
}

/// From the challenges `y` and `z` on: the polynomials, their commitments, and the inner product at `x`.
#[allow(clippy::too_many_arguments)]
fn argue(
    circuit: &Circuit,
    masks: &[Masks; 2],
    first: usize,
    padded: usize,
    generators: &Chain,
    transcript: &mut Transcript,
    rng: &mut TranscriptRng,
    proof: &mut Vec<u8>,
) -> Result<(), Error> {
    let witness = witness(circuit)?;
    let y = transcript.challenge(b"y");
    let z = transcript.challenge(b"z");
    let folded = circuit.folded(&z);
    let y_powers: Vec<Scalar> = powers(y).take(padded).collect();
    let y_inverses = inverse_powers(&y, padded);
    let polynomials = polynomials(witness, masks, &folded, &y_powers, &y_inverses);

    let t = polynomials.product();
    let mut t_blindings: Zeroizing<[Scalar; 6]> = Zeroizing::new(core::array::from_fn(|_| Scalar::random(rng)));
    // The second coefficient is a sum of the commitments themselves, so its blinding is the same sum of theirs.
    t_blindings[1] = inner_product(&folded.committed, &witness.blindings);
    let commitments = commit_all([0, 2, 3, 4, 5].map(|i| (&t[i], &t_blindings[i])));
    append_points(transcript, proof, [b"T_1", b"T_3", b"T_4", b"T_5", b"T_6"], &commitments);

    let u = transcript.challenge(b"u");
    let x = transcript.challenge(b"x");
    let joined = |of: fn(&Masks) -> &Scalar| of(&masks[0]) + u * of(&masks[1]);
    let e_blindings = Zeroizing::new([
        joined(|masks| &masks.input_blinding),
        joined(|masks| &masks.output_blinding),
        joined(|masks| &masks.mask_blinding),
    ]);
    let evaluations =
        [x * evaluate(&t[..], &x), x * evaluate(&t_blindings[..], &x), x * evaluate(&e_blindings[..], &x)];
    append_scalars(transcript, proof, [b"t_x", b"t_x_blinding", b"e_blinding"], &evaluations);

    let w = transcript.challenge(b"w");
    let (mut a, mut b) = polynomials.at(&x);
    a.resize(padded, Scalar::ZERO);
    b.extend(y_powers[b.len()..].iter().map(|power| -power));
    let g_factors: Vec<Scalar> = repeat_n(Scalar::ONE, first).chain(repeat(u)).take(padded).collect();
    let h_factors = g_factors.iter().zip(&y_inverses).map(|(phase, inverse)| phase * inverse).collect();
    let vectors =
        Vectors { a, b, g: generators.g[..padded].to_vec(), h: generators.h[..padded].to_vec(), g_factors, h_factors };
    inner_product::prove(transcript, &(w * value_base()), vectors, proof);
    Ok(())
}
