//! A writer of tapes with a model of their wires, and random circuits that hold.
#![allow(dead_code)] // each test crate uses its own part

use curve25519_dalek::scalar::Scalar;
use fairway_core::r1cs::{self, Secrets};
use fairway_core::tape::Variable;
use fairway_core::transcript::Statement;
use fairway_core::{pedersen, Error};
use rand::rngs::StdRng;
use rand::Rng;

pub type Linear = Vec<(Variable, Scalar)>;

/// A tape under construction together with the value of every wire.
#[derive(Default)]
pub struct Builder {
    pub tape: Vec<u8>,
    pub values: Vec<Scalar>,
    pub blindings: Vec<Scalar>,
    pub assignments: Vec<Scalar>,
    absorbed: Vec<usize>,
    wires: Vec<[Scalar; 3]>,
    half_allocated: Option<usize>,
}

impl Builder {
    pub fn opened(&mut self, value: Scalar, blinding: Scalar) -> usize {
        self.values.push(value);
        self.blindings.push(blinding);
        self.values.len() - 1
    }

    pub fn commitments(&self) -> Vec<u8> {
        pedersen::commit_batch(&encoded(&self.values), &encoded(&self.blindings)).unwrap()
    }

    pub fn prove(&self, statement: Statement<'_>, entropy: [u8; 32]) -> Result<Vec<u8>, Error> {
        let secrets = Secrets {
            values: &encoded(&self.values),
            blindings: &encoded(&self.blindings),
            commitments: &self.commitments(),
            assignments: &encoded(&self.assignments),
        };
        r1cs::prove(&self.tape, &secrets, statement, entropy)
    }

    pub fn commit(&mut self, index: usize) -> Variable {
        self.tape.push(1);
        self.tape.extend(u32::try_from(index).unwrap().to_le_bytes());
        self.absorbed.push(index);
        Variable::Committed(self.absorbed.len() - 1)
    }

    pub fn multiply(&mut self, left: &Linear, right: &Linear) -> Variable {
        self.tape.push(2);
        self.linear(left);
        self.linear(right);
        self.multiplier(self.evaluate(left), self.evaluate(right))
    }

    pub fn allocate(&mut self, value: Scalar) -> Variable {
        self.tape.push(3);
        self.assignments.push(value);
        if let Some(i) = self.half_allocated.take() {
            self.wires[i][1] = value;
            self.wires[i][2] = self.wires[i][0] * value;
            return Variable::Right(i);
        }
        self.multiplier(value, Scalar::ZERO);
        self.half_allocated = Some(self.wires.len() - 1);
        Variable::Left(self.wires.len() - 1)
    }

    pub fn range64(&mut self, value: &Linear) {
        self.tape.push(4);
        self.linear(value);
        let bytes = self.evaluate(value).to_bytes();
        for bit in (0..64).map(|i| Scalar::from((bytes[i / 8] >> (i % 8)) & 1)) {
            self.multiplier(Scalar::ONE - bit, bit);
        }
    }

    pub fn constrain(&mut self, value: &Linear) {
        self.tape.push(5);
        self.linear(value);
    }

    pub fn verify(&mut self, tree: &[Branch]) {
        self.tape.push(6);
        self.tape.extend(u16::try_from(tree.len()).unwrap().to_le_bytes());
        for token in tree {
            match token {
                Branch::Leaf(value) => {
                    self.tape.push(0);
                    self.linear(value);
                }
                Branch::And => self.tape.push(1),
                Branch::Or => self.tape.push(2),
                Branch::Not => self.tape.push(3),
            }
        }
    }

    pub fn evaluate(&self, linear: &Linear) -> Scalar {
        linear.iter().map(|(variable, scalar)| self.value(*variable) * scalar).sum()
    }

    /// `linear` with a constant added that makes it come to `target`.
    pub fn shifted(&self, mut linear: Linear, target: Scalar) -> Linear {
        let shift = target - self.evaluate(&linear);
        linear.push((Variable::One, shift));
        linear
    }

    fn value(&self, variable: Variable) -> Scalar {
        match variable {
            Variable::One => Scalar::ONE,
            Variable::Committed(i) => self.values[self.absorbed[i]],
            Variable::Left(i) => self.wires[i][0],
            Variable::Right(i) => self.wires[i][1],
            Variable::Output(i) => self.wires[i][2],
        }
    }

    fn multiplier(&mut self, left: Scalar, right: Scalar) -> Variable {
        self.wires.push([left, right, left * right]);
        Variable::Output(self.wires.len() - 1)
    }

    fn linear(&mut self, linear: &Linear) {
        self.tape.extend(u16::try_from(linear.len()).unwrap().to_le_bytes());
        for (variable, scalar) in linear {
            let (kind, index) = match variable {
                Variable::One => (0, 0),
                Variable::Committed(i) => (1, *i),
                Variable::Left(i) => (2, *i),
                Variable::Right(i) => (3, *i),
                Variable::Output(i) => (4, *i),
            };
            self.tape.push(kind);
            self.tape.extend(u32::try_from(index).unwrap().to_le_bytes());
            self.tape.extend(scalar.as_bytes());
        }
    }

    /// A random combination of wires that exist.
    fn random_linear(&self, rng: &mut StdRng) -> Linear {
        (0..rng.gen_range(1..4)).map(|_| (self.random_wire(rng), Scalar::random(rng))).collect()
    }

