//! Every transcript and every label, in one place. The labels are those of the published `bulletproofs` crate.

use curve25519_dalek::ristretto::CompressedRistretto;
use curve25519_dalek::scalar::Scalar;
use merlin::{Transcript, TranscriptRng};
use rand_chacha::ChaCha20Rng;
use rand_core::SeedableRng;

/// What binds a proof to the outside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Statement<'a> {
    /// Our own proofs: a fresh domain, with everything public absorbed before everything else.
    Strict(&'a [u8]),
    /// Other people's proofs: the transcript of the ZkVM in script mode, bound to nothing but the commitments.
    Compatible,
}

impl<'a> From<Option<&'a [u8]>> for Statement<'a> {
    fn from(statement: Option<&'a [u8]>) -> Self {
        statement.map_or(Self::Compatible, Self::Strict)
    }
}

/// The transcript of a constraint proof, its statement absorbed.
#[must_use]
pub fn for_r1cs(statement: Statement<'_>) -> Transcript {
    match statement {
        Statement::Compatible => Transcript::new(b"ZkVM.r1cs"),
        Statement::Strict(bytes) => {
            let mut transcript = Transcript::new(b"fairway.zk.v1");
            transcript.append_message(b"statement", bytes);
            transcript
        }
    }
}

/// The transcript of a range proof, its statement absorbed.
#[must_use]
pub fn for_ranges(statement: &[u8]) -> Transcript {
    let mut transcript = Transcript::new(b"fairway.range.v1");
    transcript.append_message(b"statement", statement);
    transcript
}

/// The domains and elements of the proof protocols.
pub(crate) trait Protocol {
    fn separate(&mut self, domain: &'static [u8]);
    fn append_scalar(&mut self, label: &'static [u8], scalar: &Scalar);
    fn append_point(&mut self, label: &'static [u8], point: &CompressedRistretto);
    fn challenge(&mut self, label: &'static [u8]) -> Scalar;
    fn prover_rng(&self, entropy: [u8; 32], witness: &[Scalar]) -> TranscriptRng;
}

impl Protocol for Transcript {
    fn separate(&mut self, domain: &'static [u8]) {
        self.append_message(b"dom-sep", domain);
    }

    fn append_scalar(&mut self, label: &'static [u8], scalar: &Scalar) {
        self.append_message(label, scalar.as_bytes());
    }

    fn append_point(&mut self, label: &'static [u8], point: &CompressedRistretto) {
        self.append_message(label, point.as_bytes());
    }

    fn challenge(&mut self, label: &'static [u8]) -> Scalar {
        let mut uniform = [0; 64];
        self.challenge_bytes(label, &mut uniform);
        Scalar::from_bytes_mod_order_wide(&uniform)
    }

    /// Randomness out of the transcript, the witness and the caller's entropy together: it stays secret while the
    /// witness or the entropy does, and equal inputs give an equal proof.
    fn prover_rng(&self, entropy: [u8; 32], witness: &[Scalar]) -> TranscriptRng {
        let mut builder = self.build_rng();
        for scalar in witness {
            builder = builder.rekey_with_witness_bytes(b"witness", scalar.as_bytes());
        }
        builder.finalize(&mut ChaCha20Rng::from_seed(entropy))
    }
}
