//! The check of an Ed25519 signature, by the equation that the chain evaluates.
//!
//! A signature holds iff `encode(s·B − h·A)` is `R`, byte for byte. As in libsodium, `s` must be below the group order,
//! `A` and `R` must not be of small order, and `A` must be in its one canonical form. Decoded keys are kept: they are
//! few and come again.

use std::collections::HashMap;
use std::sync::{OnceLock, PoisonError, RwLock};

use curve25519_dalek::constants::EIGHT_TORSION;
use curve25519_dalek::edwards::{CompressedEdwardsY, EdwardsPoint};
use curve25519_dalek::scalar::Scalar;
use sha2::{Digest, Sha512};

use crate::encoding::ELEMENT_BYTES;

/// How many decoded keys are kept.
const KEPT: usize = 1 << 16;

type Element = [u8; ELEMENT_BYTES];

/// Whether the key made the signature of the message. Variable time.
#[must_use]
pub fn verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    let (Ok(key), Some((r, s))) = (key.try_into(), signature.split_at_checked(ELEMENT_BYTES)) else {
        return false;
    };
    let (Ok(r), Ok(s)) = (Element::try_from(r), Element::try_from(s)) else {
        return false;
    };
    holds(key, message, &r, s)
}

fn holds(key: &Element, message: &[u8], r: &Element, s: Element) -> bool {
    let Some(s) = Option::<Scalar>::from(Scalar::from_canonical_bytes(s)) else {
        return false;
    };
    let Some(minus_a) = negated(key) else {
        return false;
    };
    let hash = Sha512::new().chain_update(r).chain_update(key).chain_update(message).finalize();
    let h = Scalar::from_bytes_mod_order_wide(&hash.into());
    let expected = EdwardsPoint::vartime_double_scalar_mul_basepoint(&h, &minus_a, &s);
    expected.compress().0 == *r && !small_order().contains(r)
}

/// −A for a key A that is canonical and of more than small order.
fn negated(key: &Element) -> Option<EdwardsPoint> {
    static KNOWN: OnceLock<RwLock<HashMap<Element, EdwardsPoint>>> = OnceLock::new();
    let known = KNOWN.get_or_init(RwLock::default);
    if let Some(point) = known.read().unwrap_or_else(PoisonError::into_inner).get(key) {
        return Some(*point);
    }
    let point = CompressedEdwardsY(*key).decompress()?;
    if point.compress().0 != *key || point.is_small_order() {
        return None;
    }
    let mut known = known.write().unwrap_or_else(PoisonError::into_inner);
    if known.len() >= KEPT {
        known.clear();
    }
    known.insert(*key, -point);
    Some(-point)
}

/// The encodings of the points whose order divides eight.
fn small_order() -> &'static [Element; 8] {
    static POINTS: OnceLock<[Element; 8]> = OnceLock::new();
    POINTS.get_or_init(|| EIGHT_TORSION.map(|point| point.compress().0))
}
