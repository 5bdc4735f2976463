//! What must be refused is refused, with an error and without a panic, and the batch names the first bad item.

mod common;

use common::{encoded, random_circuit, Branch, Builder};
use curve25519_dalek::scalar::Scalar;
use fairway_core::tape::{Tape, Variable, TREE_BOUND};
use fairway_core::transcript::Statement;
use fairway_core::{pedersen, r1cs, range, Error, Indexed};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

const STATEMENT: Statement<'_> = Statement::Strict(b"statement");

/// A circuit with its commitments and a proof.
struct Proven {
    tape: Vec<u8>,
    commitments: Vec<u8>,
    proof: Vec<u8>,
}

impl Proven {
    fn new(builder: &Builder) -> Self {
        let commitments = builder.commitments();
        let proof = builder.prove(STATEMENT, [7; 32]).unwrap();
        Self { tape: builder.tape.clone(), commitments, proof }
    }

    fn item(&self) -> r1cs::Item<'_> {
        r1cs::Item { tape: &self.tape, commitments: &self.commitments, statement: STATEMENT, proof: &self.proof }
    }

    fn verdict_on(&self, proof: &[u8]) -> Result<(), Error> {
        r1cs::verify_batch(&[r1cs::Item { proof, ..self.item() }]).map_err(|indexed| indexed.error)
    }
}

/// `a·b = c` and (a = 3 or b = 3): one multiplier in each phase.
fn two_phase() -> Proven {
    let mut builder = Builder::default();
    let variables: Vec<Variable> = [3_u64, 5, 15]
        .map(|value| {
            let index = builder.opened(value.into(), Scalar::from(value + 100));
            builder.commit(index)
        })
        .to_vec();
    let one = Scalar::ONE;
    let product = builder.multiply(&vec![(variables[0], one)], &vec![(variables[1], one)]);
    builder.constrain(&vec![(product, one), (variables[2], -one)]);
    let is_three = |variable| Branch::Leaf(vec![(variable, one), (Variable::One, -Scalar::from(3_u8))]);
    builder.verify(&[is_three(variables[0]), is_three(variables[1]), Branch::Or]);
    Proven::new(&builder)
}

#[test]
fn every_bit_of_a_proof_is_needed() {
    let proven = two_phase();
    assert_eq!(proven.verdict_on(&proven.proof), Ok(()));
    for bit in 0..proven.proof.len() * 8 {
        let mut forged = proven.proof.clone();
        forged[bit / 8] ^= 1 << (bit % 8);
        assert!(proven.verdict_on(&forged).is_err(), "bit {bit}");
    }
}

#[test]
fn a_proof_has_one_length() {
    let proven = two_phase();
    for length in 0..proven.proof.len() {
        assert_eq!(proven.verdict_on(&proven.proof[..length]), Err(Error::ProofShape), "{length} bytes");
    }
    for extra in [1, 32, 64] {
        let longer = [&proven.proof[..], &vec![0; extra]].concat();
        assert_eq!(proven.verdict_on(&longer), Err(Error::ProofShape));
    }
}

#[test]
fn no_point_of_a_proof_may_be_the_identity() {
    let proven = two_phase();
    let points = (0..11).chain(14..16);
    for point in points {
        let mut forged = proven.proof.clone();
        forged[1 + 32 * point..][..32].fill(0);
        assert_eq!(proven.verdict_on(&forged), Err(Error::ProofElement), "point {point}");
    }
}

#[test]
fn elements_that_are_not_canonical_are_refused() {
    let proven = two_phase();
    // 2^255 − 1: neither below the field's prime nor below the group's order.
    let beyond = [[0xff; 31].as_slice(), &[0x7f]].concat();
    for element in 0..18 {
        let mut forged = proven.proof.clone();
        forged[1 + 32 * element..][..32].copy_from_slice(&beyond);
        assert_eq!(proven.verdict_on(&forged), Err(Error::ProofElement), "element {element}");
    }
    assert_eq!(pedersen::combine(&beyond, &[0; 32]), Err(Error::ScalarNonCanonical));
    assert_eq!(pedersen::combine(&[0; 32], &beyond), Err(Error::PointNonCanonical));
}

