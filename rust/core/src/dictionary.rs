//! The cells of a half's promises, a `HashmapE 32`, kept as a persistent trie: a change makes the path that it touches
//! anew, and a hash is taken when it is first asked for.
//!
//! A node of the trie is a cell of the dictionary: an edge label, then a leaf's four bytes and two references, or two
//! branches. What a leaf stands for is the caller's; the trie knows what its cell hashes of it.
//!
//! A subtree whose entries a recipe can make again may be folded: its hash and sums are kept, its nodes are not. Whoever
//! walks into it gets it made again along his path; the rest of it stays folded.

use std::sync::{Arc, OnceLock};

use sha2::{Digest, Sha256};

/// The bits of a key.
const KEY_BITS: u8 = 32;
/// What stands inline in every leaf, behind its label.
const CONDITION_CODE: u32 = 0x8870_8AD9;
/// The depths and hashes of a leaf's two references.
pub const TAIL_BYTES: usize = 68;

type Hash = [u8; 32];

/// What stands under one key.
pub struct Entry<T> {
    /// The key.
    pub key: u32,
    /// The depth of the leaf's cell.
    pub depth: u16,
    /// The most that it pays.
    pub maximum: u128,
    /// Depths and hashes of its references, as a cell hashes them.
    pub tail: [u8; TAIL_BYTES],
    /// What the caller knows it by.
    pub value: T,
}

/// Why a change cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The key is taken, or there is no such key.
    Key,
    /// The sum of all that is paid at most has no place.
    Sum,
    /// What was folded cannot be made again, or comes out otherwise.
    Recipe,
}

/// Where entries come from that are not kept. Equal for ever: a key gives the same entry each time.
pub trait Recipe<T> {
    /// The entries of the keys from `first` to `last`; None where that fails.
    fn entries(&self, first: u32, last: u32) -> Option<Vec<Arc<Entry<T>>>>;
}

/// The recipe of a trie of which nothing is folded.
pub struct Kept;

impl<T> Recipe<T> for Kept {
    fn entries(&self, _first: u32, _last: u32) -> Option<Vec<Arc<Entry<T>>>> {
        None
    }
}

/// One cell, and all below it. `key` is one of the keys below; the label has its bits from `start` to `end`.
pub struct Node<T> {
    start: u8,
    end: u8,
    key: u32,
    depth: u16,
    count: usize,
    maximum: u128,
    hash: OnceLock<Hash>,
    below: Below<T>,
}

enum Below<T> {
    Entry(Arc<Entry<T>>),
    Branches(Arc<Node<T>>, Arc<Node<T>>),
    Folded,
}

type Branch<T> = Arc<Node<T>>;
type Change<'a, T> = &'a dyn Fn(&Branch<T>) -> Result<Branch<T>, Refused>;

impl<T> Node<T> {
    fn leaf(start: u8, entry: Arc<Entry<T>>) -> Branch<T> {
        Arc::new(Self {
            start,
            end: KEY_BITS,
            key: entry.key,
            depth: entry.depth,
            count: 1,
            maximum: entry.maximum,
            hash: OnceLock::new(),
            below: Below::Entry(entry),
        })
    }

    fn fork(start: u8, end: u8, left: Branch<T>, right: Branch<T>) -> Result<Branch<T>, Refused> {
        Ok(Arc::new(Self {
            start,
            end,
            key: left.key,
            depth: 1 + left.depth.max(right.depth),
            count: left.count + right.count,
            maximum: left.maximum.checked_add(right.maximum).ok_or(Refused::Sum)?,
            hash: OnceLock::new(),
            below: Below::Branches(left, right),
        }))
    }

    /// The same, without what is below.
    fn folded(&self) -> Branch<T> {
        Arc::new(Self {
            start: self.start,
            end: self.end,
            key: self.key,
            depth: self.depth,
            count: self.count,
            maximum: self.maximum,
            hash: OnceLock::from(*self.hash()),
            below: Below::Folded,
        })
    }

    /// What was folded, as the recipe makes it.
    fn whole(&self, recipe: &dyn Recipe<T>) -> Result<Branch<T>, Refused> {
        let (first, last) = self.range();
        let mut whole = None;
        for entry in recipe.entries(first, last).ok_or(Refused::Recipe)? {
            whole = Some(insert(whole.as_ref(), &entry, recipe)?);
        }
        let whole = whole.ok_or(Refused::Recipe)?.moved(self.start, recipe)?;
        if whole.hash() == self.hash() {
            Ok(whole)
        } else {
            Err(Refused::Recipe)
        }
    }

    /// What was folded along the path to `key`; what branches off stays folded.
    fn opened(&self, key: u32, recipe: &dyn Recipe<T>) -> Result<Branch<T>, Refused> {
        along(&self.whole(recipe)?, key)
    }

