//! Small things about vectors of scalars.

use curve25519_dalek::scalar::Scalar;

/// `1, base, base², …`
pub(crate) fn powers(base: Scalar) -> impl Iterator<Item = Scalar> {
    core::iter::successors(Some(Scalar::ONE), move |power| Some(power * base))
}

/// `1, base⁻¹, base⁻², …`, `count` of them; the first alone costs no inversion.
pub(crate) fn inverse_powers(base: &Scalar, count: usize) -> Vec<Scalar> {
    if count == 1 {
        return vec![Scalar::ONE];
    }
    powers(base.invert()).take(count).collect()
}

/// `Σ left·right`, over the shorter of the two.
pub(crate) fn inner_product(left: &[Scalar], right: &[Scalar]) -> Scalar {
    left.iter().zip(right).map(|(l, r)| l * r).sum()
}

/// `constant + x·(linear + x·(…))`.
pub(crate) fn evaluate(coefficients: &[Scalar], x: &Scalar) -> Scalar {
    coefficients.iter().rev().fold(Scalar::ZERO, |sum, coefficient| sum * x + coefficient)
}