#[test]
fn a_proof_is_bound_to_its_statement_profile_tape_and_commitments() {
    let proven = two_phase();
    let refuses = |item| r1cs::verify_batch(&[item]).is_err();
    assert!(refuses(r1cs::Item { statement: Statement::Strict(b"other"), ..proven.item() }));
    assert!(refuses(r1cs::Item { statement: Statement::Compatible, ..proven.item() }));
    let swapped = [&proven.commitments[32..64], &proven.commitments[..32], &proven.commitments[64..]].concat();
    assert!(refuses(r1cs::Item { commitments: &swapped, ..proven.item() }));
    let mut tape = proven.tape.clone();
    let last = tape.len() - 2;
    tape[last] ^= 1;
    assert!(refuses(r1cs::Item { tape: &tape, ..proven.item() }));
}

#[test]
fn a_commitment_that_the_tape_does_not_name_is_refused() {
    let proven = two_phase();
    for extra in [[0; 32].as_slice(), &proven.commitments[..32]] {
        let commitments = [&proven.commitments, extra].concat();
        let verdict = r1cs::verify_batch(&[r1cs::Item { commitments: &commitments, ..proven.item() }]);
        assert_eq!(verdict, Err(Indexed { index: 0, error: Error::TapeCommitment }));
    }
    let verdict = r1cs::verify_batch(&[r1cs::Item { commitments: &proven.commitments[32..], ..proven.item() }]);
    assert_eq!(verdict, Err(Indexed { index: 0, error: Error::TapeCommitment }));
}

#[test]
fn a_batch_names_its_first_bad_item() {
    let good = two_phase();
    let mut bad = two_phase();
    bad.commitments.rotate_left(32);
    let mut malformed = two_phase();
    malformed.proof.truncate(40);
    for first in 0..9 {
        let mut items = vec![good.item(); 9];
        items[first] = bad.item();
        items[8] = if first == 8 { bad.item() } else { malformed.item() };
        let verdict = r1cs::verify_batch(&items);
        assert_eq!(verdict, Err(Indexed { index: first, error: Error::ProofInvalid }));
    }
    let verdict = r1cs::verify_batch(&[good.item(), malformed.item(), bad.item()]);
    assert_eq!(verdict, Err(Indexed { index: 1, error: Error::ProofShape }));
    assert_eq!(r1cs::verify_batch(&[]), Ok(()));
}

#[test]
fn errors_that_cancel_in_a_plain_sum_do_not_cancel_in_a_batch() {
    // The planted bug: without weights, t_x_blinding + 1 in one proof and − 1 in its twin would balance.
    let shifted = |by: Scalar| {
        let mut proven = two_phase();
        let at = 1 + 32 * 12;
        let scalar = Scalar::from_canonical_bytes(proven.proof[at..at + 32].try_into().unwrap()).unwrap() + by;
        proven.proof[at..at + 32].copy_from_slice(scalar.as_bytes());
        proven
    };
    let (up, down) = (shifted(Scalar::ONE), shifted(-Scalar::ONE));
    assert!(r1cs::verify_batch(&[up.item(), down.item()]).is_err());
}

#[test]
fn values_that_do_not_satisfy_the_tape_are_not_proven() {
    let mut rng = StdRng::seed_from_u64(1);
    let mut refused = 0;
    for _ in 0..40 {
        let mut circuit = random_circuit(&mut rng);
        circuit.values[0] += Scalar::ONE;
        match circuit.prove(STATEMENT, [0; 32]) {
            Ok(proof) => {
                let commitments = circuit.commitments();
                let item =
                    r1cs::Item { tape: &circuit.tape, commitments: &commitments, statement: STATEMENT, proof: &proof };
                assert_eq!(r1cs::verify_batch(&[item]), Ok(()));
            }
            Err(error) => {
                assert!(matches!(error, Error::WitnessUnsatisfied | Error::WitnessRange), "{error}");
                refused += 1;
            }
        }
    }
    assert!(refused > 10, "the generator must make constraints that bite: {refused}");
}

#[test]
fn equal_inputs_give_equal_proofs_and_any_change_gives_other_masks() {
    let mut circuit = random_circuit(&mut StdRng::seed_from_u64(2));
    let first = circuit.prove(STATEMENT, [1; 32]).unwrap();
    assert_eq!(first, circuit.prove(STATEMENT, [1; 32]).unwrap());
    let other_entropy = circuit.prove(STATEMENT, [2; 32]).unwrap();
    let other_statement = circuit.prove(Statement::Strict(b"other"), [1; 32]).unwrap();
    circuit.blindings[0] += Scalar::ONE;
    let other_witness = circuit.prove(STATEMENT, [1; 32]).unwrap();
    for other in [other_entropy, other_statement, other_witness] {
        assert_ne!(first[1..33], other[1..33], "the first commitment must be masked anew");
    }
}

