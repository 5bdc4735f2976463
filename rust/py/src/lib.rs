//! `fairway._core`: conversion, errors, and the GIL released while the core works. No logic.

use fairway_core::transcript::Statement;
use fairway_core::{ed25519, pedersen, r1cs, range, Error, Indexed};
use pyo3::create_exception;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::pybacked::PyBackedBytes;
use pyo3::types::PyBytes;

create_exception!(
    _core,
    CoreError,
    PyValueError,
    "Arguments: fault (\"encoding\", \"proof\" or \"witness\"), code, sentence, index of the item or None."
);

fn refused(error: Error) -> PyErr {
    raised(error, None)
}

fn refused_item(indexed: Indexed) -> PyErr {
    raised(indexed.error, Some(indexed.index))
}

fn raised(error: Error, index: Option<usize>) -> PyErr {
    CoreError::new_err((error.fault().word(), error.code(), error.to_string(), index))
}

fn entropy(bytes: &[u8]) -> PyResult<[u8; 32]> {
    bytes.try_into().map_err(|_| refused(Error::Length))
}

/// One Pedersen commitment for each pair of scalars.
#[pyfunction]
#[pyo3(signature = (values, blindings, /))]
fn commit_batch<'py>(py: Python<'py>, values: &[u8], blindings: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let points = py.allow_threads(|| pedersen::commit_batch(values, blindings)).map_err(refused)?;
    Ok(PyBytes::new(py, &points))
}

/// The sum of scalar·point, in variable time.
#[pyfunction]
#[pyo3(signature = (scalars, points, /))]
fn combine<'py>(py: Python<'py>, scalars: &[u8], points: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
    let sum = py.allow_threads(|| pedersen::combine(scalars, points)).map_err(refused)?;
    Ok(PyBytes::new(py, &sum))
}

/// Whether the key made the Ed25519 signature of the message. The GIL is kept: it is over before it could be handed on.
#[pyfunction]
#[pyo3(signature = (key, message, signature, /))]
fn ed25519_verify(key: &[u8], message: &[u8], signature: &[u8]) -> bool {
    ed25519::verify(key, message, signature)
}

/// A proof that the secrets satisfy the tape.
#[pyfunction]
#[pyo3(signature = (tape, values, blindings, commitments, assignments, statement, entropy, /))]
#[allow(clippy::too_many_arguments)]
fn r1cs_prove<'py>(
    py: Python<'py>,
    tape: &[u8],
    values: &[u8],
    blindings: &[u8],
    commitments: &[u8],
    assignments: &[u8],
    statement: Option<&[u8]>,
    entropy: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let entropy = self::entropy(entropy)?;
    let secrets = r1cs::Secrets { values, blindings, commitments, assignments };
    let statement = Statement::from(statement);
    let proof = py.allow_threads(|| r1cs::prove(tape, &secrets, statement, entropy)).map_err(refused)?;
    Ok(PyBytes::new(py, &proof))
}

type R1csItem = (PyBackedBytes, PyBackedBytes, Option<PyBackedBytes>, PyBackedBytes);

/// Verify (tape, commitments, statement, proof) items together.
#[pyfunction]
#[pyo3(signature = (items, /))]
#[allow(clippy::needless_pass_by_value)]
fn r1cs_verify_batch(py: Python<'_>, items: Vec<R1csItem>) -> PyResult<()> {
    py.allow_threads(|| {
        let items: Vec<r1cs::Item<'_>> = items
            .iter()
            .map(|(tape, commitments, statement, proof)| r1cs::Item {
                tape,
                commitments,
                statement: Statement::from(statement.as_deref()),
                proof,
            })
            .collect();
        r1cs::verify_batch(&items)
    })
    .map_err(refused_item)
}

/// An aggregated range proof, padded to a power of two.
#[pyfunction]
#[pyo3(signature = (values, blindings, bits, statement, entropy, /))]
fn range_prove<'py>(
    py: Python<'py>,
    values: &[u8],
    blindings: &[u8],
    bits: usize,
    statement: &[u8],
    entropy: &[u8],
) -> PyResult<Bound<'py, PyBytes>> {
    let entropy = self::entropy(entropy)?;
    let proof = py.allow_threads(|| range::prove(values, blindings, bits, statement, entropy)).map_err(refused)?;
    Ok(PyBytes::new(py, &proof))
}

/// Verify (commitments, bits, statement, proof) items together.
#[pyfunction]
#[pyo3(signature = (items, /))]
#[allow(clippy::needless_pass_by_value)]
fn range_verify_batch(
    py: Python<'_>,
    items: Vec<(PyBackedBytes, usize, PyBackedBytes, PyBackedBytes)>,
) -> PyResult<()> {
    py.allow_threads(|| {
        let items: Vec<range::Item<'_>> = items
            .iter()
            .map(|(commitments, bits, statement, proof)| range::Item { commitments, bits: *bits, statement, proof })
            .collect();
        range::verify_batch(&items)
    })
    .map_err(refused_item)
}

/// The Rust core of Fairway: commitments and proofs.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("CoreError", module.py().get_type::<CoreError>())?;
    module.add_function(wrap_pyfunction!(commit_batch, module)?)?;
    module.add_function(wrap_pyfunction!(combine, module)?)?;
    module.add_function(wrap_pyfunction!(ed25519_verify, module)?)?;
    module.add_function(wrap_pyfunction!(r1cs_prove, module)?)?;
    module.add_function(wrap_pyfunction!(r1cs_verify_batch, module)?)?;
    module.add_function(wrap_pyfunction!(range_prove, module)?)?;
    module.add_function(wrap_pyfunction!(range_verify_batch, module)?)?;
    Ok(())
}
