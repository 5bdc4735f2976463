//! Vectors made outside of this project: generators, group, transcripts and constraint proofs.

mod common;

use common::Builder;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use fairway_core::generators::{blinding_base, chain, value_base};
use fairway_core::tape::Variable;
use fairway_core::transcript::Statement;
use fairway_core::{pedersen, r1cs};
use merlin::Transcript;
use serde_json::Value;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../../tests/vectors/zk-vectors.json")).unwrap()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex::decode(value.as_str().unwrap()).unwrap()
}

fn encoding(point: &RistrettoPoint) -> String {
    hex::encode(point.compress().as_bytes())
}

#[test]
fn generators_are_the_published_ones() {
    let vectors = &vectors()["generators"];
    assert_eq!(encoding(&value_base()), vectors["B"]);
    assert_eq!(encoding(&blinding_base()), vectors["B_blinding"]);
    for (i, expected) in vectors["G_party0"].as_array().unwrap().iter().enumerate() {
        assert_eq!(&encoding(&chain(0, 8).unwrap().g[i]), expected);
    }
    let (seven, eleven) = (Scalar::from(7_u8), Scalar::from(11_u8));
    let commitment = pedersen::commit_batch(seven.as_bytes(), eleven.as_bytes()).unwrap();
    assert_eq!(hex::encode(commitment), vectors["commit_7_11"]);
}

#[test]
fn a_chain_that_grew_is_the_chain_made_at_once() {
    let short = chain(3, 64).unwrap();
    let long = chain(3, 256).unwrap();
    assert_eq!(short.g[..], long.g[..64]);
    assert_eq!(short.h[..], long.h[..64]);
    assert!(chain(0, 1 << 15).is_err() && chain(64, 1).is_err());
}

#[test]
fn multiples_of_the_base_are_those_of_rfc_9496() {
    let multiples = vectors()["ristretto255_multiples_of_B"].as_array().unwrap().clone();
    for (i, expected) in multiples.iter().enumerate() {
        let sum = pedersen::combine(Scalar::from(i as u64).as_bytes(), value_base().compress().as_bytes()).unwrap();
        assert_eq!(hex::encode(sum), expected.as_str().unwrap());
    }
}

#[test]
fn transcripts_draw_the_recorded_challenges() {
    let vectors = vectors()["merlin"].as_array().unwrap().clone();
    let mut transcript = Transcript::new(b"test protocol");
    transcript.append_message(b"some label", b"some data");
    let mut challenge = [0; 32];
    transcript.challenge_bytes(b"challenge", &mut challenge);
    assert_eq!(hex::encode(challenge), vectors[0]["challenge"]);

    let mut transcript = Transcript::new(b"test protocol");
    transcript.append_message(b"step1", b"some data");
    for expected in vectors[1]["challenges"].as_array().unwrap() {
        transcript.challenge_bytes(b"challenge", &mut challenge);
        assert_eq!(&hex::encode(challenge), expected);
        transcript.append_message(b"bigdata", &[99; 1024]);
        transcript.append_message(b"challengedata", &challenge);
    }
}

#[test]
fn recorded_constraint_proofs_verify() {
    for vector in vectors()["r1cs"].as_array().unwrap() {
        let commitments: Vec<u8> = vector["V"].as_array().unwrap().iter().flat_map(bytes).collect();
        let tape = vector["k"].as_u64().map_or_else(range_circuit, product_circuit);
        let proof = bytes(&vector["proof"]);
        let item =
            r1cs::Item { tape: &tape, commitments: &commitments, statement: Statement::Compatible, proof: &proof };
        assert_eq!(r1cs::verify_batch(&[item]), Ok(()), "{}", vector["statement"]);
    }
}

#[test]
fn the_crates_proofs_of_the_seeds_programs_verify() {
    let document: Value = serde_json::from_str(include_str!("../../../tests/vectors/seed-proofs.json")).unwrap();
    let proofs = document["proofs"].as_array().unwrap();
    assert_eq!(proofs.len(), 2);
    for vector in proofs {
        let commitments: Vec<u8> = vector["V"].as_array().unwrap().iter().flat_map(bytes).collect();
        let (tape, proof) = (bytes(&vector["tape"]), bytes(&vector["proof"]));
        let statement = Statement::Compatible;
        let item = r1cs::Item { tape: &tape, commitments: &commitments, statement, proof: &proof };
        assert_eq!(r1cs::verify_batch(&[item]), Ok(()), "{}", vector["program"]);
        assert_eq!(proof.len(), 417);
    }
}

fn range_circuit() -> Vec<u8> {
    let mut builder = Builder::default();
    let index = builder.opened(Scalar::ZERO, Scalar::ZERO);
    let value = builder.commit(index);
    builder.range64(&vec![(value, Scalar::ONE)]);
    builder.tape
}

/// `V0·(V1 + 1)^k = V2`.
fn product_circuit(factors: u64) -> Vec<u8> {
    let mut builder = Builder::default();
    let variables: Vec<Variable> = (0..3)
        .map(|_| {
            let index = builder.opened(Scalar::ZERO, Scalar::ZERO);
            builder.commit(index)
        })
        .collect();
    let mut product = variables[0];
    for _ in 0..factors {
        let factor = vec![(variables[1], Scalar::ONE), (Variable::One, Scalar::ONE)];
        product = builder.multiply(&vec![(product, Scalar::ONE)], &factor);
    }
    builder.constrain(&vec![(product, Scalar::ONE), (variables[2], -Scalar::ONE)]);
    builder.tape
}