#[test]
fn no_bytes_make_a_parser_panic() {
    let mut rng = StdRng::seed_from_u64(3);
    let proven = two_phase();
    let mut understood = 0;
    for _ in 0..20_000 {
        let mut tape = proven.tape.clone();
        for _ in 0..rng.gen_range(1..4) {
            let at = rng.gen_range(0..tape.len());
            tape[at] = rng.gen_range(0..8);
        }
        tape.truncate(rng.gen_range(0..=proven.tape.len() * 2));
        if Tape::parse(&tape).is_ok() {
            understood += 1;
            let verdict = r1cs::verify_batch(&[r1cs::Item { tape: &tape, ..proven.item() }]);
            assert!(verdict.is_err() || tape == proven.tape);
        }
        let noise: Vec<u8> = (0..rng.gen_range(0..200)).map(|_| rng.gen_range(0..8)).collect();
        let _ = Tape::parse(&noise);
        let _ = proven.verdict_on(&noise);
    }
    assert!(understood > 1000, "the mutations must reach the verifier: {understood}");
}

#[test]
fn tapes_beyond_the_bounds_are_refused() {
    assert_eq!(Tape::parse(&vec![3; (1 << 20) + 1]), Err(Error::TapeBound));
    assert_eq!(Tape::parse(&vec![3; 1 << 16]), Err(Error::TapeBound));
    let leaf = [0, 0, 0];
    let tree = |tokens: &[u8], count: usize| {
        let mut tape = vec![6];
        tape.extend(u16::try_from(count).unwrap().to_le_bytes());
        tape.extend(tokens);
        tape
    };
    assert!(Tape::parse(&tree(&leaf, 1)).is_ok());
    assert_eq!(Tape::parse(&tree(&[], 0)), Err(Error::TapeTree));
    assert_eq!(Tape::parse(&tree(&[leaf, leaf].concat(), 2)), Err(Error::TapeTree));
    assert_eq!(Tape::parse(&tree(&[1], 1)), Err(Error::TapeTree));
    assert_eq!(Tape::parse(&tree(&leaf.repeat(TREE_BOUND + 1), TREE_BOUND + 1)), Err(Error::TapeBound));
    assert_eq!(Tape::parse(&[9]), Err(Error::TapeUnknown));
    assert_eq!(Tape::parse(&[1, 0]), Err(Error::TapeTruncated));
}

#[test]
fn range_proofs_are_strict_too() {
    let scalars = |values: &[u64]| encoded(&values.iter().map(|value| Scalar::from(*value)).collect::<Vec<_>>());
    let (values, blindings) = (scalars(&[1, 2, 255]), scalars(&[4, 5, 6]));
    let commitments = pedersen::commit_batch(&values, &blindings).unwrap();
    let proof = range::prove(&values, &blindings, 8, b"s", [0; 32]).unwrap();
    let item = range::Item { commitments: &commitments, bits: 8, statement: b"s", proof: &proof };
    assert_eq!(range::verify_batch(&[item, item]), Ok(()));
    for byte in 0..proof.len() {
        let mut forged = proof.clone();
        forged[byte] ^= 1;
        let forged = range::Item { proof: &forged, ..item };
        assert_eq!(range::verify_batch(&[item, forged]).map_err(|indexed| indexed.index), Err(1), "byte {byte}");
    }
    let swapped = [&commitments[32..64], &commitments[..32], &commitments[64..]].concat();
    assert!(range::verify_batch(&[range::Item { commitments: &swapped, ..item }]).is_err());
    assert!(range::verify_batch(&[range::Item { statement: b"t", ..item }]).is_err());
    assert!(range::verify_batch(&[range::Item { bits: 16, ..item }]).is_err());
    assert_eq!(range::prove(&scalars(&[256]), &scalars(&[1]), 8, b"s", [0; 32]), Err(Error::WitnessRange));
    assert_eq!(range::prove(&[], &[], 8, b"s", [0; 32]), Err(Error::RangeShape));
    assert_eq!(range::prove(&scalars(&[1]), &scalars(&[1]), 9, b"s", [0; 32]), Err(Error::RangeShape));
}
