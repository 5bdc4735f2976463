//! Our proofs verify with the published crate and its proofs with us, over random circuits and ranges.

mod common;
mod published;

use bulletproofs::{BulletproofGens, PedersenGens, RangeProof};
use common::{encoded, random_circuit, sized_circuit, Builder};
use curve25519_dalek::scalar::Scalar;
use fairway_core::transcript::{for_ranges, Statement};
use fairway_core::{pedersen, r1cs, range};
use published::ours_to_theirs;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const CIRCUITS: u64 = 60;

fn points(encoded: &[u8]) -> Vec<[u8; 32]> {
    encoded.chunks(32).map(|chunk| chunk.try_into().unwrap()).collect()
}

/// Every count of multipliers up to a full byte's range that is small or next to a power of two.
const SIZES: [usize; 24] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15, 16, 17, 31, 32, 33, 63, 64, 65, 127, 128, 129, 256];

/// Ours verified by them and by us, theirs by us; both of the one length that the circuit has.
fn agree(bases: &published::Bases, circuit: &Builder, name: &str) -> Vec<u8> {
    let commitments = circuit.commitments();
    let statement = Statement::Compatible;
    let item = |proof| r1cs::Item { tape: &circuit.tape, commitments: &commitments, statement, proof };
    let ours = circuit.prove(statement, [9; 32]).unwrap();
    assert!(published::verify(bases, &circuit.tape, &points(&commitments), &ours), "{name}: ours to theirs");
    assert_eq!(r1cs::verify_batch(&[item(&ours)]), Ok(()), "{name}: ours to ours");

    let openings = circuit.values.iter().zip(&circuit.blindings);
    let openings: Vec<_> = openings.map(|(v, b)| (ours_to_theirs(v), ours_to_theirs(b))).collect();
    let assignments = circuit.assignments.iter().map(ours_to_theirs).collect();
    let theirs = published::prove(bases, &circuit.tape, &openings, assignments);
    assert_eq!(r1cs::verify_batch(&[item(&theirs)]), Ok(()), "{name}: theirs to ours");
    assert_eq!(ours.len(), theirs.len(), "{name}");
    ours
}

#[test]
fn circuits_of_every_size_and_phase_prove_and_verify_in_both_directions() {
    let bases = published::Bases::new(256);
    for size in SIZES {
        for second in [0, size.min(1), size.min(6), size] {
            let mut rng = StdRng::seed_from_u64((size * 1000 + second) as u64);
            let circuit = sized_circuit(&mut rng, size - second, second);
            let proof = agree(&bases, &circuit, &format!("{size} multipliers, {second} of them in the second phase"));
            let points = if second > 0 { 11 } else { 8 };
            let rounds = size.next_power_of_two().trailing_zeros() as usize;
            assert_eq!(proof.len(), 1 + 32 * (points + 3 + 2 * rounds + 2), "{size} multipliers");
            assert_eq!(usize::from(proof[0]), usize::from(second > 0));
        }
    }
}

#[test]
fn random_circuits_prove_and_verify_in_both_directions() {
    let bases = published::Bases::new(1024);
    let mut two_phase = 0;
    for seed in 0..CIRCUITS {
        let mut rng = StdRng::seed_from_u64(seed);
        let circuit = random_circuit(&mut rng);
        let ours = agree(&bases, &circuit, &format!("circuit {seed}"));
        two_phase += u64::from(ours[0]);
    }
    assert!(two_phase > CIRCUITS / 5, "the generator must reach the second phase: {two_phase}");
}

#[test]
fn range_proofs_verify_in_both_directions() {
    for (bits, count) in [(8, 1), (16, 2), (32, 4), (64, 1), (64, 8)] {
        let mut rng = StdRng::seed_from_u64(bits as u64);
        let numbers: Vec<u64> = (0..count).map(|_| rng.gen::<u64>() >> (64 - bits)).collect();
        let values: Vec<Scalar> = numbers.iter().map(|number| Scalar::from(*number)).collect();
        let blindings: Vec<Scalar> = (0..count).map(|_| Scalar::random(&mut rng)).collect();
        let commitments = pedersen::commit_batch(&encoded(&values), &encoded(&blindings)).unwrap();
        let bases = PedersenGens::default();
        let generators = BulletproofGens::new(64, count);

        let ours = range::prove(&encoded(&values), &encoded(&blindings), bits, b"statement", rng.gen()).unwrap();
        let parsed = RangeProof::from_bytes(&ours).unwrap();
        let theirs: Vec<_> =
            points(&commitments).into_iter().map(curve25519_dalek_ng::ristretto::CompressedRistretto).collect();
        parsed.verify_multiple(&generators, &bases, &mut for_ranges(b"statement"), &theirs, bits).unwrap();

        let blindings: Vec<_> = blindings.iter().map(ours_to_theirs).collect();
        let mut transcript = for_ranges(b"statement");
        let (proof, _) =
            RangeProof::prove_multiple(&generators, &bases, &mut transcript, &numbers, &blindings, bits).unwrap();
        let proof = proof.to_bytes();
        let item = range::Item { commitments: &commitments, bits, statement: b"statement", proof: &proof };
        assert_eq!(range::verify_batch(&[item]), Ok(()), "{count} values of {bits} bits");
    }
}
