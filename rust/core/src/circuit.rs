//! The constraints that a tape unrolls to, for the prover (who has a witness) and the verifier (who has none).
//!
//! Both run the same code, so that they cannot come to number multipliers or constraints differently.

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use merlin::Transcript;
use subtle::{ConditionallySelectable, ConstantTimeEq};
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::tape::{Linear, Operation, Tape, Token, Variable, RANGE_BITS};
use crate::transcript::Protocol;
use crate::Error;

const AND_CHALLENGE: &[u8] = b"ZkVM.verify.and-challenge";

/// What only the prover knows.
#[derive(Clone, Default, Zeroize, ZeroizeOnDrop)]
pub struct Witness {
    /// The committed values, in the order of absorption.
    pub committed: Vec<Scalar>,
    /// Their blindings.
    pub blindings: Vec<Scalar>,
    /// The left inputs of all multipliers.
    pub left: Vec<Scalar>,
    /// The right inputs.
    pub right: Vec<Scalar>,
    /// The outputs.
    pub output: Vec<Scalar>,
}

impl Witness {
    fn value(&self, variable: Variable) -> Scalar {
        match variable {
            Variable::One => Scalar::ONE,
            Variable::Committed(i) => self.committed[i],
            Variable::Left(i) => self.left[i],
            Variable::Right(i) => self.right[i],
            Variable::Output(i) => self.output[i],
        }
    }

    fn evaluate(&self, linear: &Linear) -> Scalar {
        linear.iter().map(|(variable, scalar)| scalar * self.value(*variable)).sum()
    }

    fn multiplier(&mut self, left: Scalar, right: Scalar) {
        self.left.push(left);
        self.right.push(right);
        self.output.push(left * right);
    }
}

/// All constraints folded into one by the powers of `z`: the factor of each wire.
#[derive(Clone, Debug)]
pub struct Folded {
    /// Of the left inputs.
    pub left: Vec<Scalar>,
    /// Of the right inputs.
    pub right: Vec<Scalar>,
    /// Of the outputs.
    pub output: Vec<Scalar>,
    /// Of the committed values, negated.
    pub committed: Vec<Scalar>,
    /// Of one, negated.
    pub constant: Scalar,
}

/// A circuit while it unrolls.
pub struct Circuit {
    /// The value of every wire; a verifier has none.
    pub witness: Option<Witness>,
    /// Which commitments were absorbed, in order, by their index on the tape and repeated where it repeats them.
    pub committed: Vec<usize>,
    /// How many multipliers there are.
    pub multipliers: usize,
    constraints: Vec<Linear>,
    half_allocated: Option<usize>,
}

/// What the prover brings to a tape, by the tape's own indices.
pub struct Openings<'a> {
    /// The value of each commitment.
    pub values: &'a [Scalar],
    /// The blinding of each commitment.
    pub blindings: &'a [Scalar],
    /// The value of each free wire, in order.
    pub assignments: &'a [Scalar],
}

impl Circuit {
    /// Replay the first phase of a tape: absorb its commitments, allocate its multipliers, keep its constraints.
    pub fn first_phase(
        tape: &Tape,
        transcript: &mut Transcript,
        commitments: &[CompressedRistretto],
        openings: Option<&Openings<'_>>,
    ) -> Result<Self, Error> {
        let mut circuit = Self {
            witness: openings.map(|_| Witness::default()),
            committed: Vec::new(),
            multipliers: 0,
            constraints: Vec::new(),
            half_allocated: None,
        };
        let mut assignments = openings.map_or(&[][..], |o| o.assignments).iter();
        transcript.separate(b"r1cs v1");
        for operation in tape.operations() {
            match operation {
                Operation::Commit(index) => {
                    let point = commitments.get(*index).ok_or(Error::TapeCommitment)?;
                    transcript.append_point(b"V", point);
                    circuit.commit(*index, openings);
                }
                Operation::Multiply(left, right) => {
                    circuit.multiply(left, right);
                }
                Operation::Allocate => circuit.allocate(assignments.next()),
                Operation::Range64(value) => circuit.range64(value)?,
                Operation::Constrain(value) => circuit.constrain(value.clone()),
                Operation::Verify(_) => {}
            }
        }
        if !circuit.names_all(commitments.len()) {
            return Err(Error::TapeCommitment);
        }
        transcript.append_u64(b"m", circuit.committed.len() as u64);
        Ok(circuit)
    }

