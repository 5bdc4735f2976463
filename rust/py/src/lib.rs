//! `fairway._core`: conversion, errors, and the GIL released while the core works. No logic.

use std::cell::RefCell;
use std::sync::Arc;

use fairway_core::dictionary::{self, Entry, Node, Recipe, Refused, TAIL_BYTES};
use fairway_core::transcript::Statement;
use fairway_core::{ed25519, pedersen, r1cs, range, Error, Indexed};
use pyo3::create_exception;
use pyo3::exceptions::{PyKeyError, PyOverflowError, PyRuntimeError, PyValueError};
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

type Held = Node<Py<PyAny>>;
type Items = Vec<(u32, Py<PyAny>)>;
type Fields = (u32, Py<PyAny>, PyBackedBytes, u16, u128);

fn entry((key, value, tail, depth, maximum): Fields) -> PyResult<Arc<Entry<Py<PyAny>>>> {
    let tail: [u8; TAIL_BYTES] = tail.as_ref().try_into().map_err(|_| refused(Error::Length))?;
    Ok(Arc::new(Entry { key, depth, maximum, tail, value }))
}

/// What makes folded entries again, and the exception that it ended in.
struct Making<'a, 'py> {
    py: Python<'py>,
    recipe: Option<&'a Py<PyAny>>,
    raised: RefCell<Option<PyErr>>,
}

impl Making<'_, '_> {
    fn made(&self, first: u32, last: u32) -> PyResult<Vec<Arc<Entry<Py<PyAny>>>>> {
        let Some(recipe) = self.recipe else { return Ok(Vec::new()) };
        let fields: Vec<Fields> = recipe.call1(self.py, (first, last))?.extract(self.py)?;
        fields.into_iter().map(entry).collect()
    }

    fn error(&self, refused: Refused) -> PyErr {
        match (self.raised.take(), refused) {
            (Some(raised), _) => raised,
            (None, Refused::Key) => PyKeyError::new_err("the key is taken, or there is no such key"),
            (None, Refused::Sum) => PyOverflowError::new_err("the maxima add up to more than 128 bits"),
            (None, Refused::Recipe) => PyRuntimeError::new_err("what was folded cannot be made again"),
        }
    }
}

impl Recipe<Py<PyAny>> for Making<'_, '_> {
    fn entries(&self, first: u32, last: u32) -> Option<Vec<Arc<Entry<Py<PyAny>>>>> {
        self.made(first, last).map_err(|raised| self.raised.replace(Some(raised))).ok()
    }
}

/// An immutable map from 32-bit keys to conditionals; a change gives another and shares with it all that stayed.
#[pyclass(frozen, module = "fairway._core")]
struct Hashmap {
    root: Option<Arc<Held>>,
    recipe: Option<Py<PyAny>>,
}

impl Hashmap {
    fn making<'a, 'py>(&'a self, py: Python<'py>) -> Making<'a, 'py> {
        Making { py, recipe: self.recipe.as_ref(), raised: RefCell::new(None) }
    }

    fn changed(
        &self,
        py: Python<'_>,
        change: impl FnOnce(Option<&Arc<Held>>, &dyn Recipe<Py<PyAny>>) -> Result<Option<Arc<Held>>, Refused>,
    ) -> PyResult<Self> {
        let making = self.making(py);
        let root = change(self.root.as_ref(), &making).map_err(|refused| making.error(refused))?;
        Ok(Self { root, recipe: self.recipe.as_ref().map(|recipe| recipe.clone_ref(py)) })
    }
}

#[pymethods]
impl Hashmap {
    #[new]
    fn new() -> Self {
        Self { root: None, recipe: None }
    }

    #[pyo3(signature = (key, value, tail, depth, maximum, /))]
    fn insert(
        &self,
        py: Python<'_>,
        key: u32,
        value: Py<PyAny>,
        tail: PyBackedBytes,
        depth: u16,
        maximum: u128,
    ) -> PyResult<Self> {
        let entry = entry((key, value, tail, depth, maximum))?;
        self.changed(py, |root, recipe| dictionary::insert(root, &entry, recipe).map(Some))
    }

