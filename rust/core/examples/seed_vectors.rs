//! Proofs of the seed's two programs, made by the published crate, as `tests/vectors/seed-proofs.json`:
//!
//! ```text
//! cargo run --release --example seed_vectors > ../tests/vectors/seed-proofs.json
//! ```
//!
//! Both programs are verified in the second phase, so the recorded one-phase proofs say nothing about them. The
//! crate draws its masks from the operating system: each run gives other proofs, as good as the last.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/published/mod.rs"]
mod published;

use common::{Branch, Builder};
use curve25519_dalek::scalar::Scalar;
use fairway_core::tape::Variable;
use published::ours_to_theirs;
use serde_json::{json, Value};

const LIQUIDATION_PRICE: u64 = 37;

/// A builder with the values committed in order; the last of `order` is P again, as the programs duplicate it.
fn committed(values: [u64; 5], order: [usize; 6]) -> (Builder, Vec<Variable>) {
    let mut builder = Builder::default();
    for (i, value) in values.into_iter().enumerate() {
        builder.opened(value.into(), Scalar::from(1000 + i as u64));
    }
    let variables = order.into_iter().map(|index| builder.commit(index)).collect();
    (builder, variables)
}

fn leaf(terms: &[(Variable, i64)]) -> Branch {
    let scalar = |factor: i64| {
        let size = Scalar::from(factor.unsigned_abs());
        if factor < 0 {
            -size
        } else {
            size
        }
    };
    Branch::Leaf(terms.iter().map(|(variable, factor)| (*variable, scalar(*factor))).collect())
}

/// (IM − AM)·LP = P·LP and LS1 − LS0 = P, over IM, AM, P, LS1, LS0.
fn liquidation() -> Builder {
    let (mut builder, v) = committed([100, 60, 40, 1040, 1000], [0, 1, 2, 3, 4, 2]);
    let price = i64::try_from(LIQUIDATION_PRICE).unwrap_or_default();
    let margins = leaf(&[(v[2], price), (v[0], -price), (v[1], price)]);
    builder.verify(&[margins, leaf(&[(v[3], 1), (v[4], -1), (v[5], -1)]), Branch::And]);
    builder
}

/// AM − IM = P and LS0 − LS1 = P, over AM, IM, P, LS0, LS1.
fn earn() -> Builder {
    let (mut builder, v) = committed([140, 100, 40, 1000, 960], [0, 1, 2, 3, 4, 2]);
    let margins = leaf(&[(v[2], 1), (v[0], -1), (v[1], 1)]);
    builder.verify(&[margins, leaf(&[(v[3], 1), (v[4], -1), (v[5], -1)]), Branch::And]);
    builder
}

fn vector(program: &str, builder: &Builder) -> Value {
    let bases = published::Bases::new(1);
    let openings = builder.values.iter().zip(&builder.blindings);
    let openings: Vec<_> = openings.map(|(v, b)| (ours_to_theirs(v), ours_to_theirs(b))).collect();
    let proof = published::prove(&bases, &builder.tape, &openings, Vec::new());
    let commitments: Vec<[u8; 32]> =
        builder.commitments().chunks(32).filter_map(|point| point.try_into().ok()).collect();
    assert!(published::verify(&bases, &builder.tape, &commitments, &proof), "the crate must accept its own proof");
    json!({
        "program": program,
        "tape": hex::encode(&builder.tape),
        "V": commitments.iter().map(hex::encode).collect::<Vec<_>>(),
        "proof": hex::encode(proof),
    })
}

fn main() {
    let document = json!({
        "source": "rust/core/examples/seed_vectors.rs with the published crate bulletproofs 4.0.0",
        "transcript": "ZkVM.r1cs",
        "liquidation_price": LIQUIDATION_PRICE,
        "proofs": [vector("liquidation", &liquidation()), vector("earn", &earn())],
    });
    println!("{document:#}");
}