    /// Replay the trees of a tape, in order, with the challenges that only now can be drawn.
    pub fn second_phase(&mut self, tape: &Tape, transcript: &mut Transcript) {
        let mut trees = tape.operations().iter().filter_map(|operation| match operation {
            Operation::Verify(tree) => Some(tree),
            _ => None,
        });
        let Some(first) = trees.next() else {
            transcript.separate(b"r1cs-1phase");
            return;
        };
        transcript.separate(b"r1cs-2phase");
        for tree in core::iter::once(first).chain(trees) {
            self.verify(tree, transcript);
        }
    }

    /// Fold all constraints into one by the powers of `z`.
    #[must_use]
    pub fn folded(&self, z: &Scalar) -> Folded {
        let mut folded = Folded {
            left: vec![Scalar::ZERO; self.multipliers],
            right: vec![Scalar::ZERO; self.multipliers],
            output: vec![Scalar::ZERO; self.multipliers],
            committed: vec![Scalar::ZERO; self.committed.len()],
            constant: Scalar::ZERO,
        };
        let mut power = *z;
        for constraint in &self.constraints {
            for (variable, scalar) in constraint {
                match *variable {
                    Variable::One => folded.constant -= power * scalar,
                    Variable::Committed(i) => folded.committed[i] -= power * scalar,
                    Variable::Left(i) => folded.left[i] += power * scalar,
                    Variable::Right(i) => folded.right[i] += power * scalar,
                    Variable::Output(i) => folded.output[i] += power * scalar,
                }
            }
            power *= z;
        }
        folded
    }

    /// Refuse a witness that leaves a constraint unsatisfied; a verifier's circuit has nothing to check.
    pub fn check_witness(&self) -> Result<(), Error> {
        let Some(witness) = &self.witness else { return Ok(()) };
        if self.constraints.iter().all(|constraint| witness.evaluate(constraint) == Scalar::ZERO) {
            Ok(())
        } else {
            Err(Error::WitnessUnsatisfied)
        }
    }

    fn commit(&mut self, index: usize, openings: Option<&Openings<'_>>) {
        self.committed.push(index);
        if let (Some(witness), Some(openings)) = (&mut self.witness, openings) {
            witness.committed.push(openings.values[index]);
            witness.blindings.push(openings.blindings[index]);
        }
    }

    /// Whether each of `count` commitments was absorbed: one that was not could be anything.
    fn names_all(&self, count: usize) -> bool {
        let mut named = vec![false; count];
        for index in &self.committed {
            named[*index] = true;
        }
        named.into_iter().all(|is_named| is_named)
    }

    fn constrain(&mut self, value: Linear) {
        self.constraints.push(value);
    }

    fn evaluate(&self, linear: &Linear) -> Option<Scalar> {
        self.witness.as_ref().map(|witness| witness.evaluate(linear))
    }

    fn multiplier(&mut self, inputs: Option<(Scalar, Scalar)>) -> usize {
        if let (Some(witness), Some((left, right))) = (&mut self.witness, inputs) {
            witness.multiplier(left, right);
        }
        self.multipliers += 1;
        self.multipliers - 1
    }

    fn multiply(&mut self, left: &Linear, right: &Linear) -> Variable {
        let inputs = self.evaluate(left).zip(self.evaluate(right));
        let i = self.multiplier(inputs);
        self.constrain(plus(left.clone(), Variable::Left(i), -Scalar::ONE));
        self.constrain(plus(right.clone(), Variable::Right(i), -Scalar::ONE));
        Variable::Output(i)
    }

    /// The first of two free wires takes a new multiplier's left input; the second, its right.
    fn allocate(&mut self, assignment: Option<&Scalar>) {
        let Some(i) = self.half_allocated.take() else {
            let inputs = assignment.map(|left| (*left, Scalar::ZERO));
            self.half_allocated = Some(self.multiplier(inputs));
            return;
        };
        if let (Some(witness), Some(right)) = (&mut self.witness, assignment) {
            witness.right[i] = *right;
            witness.output[i] = witness.left[i] * right;
        }
    }

