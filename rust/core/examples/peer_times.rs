//! How long the published crate and ours take for the same proofs, turn by turn, in microseconds; JSON on stdout.
//!
//! `rebuilt` is the crate as its documentation shows it, with generators made for each proof; `cached` keeps them.

#[path = "../tests/common/mod.rs"]
mod common;
#[path = "../tests/published/mod.rs"]
mod published;

use std::env;
use std::time::Instant;

use common::{Branch, Builder};
use curve25519_dalek::scalar::Scalar;
use fairway_core::r1cs;
use fairway_core::tape::Variable;
use fairway_core::transcript::Statement;
use published::{ours_to_theirs, Bases};
use serde_json::{json, Value};

const STATEMENT: Statement<'_> = Statement::Compatible;

/// The seed's liquidation: two clauses, one challenge, no multiplier.
fn liquidation() -> Builder {
    let mut builder = Builder::default();
    for (i, value) in [100_u64, 60, 40, 1040, 1000].into_iter().enumerate() {
        builder.opened(value.into(), Scalar::from(1000 + i as u64));
    }
    let v: Vec<Variable> = [0, 1, 2, 3, 4, 2].into_iter().map(|index| builder.commit(index)).collect();
    let (one, price) = (Scalar::ONE, Scalar::from(37_u8));
    let margins = Branch::Leaf(vec![(v[2], price), (v[0], -price), (v[1], price)]);
    let pool = Branch::Leaf(vec![(v[3], one), (v[4], -one), (v[5], -one)]);
    builder.verify(&[margins, pool, Branch::And]);
    builder
}

fn ranges(count: u64) -> Builder {
    let mut builder = Builder::default();
    for i in 0..count {
        let index = builder.opened(Scalar::from(u64::MAX - i), Scalar::from(i + 7));
        let variable = builder.commit(index);
        builder.range64(&vec![(variable, Scalar::ONE)]);
    }
    builder
}

/// How many rounds: the first argument, or 31.
fn rounds() -> usize {
    env::args().nth(1).and_then(|text| text.parse().ok()).filter(|rounds| *rounds > 0).unwrap_or(31)
}

/// The median of what one call takes, for each of several, taken in turns so that the machine's moods hit all alike.
fn medians<const N: usize>(calls: [&dyn Fn(); N]) -> [f64; N] {
    let rounds = rounds();
    let mut times: [Vec<f64>; N] = core::array::from_fn(|_| Vec::with_capacity(rounds));
    for _ in 0..rounds {
        for (call, times) in calls.iter().zip(&mut times) {
            let start = Instant::now();
            call();
            times.push(start.elapsed().as_secs_f64() * 1e6);
        }
    }
    times.map(|mut times| {
        times.sort_by(f64::total_cmp);
        times[rounds / 2]
    })
}

fn compare(builder: &Builder, multipliers: usize) -> Value {
    let bases = Bases::new(multipliers);
    let openings = builder.values.iter().zip(&builder.blindings);
    let openings: Vec<_> = openings.map(|(v, b)| (ours_to_theirs(v), ours_to_theirs(b))).collect();
    let commitments = builder.commitments();
    let points: Vec<[u8; 32]> = commitments.chunks(32).filter_map(|point| point.try_into().ok()).collect();
    let proof = published::prove(&bases, &builder.tape, &openings, Vec::new());
    let item = r1cs::Item { tape: &builder.tape, commitments: &commitments, statement: STATEMENT, proof: &proof };

    let prove = medians([
        &|| assert!(builder.prove(STATEMENT, [7; 32]).is_ok()),
        &|| assert!(!published::prove(&bases, &builder.tape, &openings, Vec::new()).is_empty()),
        &|| assert!(!published::prove(&Bases::new(multipliers), &builder.tape, &openings, Vec::new()).is_empty()),
    ]);
    let verify = medians([
        &|| assert!(r1cs::verify_batch(&[item]).is_ok()),
        &|| assert!(published::verify(&bases, &builder.tape, &points, &proof)),
        &|| assert!(published::verify(&Bases::new(multipliers), &builder.tape, &points, &proof)),
    ]);
    let named = |[ours, cached, rebuilt]: [f64; 3]| json!({"ours": ours, "cached": cached, "rebuilt": rebuilt});
    json!({"prove": named(prove), "verify": named(verify)})
}

fn main() {
    let report = json!({
        "liquidation": compare(&liquidation(), 64),
        "1 range": compare(&ranges(1), 64),
        "4 ranges": compare(&ranges(4), 256),
    });
    println!("{report:#}");
}
