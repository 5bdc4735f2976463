//! A circuit as one flat, ordered run of bytes, and its strict parser.
//!
//! Integers are little-endian:
//!
//! ```text
//! 01 commit     index:u32                  absorbs commitment `index` (again, if it is named again)
//! 02 multiply   left:linear right:linear   a multiplier bound to both sides
//! 03 alloc                                 a free wire: left, then right of the same multiplier
//! 04 range64    value:linear               0 <= value < 2^64, by 64 multipliers
//! 05 constrain  value:linear               value = 0, in the first phase
//! 06 verify     count:u16 token*           a boolean tree in postfix, constrained in the second phase
//!
//! token   00 leaf:linear (true if zero) | 01 and | 02 or | 03 not
//! linear  count:u16 (kind:u8 number:u32 scalar:32)*       kind  0 one, 1 committed, 2 left, 3 right, 4 output
//! ```
//!
//! A parsed tape names only variables that exist where they are used, has trees that come to one result, and stays
//! within the bounds, so whoever replays it need not check again.

use curve25519_dalek::scalar::Scalar;

use crate::encoding::{self, ELEMENT_BYTES};
use crate::generators::CHAIN_BOUND;
use crate::Error;

/// The most bytes of a tape.
pub const TAPE_BYTES_BOUND: usize = 1 << 20;
/// The most tokens of one tree: a conjunction costs as much as all that stands under it.
pub const TREE_BOUND: usize = 1 << 10;
/// The bits, and so the multipliers, of a range.
pub const RANGE_BITS: usize = 64;

/// A wire of the circuit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Variable {
    /// The constant one.
    One,
    /// A committed value, numbered by its absorption.
    Committed(usize),
    /// The left input of a multiplier.
    Left(usize),
    /// The right input of a multiplier.
    Right(usize),
    /// The output of a multiplier.
    Output(usize),
}

/// `Σ scalar·variable`.
pub type Linear = Vec<(Variable, Scalar)>;

/// One place of a boolean tree in postfix.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Token {
    /// True if the combination is zero.
    Leaf(Linear),
    /// Both.
    And,
    /// At least one.
    Or,
    /// Not the one before.
    Not,
}

/// One operation of a tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Absorb a commitment.
    Commit(usize),
    /// Allocate a multiplier and bind its inputs.
    Multiply(Linear, Linear),
    /// Allocate a free wire.
    Allocate,
    /// Bound a value by 2⁶⁴.
    Range64(Linear),
    /// Demand zero.
    Constrain(Linear),
    /// Demand that a tree is true.
    Verify(Vec<Token>),
}

/// A parsed tape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tape {
    operations: Vec<Operation>,
    free_wires: usize,
    second_phase_multipliers: usize,
}

impl Tape {
    /// Understand a tape, or say why it is none.
    pub fn parse(bytes: &[u8]) -> Result<Self, Error> {
        if bytes.len() > TAPE_BYTES_BOUND {
            return Err(Error::TapeBound);
        }
        let mut parser = Parser { rest: bytes, ..Parser::default() };
        let mut operations = Vec::new();
        while !parser.rest.is_empty() {
            operations.push(parser.operation()?);
        }
        if parser.multipliers + parser.second_phase_multipliers > CHAIN_BOUND {
            return Err(Error::TapeBound);
        }
        Ok(Self {
            operations,
            free_wires: parser.free_wires,
            second_phase_multipliers: parser.second_phase_multipliers,
        })
    }

    /// The operations in order.
    #[must_use]
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// How many wires the prover is free to assign.
    #[must_use]
    pub fn free_wires(&self) -> usize {
        self.free_wires
    }

    /// How many multipliers the gates of trees add; if there are any, the proof has second-phase commitments.
    #[must_use]
    pub fn second_phase_multipliers(&self) -> usize {
        self.second_phase_multipliers
    }
}

#[derive(Default)]
struct Parser<'a> {
    rest: &'a [u8],
    committed: usize,
    multipliers: usize,
    second_phase_multipliers: usize,
    free_wires: usize,
    half_allocated: bool,
}

impl Parser<'_> {
    fn operation(&mut self) -> Result<Operation, Error> {
        match self.byte()? {
            1 => {
                self.committed += 1;
                Ok(Operation::Commit(self.index()?))
            }
            2 => {
                let operation = Operation::Multiply(self.linear()?, self.linear()?);
                self.multipliers += 1;
                Ok(operation)
            }
            3 => {
                self.free_wires += 1;
                self.half_allocated = !self.half_allocated;
                self.multipliers += usize::from(self.half_allocated);
                Ok(Operation::Allocate)
            }
            4 => {
                let value = self.linear()?;
                self.multipliers += RANGE_BITS;
                Ok(Operation::Range64(value))
            }
            5 => Ok(Operation::Constrain(self.linear()?)),
            6 => Ok(Operation::Verify(self.tree()?)),
            _ => Err(Error::TapeUnknown),
        }
    }

    fn tree(&mut self) -> Result<Vec<Token>, Error> {
        let count = self.count()?;
        if count > TREE_BOUND {
            return Err(Error::TapeBound);
        }
        let mut height = 0_usize;
        let mut tokens = Vec::new();
        for _ in 0..count {
            let token = self.token()?;
            let taken = match token {
                Token::Leaf(_) => 0,
                Token::Not => 1,
                Token::And | Token::Or => 2,
            };
            height = height.checked_sub(taken).ok_or(Error::TapeTree)? + 1;
            tokens.push(token);
        }
        if height == 1 {
            Ok(tokens)
        } else {
            Err(Error::TapeTree)
        }
    }

    fn token(&mut self) -> Result<Token, Error> {
        match self.byte()? {
            0 => Ok(Token::Leaf(self.linear()?)),
            1 => Ok(Token::And),
            2 => {
                self.second_phase_multipliers += 1;
                Ok(Token::Or)
            }
            3 => {
                self.second_phase_multipliers += 2;
                Ok(Token::Not)
            }
            _ => Err(Error::TapeUnknown),
        }
    }

    fn linear(&mut self) -> Result<Linear, Error> {
        (0..self.count()?).map(|_| Ok((self.variable()?, self.scalar()?))).collect()
    }

    fn variable(&mut self) -> Result<Variable, Error> {
        let kind = self.byte()?;
        let index = self.index()?;
        let (variable, bound) = match kind {
            0 => (Variable::One, 1),
            1 => (Variable::Committed(index), self.committed),
            2 => (Variable::Left(index), self.multipliers),
            3 => (Variable::Right(index), self.multipliers),
            4 => (Variable::Output(index), self.multipliers),
            _ => return Err(Error::TapeUnknown),
        };
        if index < bound {
            Ok(variable)
        } else {
            Err(Error::TapeVariable)
        }
    }

    fn scalar(&mut self) -> Result<Scalar, Error> {
        encoding::scalar(self.take::<ELEMENT_BYTES>()?)
    }

    fn index(&mut self) -> Result<usize, Error> {
        usize::try_from(u32::from_le_bytes(self.take()?)).map_err(|_| Error::TapeBound)
    }

    fn count(&mut self) -> Result<usize, Error> {
        Ok(usize::from(u16::from_le_bytes(self.take()?)))
    }

    fn byte(&mut self) -> Result<u8, Error> {
        Ok(self.take::<1>()?[0])
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (taken, rest) = self.rest.split_first_chunk().ok_or(Error::TapeTruncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}