    fn random_wire(&self, rng: &mut StdRng) -> Variable {
        let i = rng.gen_range(0..self.wires.len().max(1));
        match rng.gen_range(0..5) {
            _ if self.wires.is_empty() => Variable::Committed(rng.gen_range(0..self.absorbed.len())),
            0 => Variable::One,
            1 => Variable::Committed(rng.gen_range(0..self.absorbed.len())),
            2 => Variable::Left(i),
            3 => Variable::Right(i),
            _ => Variable::Output(i),
        }
    }

    fn random_tree(&self, truth: bool, depth: usize, rng: &mut StdRng, tree: &mut Vec<Branch>) {
        match if depth == 0 { 0 } else { rng.gen_range(0..4) } {
            0 => {
                let target = if truth { Scalar::ZERO } else { Scalar::random(rng) };
                tree.push(Branch::Leaf(self.shifted(self.random_linear(rng), target)));
            }
            1 => {
                let first = truth || rng.gen();
                self.random_tree(first, depth - 1, rng, tree);
                self.random_tree(truth, depth - 1, rng, tree);
                tree.push(Branch::And);
            }
            2 => {
                let first = truth && rng.gen();
                self.random_tree(first, depth - 1, rng, tree);
                self.random_tree(truth, depth - 1, rng, tree);
                tree.push(Branch::Or);
            }
            _ => {
                self.random_tree(!truth, depth - 1, rng, tree);
                tree.push(Branch::Not);
            }
        }
    }
}

/// One place of a tree in postfix.
#[derive(Clone, Debug)]
pub enum Branch {
    Leaf(Linear),
    And,
    Or,
    Not,
}

/// A random circuit that its values satisfy, of every kind of operation.
pub fn random_circuit(rng: &mut StdRng) -> Builder {
    let mut builder = Builder::default();
    for _ in 0..rng.gen_range(1..5) {
        let index = builder.opened(Scalar::random(rng), Scalar::random(rng));
        builder.commit(index);
    }
    for _ in 0..rng.gen_range(0..8) {
        match rng.gen_range(0..8) {
            0 => {
                builder.commit(rng.gen_range(0..builder.values.len()));
            }
            1 | 2 => {
                let (left, right) = (builder.random_linear(rng), builder.random_linear(rng));
                builder.multiply(&left, &right);
            }
            3 => {
                builder.allocate(Scalar::random(rng));
            }
            4 if rng.gen_bool(0.2) => {
                let value = builder.shifted(builder.random_linear(rng), Scalar::from(rng.gen::<u64>()));
                builder.range64(&value);
            }
            5 | 4 => {
                let value = builder.shifted(builder.random_linear(rng), Scalar::ZERO);
                builder.constrain(&value);
            }
            _ => {
                let mut tree = Vec::new();
                builder.random_tree(true, 3, rng, &mut tree);
                builder.verify(&tree);
            }
        }
    }
    builder
}

/// A circuit of so many multipliers in each phase: products and pairs of free wires, then choices and negations.
pub fn sized_circuit(rng: &mut StdRng, first: usize, second: usize) -> Builder {
    let mut builder = Builder::default();
    for _ in 0..3 {
        let index = builder.opened(Scalar::random(rng), Scalar::random(rng));
        builder.commit(index);
    }
    let mut left = first;
    while left > 0 {
        let committed = |rng: &mut StdRng| vec![(Variable::Committed(rng.gen_range(0..3)), Scalar::random(rng))];
        match rng.gen_range(0..4) {
            0 => {
                builder.allocate(Scalar::random(rng));
                builder.allocate(Scalar::random(rng));
            }
            1 if left > 1 => {
                // A pair may stay open over other multipliers, which cannot know its right side yet.
                builder.allocate(Scalar::random(rng));
                let (one, other) = (committed(rng), committed(rng));
                builder.multiply(&one, &other);
                builder.allocate(Scalar::random(rng));
                left -= 1;
            }
            _ => {
                let (one, other) = (builder.random_linear(rng), builder.random_linear(rng));
                let product = builder.multiply(&one, &other);
                let value = builder.shifted(vec![(product, Scalar::ONE)], Scalar::ZERO);
                builder.constrain(&value);
            }
        }
        left -= 1;
    }
    let mut left = second;
    while left > 0 {
        let truth = |builder: &Builder, rng: &mut StdRng, is_true: bool| {
            let target = if is_true { Scalar::ZERO } else { Scalar::random(rng) };
            Branch::Leaf(builder.shifted(builder.random_linear(rng), target))
        };
        let tree = if left >= 3 && rng.gen() {
            // (not false) and (false or true)
            let leaves = [truth(&builder, rng, false), truth(&builder, rng, false), truth(&builder, rng, true)];
            let [a, b, c] = leaves;
            left -= 3;
            vec![a, Branch::Not, b, c, Branch::Or, Branch::And]
        } else if left >= 2 && rng.gen() {
            left -= 2;
            vec![truth(&builder, rng, false), Branch::Not]
        } else {
            left -= 1;
            vec![truth(&builder, rng, true), truth(&builder, rng, false), Branch::Or]
        };
        builder.verify(&tree);
    }
    if second == 0 && rng.gen() {
        let value = builder.shifted(builder.random_linear(rng), Scalar::ZERO);
        builder.verify(&[Branch::Leaf(value)]);
    }
    builder
}

/// Scalars end to end.
pub fn encoded(scalars: &[Scalar]) -> Vec<u8> {
    scalars.iter().flat_map(Scalar::to_bytes).collect()
}
