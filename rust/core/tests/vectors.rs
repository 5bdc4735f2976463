//! Vectors made outside of this project: generators, group, transcripts and constraint proofs.

mod common;

use common::Builder;
use curve25519_dalek::ristretto::RistrettoPoint;
use curve25519_dalek::scalar::Scalar;
use fairway_core::generators::{self, blinding_base, chain, value_base};
use fairway_core::tape::Variable;
use fairway_core::transcript::Statement;
use fairway_core::{pedersen, r1cs, Error};
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

/// RFC 9496, A.3: not below the field's prime, negative, without a square root, with a negative x·y, with y = 0.
const BAD_ENCODINGS: [&str; 29] = [
    "00ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "f3ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "0100000000000000000000000000000000000000000000000000000000000000",
    "01ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ed57ffd8c914fb201471d1c3d245ce3c746fcbe63a3679d51b6a516ebebe0e20",
    "c34c4e1826e5d403b78e246e88aa051c36ccf0aafebffe137d148a2bf9104562",
    "c940e5a4404157cfb1628b108db051a8d439e1a421394ec4ebccb9ec92a8ac78",
    "47cfc5497c53dc8e61c91d17fd626ffb1c49e2bca94eed052281b510b1117a24",
    "f1c6165d33367351b0da8f6e4511010c68174a03b6581212c71c0e1d026c3c72",
    "87260f7a2f12495118360f02c26a470f450dadf34a413d21042b43b9d93e1309",
    "26948d35ca62e643e26a83177332e6b6afeb9d08e4268b650f1f5bbd8d81d371",
    "4eac077a713c57b4f4397629a4145982c661f48044dd3f96427d40b147d9742f",
    "de6a7b00deadc788eb6b6c8d20c0ae96c2f2019078fa604fee5b87d6e989ad7b",
    "bcab477be20861e01e4a0e295284146a510150d9817763caf1a6f4b422d67042",
    "2a292df7e32cababbd9de088d1d1abec9fc0440f637ed2fba145094dc14bea08",
    "f4a9e534fc0d216c44b218fa0c42d99635a0127ee2e53c712f70609649fdff22",
    "8268436f8c4126196cf64b3c7ddbda90746a378625f9813dd9b8457077256731",
    "2810e5cbc2cc4d4eece54f61c6f69758e289aa7ab440b3cbeaa21995c2f4232b",
    "3eb858e78f5a7254d8c9731174a94f76755fd3941c0ac93735c07ba14579630e",
    "a45fdc55c76448c049a1ab33f17023edfb2be3581e9c7aade8a6125215e04220",
    "d483fe813c6ba647ebbfd3ec41adca1c6130c2beeee9d9bf065c8d151c5f396e",
    "8a2e1d30050198c65a54483123960ccc38aef6848e1ec8f5f780e8523769ba32",
    "32888462f8b486c68ad7dd9610be5192bbeaf3b443951ac1a8118419d9fa097b",
    "227142501b9d4355ccba290404bde41575b037693cef1f438c47f8fbf35d1165",
    "5c37cc491da847cfeb9281d407efc41e15144c876e0170b499a96a22ed31e01e",
    "445425117cb8c90edcbc7c1cc0e74f747f2c1efa5630a967c64f287792a48a4b",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
];

#[test]
fn what_rfc_9496_refuses_is_no_point() {
    let one = Scalar::ONE;
    for bad in BAD_ENCODINGS {
        let refused = pedersen::combine(one.as_bytes(), &hex::decode(bad).unwrap());
        assert_eq!(refused, Err(Error::PointNonCanonical), "{bad}");
    }
}

#[test]
fn commitments_made_together_are_those_made_alone() {
    let scalars = [Scalar::ZERO, Scalar::ONE, -Scalar::ONE, Scalar::from(u64::MAX), -Scalar::from(7_u8)];
    let pairs: Vec<(Scalar, Scalar)> = scalars.iter().flat_map(|v| scalars.iter().map(|b| (*v, *b))).collect();
    let together = generators::commit_all(pairs.iter().map(|(value, blinding)| (value, blinding)));
    for ((value, blinding), commitment) in pairs.iter().zip(together) {
        let sum = value * value_base() + blinding * blinding_base();
        assert_eq!(commitment, sum.compress());
        assert_eq!(generators::commit_all([(value, blinding)]), [commitment]);
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
