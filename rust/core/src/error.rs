//! What can go wrong, by whose fault, with a stable code and a sentence.

use core::fmt;

/// Whose fault an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Bytes that stand for nothing, or a size beyond the bounds.
    Encoding,
    /// A proof that does not hold.
    Proof,
    /// Secret values that do not satisfy what is to be proven.
    Witness,
}

impl Fault {
    /// The word by which the binding tells faults apart.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Encoding => "encoding",
            Self::Proof => "proof",
            Self::Witness => "witness",
        }
    }
}

/// Everything this crate refuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Error {
    /// A scalar at or above the group order.
    ScalarNonCanonical,
    /// A point that is not the canonical encoding of a group element.
    PointNonCanonical,
    /// A sequence of bytes whose length is no multiple of an element's.
    Length,
    /// Two sequences that must be equally long are not.
    Mismatch,
    /// A tape that ends inside an operation.
    TapeTruncated,
    /// An operation, token or variable kind that does not exist.
    TapeUnknown,
    /// A variable that does not exist yet where it is used.
    TapeVariable,
    /// A tree whose postfix leaves more or less than one result.
    TapeTree,
    /// A tape beyond the bounds of size.
    TapeBound,
    /// A tape that names a commitment which was not given, or leaves one unnamed.
    TapeCommitment,
    /// A range of unsupported width, or of no or too many values.
    RangeShape,
    /// A proof whose length or version does not fit its statement.
    ProofShape,
    /// A proof with a point or scalar that is not canonical, or with the identity for a point.
    ProofElement,
    /// A proof whose equation does not hold.
    ProofInvalid,
    /// More or fewer assignments than the tape has free wires.
    WitnessCount,
    /// A constraint that the values do not satisfy.
    WitnessUnsatisfied,
    /// A value outside of the range to be proven.
    WitnessRange,
}

impl Error {
    /// Whose fault it is.
    #[must_use]
    pub fn fault(self) -> Fault {
        match self {
            Self::ProofShape | Self::ProofElement | Self::ProofInvalid => Fault::Proof,
            Self::WitnessCount | Self::WitnessUnsatisfied | Self::WitnessRange => Fault::Witness,
            _ => Fault::Encoding,
        }
    }

    /// The stable code: `area.reason`.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            Self::ScalarNonCanonical => "scalar.non_canonical",
            Self::PointNonCanonical => "point.non_canonical",
            Self::Length => "core.length",
            Self::Mismatch => "core.mismatch",
            Self::TapeTruncated => "tape.truncated",
            Self::TapeUnknown => "tape.unknown",
            Self::TapeVariable => "tape.variable",
            Self::TapeTree => "tape.tree",
            Self::TapeBound => "tape.bound",
            Self::TapeCommitment => "tape.commitment",
            Self::RangeShape => "range.shape",
            Self::ProofShape => "proof.shape",
            Self::ProofElement => "proof.element",
            Self::ProofInvalid => "proof.invalid",
            Self::WitnessCount => "proof.assignment_count",
            Self::WitnessUnsatisfied => "proof.unsatisfied",
            Self::WitnessRange => "range.out_of_range",
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::ScalarNonCanonical => "a scalar is not below the group order",
            Self::PointNonCanonical => "a point is not in canonical form",
            Self::Length => "the bytes do not divide into elements of 32",
            Self::Mismatch => "two sequences differ in length",
            Self::TapeTruncated => "the tape ends inside an operation",
            Self::TapeUnknown => "the tape has an unknown operation, token or kind of variable",
            Self::TapeVariable => "the tape uses a variable that does not exist yet",
            Self::TapeTree => "a tree on the tape does not come to one result",
            Self::TapeBound => "the tape is beyond the bounds",
            Self::TapeCommitment => "the tape does not name exactly the commitments that were given",
            Self::RangeShape => "a range proof is over 1 to 64 values of 8, 16, 32 or 64 bits",
            Self::ProofShape => "the proof's length or version does not fit the circuit",
            Self::ProofElement => "the proof has an element that is not canonical, or the identity",
            Self::ProofInvalid => "the proof does not hold",
            Self::WitnessCount => "the assignments do not match the free wires",
            Self::WitnessUnsatisfied => "the values do not satisfy the constraints",
            Self::WitnessRange => "a value is not in the range to be proven",
        })
    }
}

impl std::error::Error for Error {}
