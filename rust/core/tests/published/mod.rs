//! The published `bulletproofs` crate replaying our tapes: the oracle of the wire format.

use bulletproofs::r1cs::{
    ConstraintSystem, LinearCombination, Prover, R1CSError, R1CSProof, RandomizableConstraintSystem,
    RandomizedConstraintSystem, Variable as Wire, Verifier,
};
use bulletproofs::{BulletproofGens, PedersenGens};
use curve25519_dalek_ng::ristretto::CompressedRistretto;
use curve25519_dalek_ng::scalar::Scalar;
use fairway_core::tape::{Linear, Operation, Tape, Token, Variable, RANGE_BITS};
use merlin::Transcript;

/// The crate's generators, enough for `multipliers`. To make them for each proof is what a naive user pays for.
pub struct Bases {
    pedersen: PedersenGens,
    generators: BulletproofGens,
}

impl Bases {
    pub fn new(multipliers: usize) -> Self {
        Self { pedersen: PedersenGens::default(), generators: BulletproofGens::new(multipliers, 1) }
    }
}

pub fn ours_to_theirs(scalar: &curve25519_dalek::Scalar) -> Scalar {
    Scalar::from_canonical_bytes(scalar.to_bytes()).unwrap()
}

fn theirs(linear: &Linear) -> LinearCombination {
    let terms = linear.iter().map(|(variable, scalar)| {
        let wire = match *variable {
            Variable::One => Wire::One(),
            Variable::Committed(i) => Wire::Committed(i),
            Variable::Left(i) => Wire::MultiplierLeft(i),
            Variable::Right(i) => Wire::MultiplierRight(i),
            Variable::Output(i) => Wire::MultiplierOutput(i),
        };
        (wire, ours_to_theirs(scalar))
    });
    terms.collect()
}

/// A leaf's combination and, for a prover, its value.
type Valued = (LinearCombination, Option<Scalar>);

#[derive(Clone)]
enum Node {
    Leaf(Valued),
    Gate(Token),
}

fn number(scalar: Scalar) -> u64 {
    u64::from_le_bytes(scalar.as_bytes()[..8].try_into().unwrap())
}

/// What both of their roles do with all operations but `commit`.
fn replay<CS: RandomizableConstraintSystem>(
    cs: &mut CS,
    operation: &Operation,
    assignments: &mut impl Iterator<Item = Scalar>,
    evaluate: impl Fn(&CS, &LinearCombination) -> Option<Scalar>,
) {
    match operation {
        Operation::Commit(_) => unreachable!("the roles absorb commitments themselves"),
        Operation::Multiply(left, right) => {
            cs.multiply(theirs(left), theirs(right));
        }
        Operation::Allocate => {
            cs.allocate(assignments.next()).unwrap();
        }
        Operation::Constrain(value) => cs.constrain(theirs(value)),
        Operation::Range64(value) => {
            let mut rest = theirs(value);
            let value = evaluate(cs, &rest).map(number);
            let mut weight = Scalar::one();
            for i in 0..RANGE_BITS {
                let bit = value.map(|value| (value >> i) & 1);
                let inputs = bit.map(|bit| (Scalar::from(1 - bit), Scalar::from(bit)));
                let (left, right, output) = cs.allocate_multiplier(inputs).unwrap();
                cs.constrain(output.into());
                cs.constrain(left + (right - 1_u64));
                rest = rest - right * weight;
                weight += weight;
            }
            cs.constrain(rest);
        }
        Operation::Verify(tree) => {
            let nodes: Vec<Node> = tree
                .iter()
                .map(|token| match token {
                    Token::Leaf(linear) => {
                        let linear = theirs(linear);
                        let value = evaluate(cs, &linear);
                        Node::Leaf((linear, value))
                    }
                    gate => Node::Gate(gate.clone()),
                })
                .collect();
            cs.specify_randomized_constraints(move |cs| {
                let (linear, _) = flatten(cs, &nodes)?;
                cs.constrain(linear);
                Ok(())
            })
            .unwrap();
        }
    }
}

/// The ZkVM's flattening, with NOT's witness as its specification has it.
fn flatten<CS: RandomizedConstraintSystem>(cs: &mut CS, nodes: &[Node]) -> Result<Valued, R1CSError> {
    let mut stack: Vec<Valued> = Vec::new();
    for node in nodes {
        let result = match node {
            Node::Leaf(valued) => valued.clone(),
            Node::Gate(Token::Not) => negate(cs, stack.pop().unwrap())?,
            Node::Gate(gate) => {
                let ((right, b), (left, a)) = (stack.pop().unwrap(), stack.pop().unwrap());
                let values = a.zip(b);
                if *gate == Token::And {
                    let z = cs.challenge_scalar(b"ZkVM.verify.and-challenge");
                    (left + right * z, values.map(|(a, b)| a + z * b))
                } else {
                    let (_, _, output) = cs.multiply(left, right);
                    (output.into(), values.map(|(a, b)| a * b))
                }
            }
        };
        stack.push(result);
    }
    Ok(stack.pop().unwrap())
}

fn negate<CS: RandomizedConstraintSystem>(cs: &mut CS, (x, value): Valued) -> Result<Valued, R1CSError> {
    let y = value.map(|value| Scalar::from(u64::from(value == Scalar::zero())));
    let w = value.map(|value| if value == Scalar::zero() { Scalar::one() } else { value.invert() });
    let (l1, r1, o1) = cs.allocate_multiplier(value.zip(y))?;
    let (l2, _, o2) = cs.allocate_multiplier(value.zip(w))?;
    cs.constrain(l1 - x);
    cs.constrain(l1 - l2);
    cs.constrain(o1.into());
    cs.constrain(o2 - Scalar::one() + r1);
    Ok((r1.into(), y))
}

/// Their proof of our circuit, in the compatible profile.
pub fn prove(bases: &Bases, tape: &[u8], openings: &[(Scalar, Scalar)], assignments: Vec<Scalar>) -> Vec<u8> {
    let tape = Tape::parse(tape).unwrap();
    let mut transcript = Transcript::new(b"ZkVM.r1cs");
    let mut prover = Prover::new(&bases.pedersen, &mut transcript);
    let mut assignments = assignments.into_iter();
    for operation in tape.operations() {
        if let Operation::Commit(index) = operation {
            let (value, blinding) = openings[*index];
            prover.commit(value, blinding);
        } else {
            replay(&mut prover, operation, &mut assignments, |prover, linear| Some(prover.eval(linear)));
        }
    }
    prover.prove(&bases.generators).unwrap().to_bytes()
}

/// Their verdict on our proof, in the compatible profile.
pub fn verify(bases: &Bases, tape: &[u8], commitments: &[[u8; 32]], proof: &[u8]) -> bool {
    let tape = Tape::parse(tape).unwrap();
    let mut transcript = Transcript::new(b"ZkVM.r1cs");
    let mut verifier = Verifier::new(&mut transcript);
    for operation in tape.operations() {
        if let Operation::Commit(index) = operation {
            verifier.commit(CompressedRistretto(commitments[*index]));
        } else {
            replay(&mut verifier, operation, &mut core::iter::empty(), |_, _| None);
        }
    }
    let Ok(proof) = R1CSProof::from_bytes(proof) else { return false };
    verifier.verify(&proof, &bases.pedersen, &bases.generators).is_ok()
}