    #[pyo3(signature = (key, value, tail, depth, maximum, /))]
    fn replace(
        &self,
        py: Python<'_>,
        key: u32,
        value: Py<PyAny>,
        tail: PyBackedBytes,
        depth: u16,
        maximum: u128,
    ) -> PyResult<Self> {
        let entry = entry((key, value, tail, depth, maximum))?;
        self.changed(py, |root, recipe| dictionary::replace(root, &entry, recipe).map(Some))
    }

    #[pyo3(signature = (key, /))]
    fn remove(&self, py: Python<'_>, key: u32) -> PyResult<Self> {
        self.changed(py, |root, recipe| dictionary::remove(root, key, recipe))
    }

    #[pyo3(signature = (most, recipe, /))]
    fn folded(&self, most: usize, recipe: Py<PyAny>) -> PyResult<Self> {
        let root = self.root.as_ref().map(|root| dictionary::fold(root, most)).transpose();
        let root = root.map_err(|_| PyOverflowError::new_err("the maxima add up to more than 128 bits"))?;
        Ok(Self { root, recipe: Some(recipe) })
    }

    #[pyo3(signature = (key, /))]
    fn get(&self, py: Python<'_>, key: u32) -> PyResult<Option<Py<PyAny>>> {
        let making = self.making(py);
        let found = dictionary::find(self.root.as_ref(), key, &making).map_err(|refused| making.error(refused))?;
        Ok(found.map(|entry| entry.value.clone_ref(py)))
    }

    fn items(&self, py: Python<'_>) -> PyResult<Items> {
        let (making, mut items) = (self.making(py), Vec::with_capacity(self.__len__()));
        dictionary::walk(self.root.as_ref(), &making, &mut |entry| items.push((entry.key, entry.value.clone_ref(py))))
            .map_err(|refused| making.error(refused))?;
        Ok(items)
    }

    /// The items that are kept, and what makes the others again.
    fn image(&self, py: Python<'_>) -> (Items, Option<Py<PyAny>>) {
        let mut items = Vec::new();
        dictionary::walk_kept(self.root.as_ref(), &mut |entry| items.push((entry.key, entry.value.clone_ref(py))));
        (items, self.recipe.as_ref().map(|recipe| recipe.clone_ref(py)))
    }

    fn root_hash<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.root.as_ref().map_or(&[0; 32], |root| root.hash()))
    }

    #[getter]
    fn maximum(&self) -> u128 {
        self.root.as_ref().map_or(0, |root| root.maximum())
    }

    #[getter]
    fn kept(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.kept())
    }

    fn __len__(&self) -> usize {
        self.root.as_ref().map_or(0, |root| root.count())
    }

    fn __contains__(&self, py: Python<'_>, key: u32) -> PyResult<bool> {
        let making = self.making(py);
        let found = dictionary::find(self.root.as_ref(), key, &making).map_err(|refused| making.error(refused))?;
        Ok(found.is_some())
    }
}

/// The Rust core of Fairway: commitments and proofs.
#[pymodule]
fn _core(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("CoreError", module.py().get_type::<CoreError>())?;
    module.add_function(wrap_pyfunction!(commit_batch, module)?)?;
    module.add_class::<Hashmap>()?;
    module.add_function(wrap_pyfunction!(combine, module)?)?;
    module.add_function(wrap_pyfunction!(ed25519_verify, module)?)?;
    module.add_function(wrap_pyfunction!(r1cs_prove, module)?)?;
    module.add_function(wrap_pyfunction!(r1cs_verify_batch, module)?)?;
    module.add_function(wrap_pyfunction!(range_prove, module)?)?;
    module.add_function(wrap_pyfunction!(range_verify_batch, module)?)?;
    Ok(())
}