    /// The first and the last key that may be below.
    fn range(&self) -> (u32, u32) {
        let rest = (1_u64 << (KEY_BITS - self.end)) - 1;
        let rest = u32::try_from(rest).unwrap_or(u32::MAX);
        (self.key & !rest, self.key | rest)
    }

    /// The same where the label begins at another bit.
    fn moved(&self, start: u8, recipe: &dyn Recipe<T>) -> Result<Branch<T>, Refused> {
        match &self.below {
            Below::Folded => Ok(self.whole(recipe)?.moved(start, recipe)?.folded()),
            Below::Entry(entry) => Ok(Self::leaf(start, Arc::clone(entry))),
            Below::Branches(left, right) => Self::fork(start, self.end, Arc::clone(left), Arc::clone(right)),
        }
    }

    /// The most that everything below pays together.
    #[must_use]
    pub fn maximum(&self) -> u128 {
        self.maximum
    }

    /// How many keys are below.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// How many nodes are kept.
    #[must_use]
    pub fn kept(&self) -> usize {
        match &self.below {
            Below::Branches(left, right) => 1 + left.kept() + right.kept(),
            _ => 1,
        }
    }

    /// The hash of the cell.
    pub fn hash(&self) -> &Hash {
        self.hash.get_or_init(|| {
            let length = self.end - self.start;
            let bits = (u64::from(self.key) >> (KEY_BITS - self.end)) & ((1 << length) - 1);
            let (label, width) = label(bits, length, KEY_BITS - self.start);
            let mut hash = Sha256::new();
            match &self.below {
                Below::Entry(entry) => {
                    absorb(&mut hash, u128::from(label) << 32 | u128::from(CONDITION_CODE), width + 32);
                    hash.update(entry.tail);
                }
                Below::Branches(left, right) => {
                    absorb(&mut hash, u128::from(label), width);
                    hash.update(left.depth.to_be_bytes());
                    hash.update(right.depth.to_be_bytes());
                    hash.update(left.hash());
                    hash.update(right.hash());
                }
                Below::Folded => {} // never without its hash
            }
            hash.finalize().into()
        })
    }
}

/// The trie, all of which a recipe can make again, with its subtrees of two to `most` entries folded.
pub fn fold<T>(node: &Branch<T>, most: usize) -> Result<Branch<T>, Refused> {
    match &node.below {
        Below::Branches(..) if node.count <= most => Ok(node.folded()),
        Below::Branches(left, right) => Node::fork(node.start, node.end, fold(left, most)?, fold(right, most)?),
        _ => Ok(Arc::clone(node)),
    }
}

/// A subtree along the path to `key`, with all that branches off folded.
fn along<T>(node: &Branch<T>, key: u32) -> Result<Branch<T>, Refused> {
    match &node.below {
        Below::Branches(left, right) if bit(key, node.end) => {
            Node::fork(node.start, node.end, left.folded(), along(right, key)?)
        }
        Below::Branches(left, right) => Node::fork(node.start, node.end, along(left, key)?, right.folded()),
        _ => Ok(Arc::clone(node)),
    }
}

/// The trie with one entry more; its key must be free.
pub fn insert<T>(
    node: Option<&Branch<T>>,
    entry: &Arc<Entry<T>>,
    recipe: &dyn Recipe<T>,
) -> Result<Branch<T>, Refused> {
    let Some(node) = node else {
        return Ok(Node::leaf(0, Arc::clone(entry)));
    };
    let split = u8::try_from((node.key ^ entry.key).leading_zeros()).map_err(|_| Refused::Key)?;
    if split < node.end {
        let (added, moved) = (Node::leaf(split + 1, Arc::clone(entry)), node.moved(split + 1, recipe)?);
        let (left, right) = if bit(entry.key, split) { (moved, added) } else { (added, moved) };
        return Node::fork(node.start, split, left, right);
    }
    changed(node, entry.key, recipe, &|branch| insert(Some(branch), entry, recipe))
}

/// The trie with another entry under a key that is there.
pub fn replace<T>(
    node: Option<&Branch<T>>,
    entry: &Arc<Entry<T>>,
    recipe: &dyn Recipe<T>,
) -> Result<Branch<T>, Refused> {
    let node = node.ok_or(Refused::Key)?;
    if matches!(&node.below, Below::Entry(known) if known.key == entry.key) {
        return Ok(Node::leaf(node.start, Arc::clone(entry)));
    }
    changed(node, entry.key, recipe, &|branch| replace(Some(branch), entry, recipe))
}

