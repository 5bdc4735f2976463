//! Scalars and points from bytes: canonical or refused.

use curve25519_dalek::ristretto::{CompressedRistretto, RistrettoPoint};
use curve25519_dalek::scalar::Scalar;
use curve25519_dalek::traits::IsIdentity;

use crate::Error;

/// The length of a scalar and of a point.
pub const ELEMENT_BYTES: usize = 32;

/// A point together with its canonical encoding, which is what transcripts absorb.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Point {
    /// The encoding.
    pub encoded: CompressedRistretto,
    /// The group element.
    pub element: RistrettoPoint,
}

impl From<RistrettoPoint> for Point {
    fn from(element: RistrettoPoint) -> Self {
        Self { encoded: element.compress(), element }
    }
}

/// The canonical scalar that 32 bytes stand for.
pub fn scalar(bytes: [u8; ELEMENT_BYTES]) -> Result<Scalar, Error> {
    Option::from(Scalar::from_canonical_bytes(bytes)).ok_or(Error::ScalarNonCanonical)
}

/// The point that 32 bytes stand for; the identity is one.
pub fn point(bytes: [u8; ELEMENT_BYTES]) -> Result<Point, Error> {
    let encoded = CompressedRistretto(bytes);
    let element = encoded.decompress().ok_or(Error::PointNonCanonical)?;
    Ok(Point { encoded, element })
}

/// Scalars that stand end to end.
pub fn scalars(bytes: &[u8]) -> Result<Vec<Scalar>, Error> {
    elements(bytes)?.map(scalar).collect()
}

/// Points that stand end to end.
pub fn points(bytes: &[u8]) -> Result<Vec<Point>, Error> {
    elements(bytes)?.map(point).collect()
}

/// Encodings that stand end to end, not yet known to be points.
pub(crate) fn encodings(bytes: &[u8]) -> Result<Vec<CompressedRistretto>, Error> {
    Ok(elements(bytes)?.map(CompressedRistretto).collect())
}

fn elements(bytes: &[u8]) -> Result<impl Iterator<Item = [u8; ELEMENT_BYTES]> + '_, Error> {
    if bytes.len() % ELEMENT_BYTES != 0 {
        return Err(Error::Length);
    }
    Ok(bytes.chunks_exact(ELEMENT_BYTES).map(|chunk| {
        let mut element = [0; ELEMENT_BYTES];
        element.copy_from_slice(chunk);
        element
    }))
}

/// A proof's elements, read in order. Its errors are a proof's errors.
pub(crate) struct ProofReader<'a> {
    rest: &'a [u8],
}

impl<'a> ProofReader<'a> {
    pub(crate) fn new(rest: &'a [u8]) -> Self {
        Self { rest }
    }

    /// How many whole elements are left; `ProofShape` if it does not come out even.
    pub(crate) fn elements_left(&self) -> Result<usize, Error> {
        if self.rest.len() % ELEMENT_BYTES != 0 {
            return Err(Error::ProofShape);
        }
        Ok(self.rest.len() / ELEMENT_BYTES)
    }

    pub(crate) fn scalar(&mut self) -> Result<Scalar, Error> {
        scalar(self.element()?).map_err(|_| Error::ProofElement)
    }

    /// A point other than the identity: an honest prover's points are blinded, so the identity is a forger's.
    pub(crate) fn point(&mut self) -> Result<Point, Error> {
        let point = point(self.element()?).map_err(|_| Error::ProofElement)?;
        if point.encoded.is_identity() {
            return Err(Error::ProofElement);
        }
        Ok(point)
    }

    fn element(&mut self) -> Result<[u8; ELEMENT_BYTES], Error> {
        let (element, rest) = self.rest.split_first_chunk().ok_or(Error::ProofShape)?;
        self.rest = rest;
        Ok(*element)
    }
}
