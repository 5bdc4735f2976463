//! Single changes of proofs and of everything public beside them: none is accepted and none panics.
//!
//! `FAIRWAY_MUTATIONS` says how many (`make fuzz`: a million). Every byte of every part is changed at least once.

mod common;

use std::env;

use common::{encoded, Branch, Builder};
use curve25519_dalek::scalar::Scalar;
use fairway_core::tape::Variable;
use fairway_core::transcript::Statement;
use fairway_core::{pedersen, r1cs, range};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const STATEMENT: &[u8] = b"network 7, channel 3, seqno 11";
/// The weights of the four tests: a hundred thousand by default.
const SHARES: [usize; 4] = [50, 25, 15, 10];

fn wanted(share: usize) -> usize {
    let total = env::var("FAIRWAY_MUTATIONS").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    total * SHARES[share] / 100
}

/// The parts of an item: tape, commitments, statement, proof.
type Parts = [Vec<u8>; 4];

fn accepted([tape, commitments, statement, proof]: &Parts) -> bool {
    let statement = Statement::Strict(statement);
    r1cs::verify_batch(&[r1cs::Item { tape, commitments, statement, proof }]).is_ok()
}

fn parts(builder: &Builder) -> Parts {
    let proof = builder.prove(Statement::Strict(STATEMENT), [7; 32]).unwrap();
    [builder.tape.clone(), builder.commitments(), STATEMENT.to_vec(), proof]
}

/// A change of one byte, of a run of bytes, of two neighbouring elements, or of the length.
fn change(part: &mut Vec<u8>, rng: &mut StdRng) {
    let before = part.clone();
    while *part == before {
        let at = rng.gen_range(0..part.len());
        match rng.gen_range(0..16) {
            0 => part.truncate(at),
            1 => part.extend((0..rng.gen_range(1..40)).map(|_| rng.gen::<u8>())),
            2 => part[at..].fill(rng.gen()),
            3 if part.len() >= 65 => {
                // A proof has one byte before its elements; commitments have none.
                let from = (at / 32 * 32).min(part.len() - 64) / 32 * 32 + part.len() % 32;
                part[from..from + 64].rotate_left(32);
            }
            4..=9 => part[at] = rng.gen(),
            _ => part[at] ^= 1 << rng.gen_range(0..8),
        }
    }
}

fn refuses_changes(parts: &Parts, count: usize, seed: u64) {
    assert!(accepted(parts));
    for part in 0..parts.len() {
        for at in 0..parts[part].len() {
            let mut forged = parts.clone();
            forged[part][at] ^= 1 << (at % 8);
            assert!(!accepted(&forged), "byte {at} of part {part}");
        }
    }
    let mut rng = StdRng::seed_from_u64(seed);
    for i in 0..count {
        let mut forged = parts.clone();
        // Half of the changes are to the proof.
        let part = rng.gen_range(0..6_usize).min(3);
        change(&mut forged[part], &mut rng);
        if part == 0 {
            forged[0].truncate(parts[0].len()); // a longer tape may say the same in more words
        }
        assert!(!accepted(&forged) || forged == *parts, "change {i} of part {part} with seed {seed}");
    }
}

fn committed(values: &[u64]) -> (Builder, Vec<Variable>) {
    let mut builder = Builder::default();
    let variables = values.iter().zip(1_u64..).map(|(value, i)| {
        let index = builder.opened((*value).into(), Scalar::from(i * 1_000_003));
        builder.commit(index)
    });
    let variables = variables.collect();
    (builder, variables)
}

/// A gain's clauses: AM − IM = P and LS0 − LS1 = P.
fn gain() -> Builder {
    let (mut builder, v) = committed(&[140, 100, 40, 1000, 960]);
    let one = Scalar::ONE;
    let margins = Branch::Leaf(vec![(v[0], one), (v[1], -one), (v[2], -one)]);
    builder.verify(&[margins, Branch::Leaf(vec![(v[3], one), (v[4], -one), (v[2], -one)]), Branch::And]);
    builder
}

/// A product in the first phase, a choice in the second.
fn two_phases() -> Builder {
    let (mut builder, v) = committed(&[3, 5, 15]);
    let one = Scalar::ONE;
    let product = builder.multiply(&vec![(v[0], one)], &vec![(v[1], one)]);
    builder.constrain(&vec![(product, one), (v[2], -one)]);
    let is_three = |variable| Branch::Leaf(vec![(variable, one), (Variable::One, -Scalar::from(3_u8))]);
    builder.verify(&[is_three(v[0]), is_three(v[1]), Branch::Or]);
    builder
}

#[test]
fn no_change_to_a_settlements_proof_or_to_what_it_is_bound_to_is_accepted() {
    refuses_changes(&parts(&gain()), wanted(0), 1);
}

#[test]
fn no_change_to_a_two_phase_proof_or_to_what_it_is_bound_to_is_accepted() {
    refuses_changes(&parts(&two_phases()), wanted(1), 2);
}

#[test]
fn no_change_to_a_range_proof_or_to_what_it_is_bound_to_is_accepted() {
    let scalars = |values: &[u64]| encoded(&values.iter().map(|value| Scalar::from(*value)).collect::<Vec<_>>());
    let (values, blindings) = (scalars(&[1, 255]), scalars(&[4, 5]));
    let proof = range::prove(&values, &blindings, 8, STATEMENT, [0; 32]).unwrap();
    let original = [pedersen::commit_batch(&values, &blindings).unwrap(), STATEMENT.to_vec(), proof];
    let accepted = |parts: &[Vec<u8>; 3]| {
        let [commitments, statement, proof] = parts;
        range::verify_batch(&[range::Item { commitments, bits: 8, statement, proof }]).is_ok()
    };
    assert!(accepted(&original));
    let mut rng = StdRng::seed_from_u64(3);
    for i in 0..wanted(2) {
        let mut forged = original.clone();
        let part = rng.gen_range(0..4_usize).min(2);
        change(&mut forged[part], &mut rng);
        assert!(!accepted(&forged), "change {i} of part {part}");
    }
}

#[test]
fn a_free_wire_that_nothing_binds_does_not_change_what_is_proven() {
    // Which is why a statement must name its program: the tape follows from it and is not absorbed itself.
    let mut longer = parts(&gain());
    longer[0].push(3);
    assert!(accepted(&longer));
}

#[test]
fn no_change_in_a_batch_is_hidden_by_its_good_proofs() {
    let good = parts(&gain());
    let mut rng = StdRng::seed_from_u64(4);
    for i in 0..wanted(3) / 4 {
        let mut forged = good.clone();
        change(&mut forged[3], &mut rng);
        let bad = rng.gen_range(0..3);
        let mut batch = [&good, &good, &good];
        batch[bad] = &forged;
        let items = batch.map(|[tape, commitments, statement, proof]| r1cs::Item {
            tape,
            commitments,
            statement: Statement::Strict(statement),
            proof,
        });
        assert_eq!(r1cs::verify_batch(&items).map_err(|indexed| indexed.index), Err(bad), "change {i}");
    }
}

#[test]
fn each_part_alone_decides() {
    // One part changed and nothing else: refused; put back: accepted. So no refusal above came from another part.
    let good = parts(&gain());
    for part in [1, 2, 3] {
        let mut forged = good.clone();
        change(&mut forged[part], &mut StdRng::seed_from_u64(5));
        assert!(!accepted(&forged));
        forged[part].clone_from(&good[part]);
        assert!(accepted(&forged), "part {part}");
    }
}
