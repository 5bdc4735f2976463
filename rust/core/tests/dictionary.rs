//! A dictionary has one form, however it came about, and every older version stays whole.

use std::collections::BTreeMap;
use std::sync::Arc;

use fairway_core::dictionary::{
    find, fold, insert, remove, replace, walk, Entry, Kept, Node, Recipe, Refused, TAIL_BYTES,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

type Map = Option<Arc<Node<u64>>>;

fn entry(key: u32, value: u64) -> Arc<Entry<u64>> {
    let mut tail = [0; TAIL_BYTES];
    tail[..8].copy_from_slice(&value.to_be_bytes());
    Arc::new(Entry { key, depth: 1, maximum: value.into(), tail, value })
}

fn built(content: &BTreeMap<u32, u64>, order: impl Iterator<Item = u32>) -> Map {
    order.fold(None, |map, key| Some(insert(map.as_ref(), &entry(key, content[&key]), &Kept).unwrap()))
}

fn hash(map: &Map) -> Option<[u8; 32]> {
    map.as_ref().map(|root| *root.hash())
}

fn key(random: &mut StdRng) -> u32 {
    match random.gen_range(0..3) {
        0 => random.gen_range(1..40),
        1 => 1 << 31 | random.gen_range(0..9),
        _ => random.gen(),
    }
}

/// Makes entries again, of which there were some in the beginning.
struct Known(BTreeMap<u32, u64>);

impl Recipe<u64> for Known {
    fn entries(&self, first: u32, last: u32) -> Option<Vec<Arc<Entry<u64>>>> {
        Some(self.0.range(first..=last).map(|(key, value)| entry(*key, *value)).collect())
    }
}

#[test]
fn a_dictionary_is_what_it_holds() {
    let mut random = StdRng::seed_from_u64(7);
    for most in 0..40 {
        let mut content: BTreeMap<u32, u64> = (0..most as u64).map(|value| (key(&mut random), value)).collect();
        let recipe: &dyn Recipe<u64> = &Known(content.clone());
        let mut map = built(&content, content.keys().copied()).map(|root| fold(&root, most / 3).unwrap());
        let mut versions = Vec::new();
        for value in 0..60 {
            let key = key(&mut random);
            let before = (map.clone(), hash(&map));
            map = match (content.contains_key(&key), random.gen_bool(0.5)) {
                (false, _) => Some(insert(map.as_ref(), &entry(key, value), recipe).unwrap()),
                (true, true) => Some(replace(map.as_ref(), &entry(key, value), recipe).unwrap()),
                (true, false) => remove(map.as_ref(), key, recipe).unwrap(),
            };
            match find(map.as_ref(), key, recipe).unwrap() {
                Some(known) => content.insert(key, known.value),
                None => content.remove(&key),
            };
            versions.push(before);
        }
        assert_eq!(hash(&map), hash(&built(&content, content.keys().copied())));
        assert_eq!(hash(&map), hash(&built(&content, content.keys().rev().copied())));
        let mut seen = Vec::new();
        walk(map.as_ref(), recipe, &mut |entry| seen.push((entry.key, entry.value))).unwrap();
        assert_eq!(seen, content.iter().map(|(key, value)| (*key, *value)).collect::<Vec<_>>());
        assert_eq!(map.as_ref().map_or(0, |root| root.maximum()), content.values().map(|each| u128::from(*each)).sum());
        assert!(versions.iter().all(|(version, known)| hash(version) == *known));
    }
}

#[test]
fn a_key_names_one_entry() {
    let one = insert(None, &entry(5, 1), &Kept).unwrap();
    assert_eq!(insert(Some(&one), &entry(5, 2), &Kept).err(), Some(Refused::Key));
    assert_eq!(replace(Some(&one), &entry(6, 2), &Kept).err(), Some(Refused::Key));
    assert_eq!(replace::<u64>(None, &entry(6, 2), &Kept).err(), Some(Refused::Key));
    assert_eq!(remove(Some(&one), 6, &Kept).err(), Some(Refused::Key));
    assert_eq!(remove::<u64>(None, 6, &Kept).err(), Some(Refused::Key));
    let most = |key| Arc::new(Entry { key, depth: 1, maximum: u128::MAX, tail: [0; TAIL_BYTES], value: 0 });
    let full = insert(None, &most(1), &Kept).unwrap();
    assert_eq!(insert(Some(&full), &most(2), &Kept).err(), Some(Refused::Sum));
}

#[test]
fn a_recipe_that_makes_something_else_is_noticed() {
    let content: BTreeMap<u32, u64> = (1..9).map(|key| (key, 7)).collect();
    let folded = fold(&built(&content, 1..9).unwrap(), 9).unwrap();
    assert_eq!(folded.kept(), 1);
    let other = content.keys().map(|key| (*key, 8)).collect();
    let fewer = content.keys().skip(1).map(|key| (*key, 7)).collect();
    for wrong in [other, fewer, BTreeMap::new()].map(Known) {
        assert_eq!(insert(Some(&folded), &entry(9, 1), &wrong).err(), Some(Refused::Recipe));
        assert_eq!(walk(Some(&folded), &wrong, &mut |_| {}).err(), Some(Refused::Recipe));
    }
    assert_eq!(remove(Some(&folded), 3, &Kept).err(), Some(Refused::Recipe));
    assert!(remove(Some(&folded), 3, &Known(content)).is_ok());
}