    /// The ZkVM's range gadget: 64 multipliers `(1 − bit)·bit = 0`, then `value = Σ bit·2^i`.
    fn range64(&mut self, value: &Linear) -> Result<(), Error> {
        let number = self.evaluate(value).map(|scalar| number64(&scalar)).transpose()?;
        let mut rest = value.clone();
        let mut weight = Scalar::ONE;
        for bit in 0..RANGE_BITS {
            let i = self.multiplier(number.map(|number| {
                let one = Scalar::from((number >> bit) & 1);
                (Scalar::ONE - one, one)
            }));
            self.constrain(vec![(Variable::Output(i), Scalar::ONE)]);
            self.constrain(vec![
                (Variable::Left(i), Scalar::ONE),
                (Variable::Right(i), Scalar::ONE),
                (Variable::One, -Scalar::ONE),
            ]);
            rest.push((Variable::Right(i), -weight));
            weight += weight;
        }
        self.constrain(rest);
        Ok(())
    }

    fn verify(&mut self, tree: &[Token], transcript: &mut Transcript) {
        let mut stack: Vec<Linear> = Vec::new();
        for token in tree {
            let result = match token {
                Token::Leaf(linear) => linear.clone(),
                Token::And => {
                    let (right, left) = (stack.pop(), stack.pop());
                    let challenge = transcript.challenge(AND_CHALLENGE);
                    both(left.unwrap_or_default(), right.unwrap_or_default(), &challenge)
                }
                Token::Or => {
                    let (right, left) = (stack.pop(), stack.pop());
                    let product = self.multiply(&left.unwrap_or_default(), &right.unwrap_or_default());
                    vec![(product, Scalar::ONE)]
                }
                Token::Not => {
                    let inner = stack.pop().unwrap_or_default();
                    self.negate(&inner)
                }
            };
            stack.push(result);
        }
        self.constraints.append(&mut stack);
    }

    /// `y` with `x·y = 0` and `x·w = 1 − y` for a free `w`: `y` is 1 if `x` is 0, and 0 otherwise.
    fn negate(&mut self, x: &Linear) -> Linear {
        let value = self.evaluate(x);
        let y = value.map(|value| Scalar::conditional_select(&Scalar::ZERO, &Scalar::ONE, value.ct_eq(&Scalar::ZERO)));
        // Where x is zero any w will do, and y is one: so x + y has an inverse either way.
        let w = value.zip(y).map(|(value, y)| (value + y).invert());
        let first = self.multiplier(value.zip(y));
        let second = self.multiplier(value.zip(w));
        let minus_x = x.iter().map(|(variable, scalar)| (*variable, -scalar)).collect();
        self.constrain(plus(minus_x, Variable::Left(first), Scalar::ONE));
        self.constrain(vec![(Variable::Left(first), Scalar::ONE), (Variable::Left(second), -Scalar::ONE)]);
        self.constrain(vec![(Variable::Output(first), Scalar::ONE)]);
        self.constrain(vec![
            (Variable::Output(second), Scalar::ONE),
            (Variable::One, -Scalar::ONE),
            (Variable::Right(first), Scalar::ONE),
        ]);
        vec![(Variable::Right(first), Scalar::ONE)]
    }
}

fn plus(mut linear: Linear, variable: Variable, scalar: Scalar) -> Linear {
    linear.push((variable, scalar));
    linear
}

/// `left + challenge·right`.
fn both(mut left: Linear, right: Linear, challenge: &Scalar) -> Linear {
    left.extend(right.into_iter().map(|(variable, scalar)| (variable, challenge * scalar)));
    left
}

/// The 64-bit number that a scalar is, if it is one.
pub(crate) fn number64(scalar: &Scalar) -> Result<u64, Error> {
    let (low, high) = scalar.as_bytes().split_at(8);
    if high.iter().any(|byte| *byte != 0) {
        return Err(Error::WitnessRange);
    }
    Ok(low.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}