/// A fork whose branch towards `key` was changed.
fn changed<T>(node: &Branch<T>, key: u32, recipe: &dyn Recipe<T>, change: Change<'_, T>) -> Result<Branch<T>, Refused> {
    match &node.below {
        Below::Entry(_) => Err(Refused::Key),
        Below::Folded => {
            let opened = node.opened(key, recipe)?;
            // A single entry is no branch of anything: it is what is changed.
            if matches!(opened.below, Below::Entry(_)) {
                change(&opened)
            } else {
                changed(&opened, key, recipe, change)
            }
        }
        Below::Branches(left, right) if bit(key, node.end) => {
            Node::fork(node.start, node.end, Arc::clone(left), change(right)?)
        }
        Below::Branches(left, right) => Node::fork(node.start, node.end, change(left)?, Arc::clone(right)),
    }
}

/// The trie without a key, which must be there; None when nothing is left.
pub fn remove<T>(node: Option<&Branch<T>>, key: u32, recipe: &dyn Recipe<T>) -> Result<Option<Branch<T>>, Refused> {
    let node = node.ok_or(Refused::Key)?;
    match &node.below {
        Below::Folded => remove(Some(&node.opened(key, recipe)?), key, recipe),
        Below::Entry(entry) if entry.key == key => Ok(None),
        Below::Entry(_) => Err(Refused::Key),
        Below::Branches(left, right) => {
            let (gone, stays) = if bit(key, node.end) { (right, left) } else { (left, right) };
            match remove(Some(gone), key, recipe)? {
                None => stays.moved(node.start, recipe).map(Some),
                Some(rest) if bit(key, node.end) => Node::fork(node.start, node.end, Arc::clone(left), rest).map(Some),
                Some(rest) => Node::fork(node.start, node.end, rest, Arc::clone(right)).map(Some),
            }
        }
    }
}

/// What stands under a key.
pub fn find<T>(node: Option<&Branch<T>>, key: u32, recipe: &dyn Recipe<T>) -> Result<Option<Arc<Entry<T>>>, Refused> {
    let Some(mut node) = node else {
        return Ok(None);
    };
    loop {
        match &node.below {
            Below::Entry(entry) => return Ok((entry.key == key).then(|| Arc::clone(entry))),
            Below::Branches(left, right) => node = if bit(key, node.end) { right } else { left },
            Below::Folded => {
                let (first, last) = node.range();
                let found = if (first..=last).contains(&key) { recipe.entries(key, key) } else { Some(Vec::new()) };
                return found.map(|entries| entries.into_iter().next()).ok_or(Refused::Recipe);
            }
        }
    }
}

/// Show `visit` every entry that is kept, in the order of the keys.
pub fn walk_kept<T>(node: Option<&Branch<T>>, visit: &mut dyn FnMut(&Entry<T>)) {
    match node.map(|node| &node.below) {
        Some(Below::Entry(entry)) => visit(entry),
        Some(Below::Branches(left, right)) => {
            walk_kept(Some(left), visit);
            walk_kept(Some(right), visit);
        }
        Some(Below::Folded) | None => {}
    }
}

/// Show `visit` every entry in the order of the keys.
pub fn walk<T>(
    node: Option<&Branch<T>>,
    recipe: &dyn Recipe<T>,
    visit: &mut dyn FnMut(&Entry<T>),
) -> Result<(), Refused> {
    let Some(node) = node else {
        return Ok(());
    };
    match &node.below {
        Below::Entry(entry) => visit(entry),
        Below::Folded => walk(Some(&node.whole(recipe)?), recipe, visit)?,
        Below::Branches(left, right) => {
            walk(Some(left), recipe, visit)?;
            walk(Some(right), recipe, visit)?;
        }
    }
    Ok(())
}

fn bit(key: u32, position: u8) -> bool {
    position < KEY_BITS && key >> (KEY_BITS - 1 - position) & 1 == 1
}

/// The canonical edge label and its width: of `same$11`, `long$10` and `short$0` the shortest.
///
/// Of labels of one width TON's reference implementation takes the last.
fn label(bits: u64, length: u8, room: u8) -> (u64, u32) {
    let (length, width) = (u32::from(length), u8::BITS - room.leading_zeros());
    let all = (1_u64 << length) - 1;
    if length > 1 && width < 2 * length - 1 && (bits == 0 || bits == all) {
        return ((0b110 | bits & 1) << width | u64::from(length), 3 + width);
    }
    if width < length {
        return ((0b10 << width | u64::from(length)) << length | bits, 2 + width + length);
    }
    (all << 1 << length | bits, 2 + 2 * length)
}

/// A cell's descriptors (two references) and its data, with the completion tag where that ends inside a byte.
fn absorb(hash: &mut Sha256, data: u128, width: u32) {
    let (whole, rest) = (width / 8, width % 8);
    let (data, bytes) = if rest == 0 { (data, whole) } else { ((data << 1 | 1) << (7 - rest), whole + 1) };
    let descriptor = u8::try_from(2 * whole + u32::from(rest != 0)).unwrap_or(u8::MAX);
    hash.update([2, descriptor]);
    hash.update(&data.to_be_bytes()[16 - bytes as usize..]);
}
