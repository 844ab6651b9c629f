//! Questions that nobody wrote down: the cross product of what tests and entities bring, with attributes at their boundaries.

use super::boundary::Edges;
use super::nodes::different;
use super::sample;
use super::vary::{Step, stepped, steps, words};
use crate::literal::Question;
use countersign_core::policy::schema::Action;
use countersign_core::policy::{Entity, EntityUid, Image, Record};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How many ways of going together the attributes of one policy are tried in, for one question.
const MOST_TOGETHER: usize = 1024;

/// Someone, or something, of a type that nobody has described.
const ANYONE: &str = "anyone";

/// How many questions were asked, and about how many there are.
pub(crate) struct Crossed {
    pub(crate) asked: usize,
    pub(crate) possible: usize,
}

/// Is told of a question and where it comes from; says whether the decision on it changes.
pub(crate) type Ask<'a> = dyn FnMut(&str, &Question) -> bool + 'a;

/// Asks, at most `limit` times: the questions of `seeds`, and the cross product of principals, actions, resources and contexts of
/// `seeds` and of both images' entities; each as it is, with the attributes of one differing policy at their boundaries together,
/// with every attribute at its boundaries, and with two of them where one is a differing policy's.
pub(crate) fn cross(
    [old, new]: [&Image; 2],
    seeds: &[(String, Question)],
    limit: usize,
    ask: &mut Ask<'_>,
) -> Crossed {
    let mut all = Edges::default();
    all.of_image(old);
    all.of_image(new);
    let [lost, gained] = different(old, new);
    let mut changed = Vec::new();
    for (image, policies) in [(old, lost), (new, gained)] {
        for policy in policies {
            let mut edges = Edges::default();
            edges.of_policy(image, policy);
            changed.push(edges);
        }
    }
    let grounds = grounds(old, new, seeds);
    // Those are asked as they are already.
    let known: HashSet<u64> = seeds.iter().map(|(_, question)| key(question)).collect();
    let mut run = Run {
        seen: HashSet::new(),
        moved: HashSet::new(),
        asked: 0,
        possible: 0,
        untried: 0,
        limit,
        until: limit,
        ask,
    };
    let stages = [
        (Stage::Together, true),
        (Stage::Single, true),
        (Stage::Plain, false),
        (Stage::Together, false),
        (Stage::Single, false),
        (Stage::Two, true),
        (Stage::Two, false),
    ];
    // At first each stage may use half of what is left, so that none keeps the next from its turn; then all of it.
    for (again, (stage, of_seeds)) in
        [false, true].into_iter().flat_map(|again| stages.map(|stage| (again, stage)))
    {
        if again && (run.asked == run.possible || run.asked >= limit) {
            break;
        }
        run.until = if again { limit } else { run.asked + (limit - run.asked).div_ceil(2) };
        let (possible, untried) = (run.possible, run.untried);
        let image = |action: &EntityUid| if new.schema().action(action).is_some() { new } else { old };
        let edges = (&all, changed.as_slice());
        let mut cost = 1;
        let mut turn = |origin: &str, made: &dyn Fn() -> Option<Question>| {
            if run.full() {
                // To know exactly would be to make them all.
                run.possible = run.possible.saturating_add(cost);
                return;
            }
            let before = run.possible;
            let Some(base) = made() else { return };
            run.stage(stage, image(&base.action), origin, &base, edges);
            cost = run.possible - before;
        };
        if of_seeds {
            seeds.iter().for_each(|(origin, base)| turn(origin, &|| Some(base.clone())));
        }
        for ground in grounds.iter().filter(|_| !of_seeds) {
            for numbers in ground.questions() {
                turn("cross product", &|| {
                    let base = numbers.made(image(&ground.action), ground);
                    (!known.contains(&key(&base))).then_some(base)
                });
            }
        }
        if again {
            run.untried = untried;
            // They were counted the first time.
            run.possible = possible;
        }
    }
    // With room to spare, all were asked.
    let possible = if run.asked < limit { run.asked } else { run.possible.max(run.asked) };
    Crossed { asked: run.asked, possible: possible.saturating_add(run.untried) }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Plain,
    /// The attributes of one differing policy.
    Together,
    /// One attribute.
    Single,
    /// Two attributes, one of a differing policy.
    Two,
}

struct Run<'r, 'a> {
    /// What was asked of each question.
    seen: HashSet<u64>,
    /// The steps that changed a decision: with others beside them they would only do so again.
    moved: HashSet<u64>,
    asked: usize,
    possible: usize,
    /// Ways of going together that are too many for one policy.
    untried: usize,
    limit: usize,
    until: usize,
    ask: &'r mut Ask<'a>,
}

impl Run<'_, '_> {
    fn full(&self) -> bool {
        self.asked >= self.until.min(self.limit)
    }

    fn stage(
        &mut self,
        stage: Stage,
        image: &Image,
        origin: &str,
        base: &Question,
        (all, changed): (&Edges, &[Edges]),
    ) {
        let key = key(base);
        let mut put = |steps: &[&Step]| self.put(image, origin, base, key, steps);
        match stage {
            Stage::Plain => put(&[]),
            Stage::Single => steps(image, base, all).iter().flatten().for_each(|step| put(&[step])),
            Stage::Together => {
                let mut untried = 0_usize;
                for edges in changed {
                    untried = untried.saturating_add(together(&steps(image, base, edges), &mut put));
                }
                self.untried = self.untried.saturating_add(untried);
            }
            Stage::Two => {
                let all = steps(image, base, all);
                for edges in changed {
                    for one in steps(image, base, edges).iter().flatten() {
                        let others = all.iter().flatten().filter(|other| other.place != one.place);
                        others.for_each(|other| put(&[one, other]));
                    }
                }
            }
        }
    }

    fn put(&mut self, image: &Image, origin: &str, base: &Question, key: u64, steps: &[&Step]) {
        if self.full() {
            self.possible = self.possible.saturating_add(1);
            return;
        }
        let mut sorted = steps.to_vec();
        sorted.sort();
        let of = |steps: &[&Step]| mark(&(key, steps));
        if self.seen.contains(&of(&sorted)) {
            return;
        }
        // A part of it has shown the change already.
        for (at, step) in sorted.iter().enumerate().filter(|_| sorted.len() > 1) {
            let mut rest = sorted.clone();
            rest.remove(at);
            if self.moved.contains(&of(&[step])) || self.moved.contains(&of(&rest)) {
                self.moved.insert(of(&sorted));
                return;
            }
        }
        self.seen.insert(of(&sorted));
        let Some(question) = stepped(image, base, steps) else { return };
        self.possible = self.possible.saturating_add(1);
        self.asked += 1;
        let origin = match steps {
            [] => origin.to_owned(),
            steps => format!("{origin}, {}", words(steps)),
        };
        if (self.ask)(&origin, &question) && !steps.is_empty() {
            self.moved.insert(of(&sorted));
        }
    }
}

/// Every way of taking one step, or none, of each attribute: the fewest steps first. Where there are too many, up to two at once;
/// says about how many ways that leaves out.
fn together(places: &[Vec<Step>], put: &mut dyn FnMut(&[&Step])) -> usize {
    let ways = places.iter().fold(1_usize, |ways, steps| ways.saturating_mul(steps.len() + 1));
    let most = if ways <= MOST_TOGETHER { places.len() } else { 2 };
    let mut tried = 1_usize;
    for size in 1..=most.min(places.len()) {
        choose(places, size, &mut Vec::new(), &mut |steps| {
            tried += 1;
            put(steps);
        });
    }
    ways.saturating_sub(tried)
}

fn choose<'s>(
    places: &'s [Vec<Step>],
    size: usize,
    taken: &mut Vec<&'s Step>,
    put: &mut dyn FnMut(&[&Step]),
) {
    if size == 0 {
        return put(taken);
    }
    for (at, steps) in places.iter().enumerate() {
        for step in steps {
            taken.push(step);
            choose(places.get(at + 1..).unwrap_or_default(), size - 1, taken, put);
            taken.pop();
        }
    }
}

/// A number for a question, in whatever order it brings its entities.
fn key(question: &Question) -> u64 {
    let Question { principal, action, resource, context, entities } = question;
    let entities: BTreeMap<&EntityUid, &Entity> =
        entities.iter().map(|entity| (&entity.uid, entity)).collect();
    mark(&(principal, action, resource, context, entities))
}

/// A number for a thing, by how it is written.
fn mark(thing: &impl std::fmt::Debug) -> u64 {
    struct Written(DefaultHasher);
    impl std::fmt::Write for Written {
        fn write_str(&mut self, text: &str) -> std::fmt::Result {
            text.hash(&mut self.0);
            Ok(())
        }
    }
    let mut written = Written(DefaultHasher::new());
    _ = std::fmt::Write::write_fmt(&mut written, format_args!("{thing:?}"));
    written.0.finish()
}

/// Somebody or something, with the entities of the case that it comes from.
#[derive(Clone)]
struct Known<'s> {
    uid: EntityUid,
    /// Its own entity comes first.
    entities: Vec<&'s Entity>,
}

/// What questions are made of, for one action.
struct Ground<'s> {
    action: EntityUid,
    principals: Vec<Known<'s>>,
    resources: Vec<Known<'s>>,
    contexts: Vec<Record>,
}

/// A question by the numbers of its parts.
#[derive(Clone, Copy)]
struct Numbers(usize, usize, usize);

impl Ground<'_> {
    fn questions(&self) -> impl Iterator<Item = Numbers> {
        let (principals, resources, contexts) =
            (self.principals.len(), self.resources.len(), self.contexts.len());
        (0..principals).flat_map(move |principal| {
            (0..resources).flat_map(move |resource| {
                (0..contexts).map(move |context| Numbers(principal, resource, context))
            })
        })
    }
}

impl Numbers {
    /// The resource is as its own case has it, all else as the principal's has.
    fn made(self, image: &Image, ground: &Ground<'_>) -> Question {
        let (principal, resource) = (&ground.principals[self.0], &ground.resources[self.1]);
        let mut entities: BTreeMap<&EntityUid, &Entity> = BTreeMap::new();
        let own = resource.entities.first().filter(|entity| entity.uid == resource.uid);
        for entity in own.into_iter().chain(&principal.entities).chain(&resource.entities) {
            entities.entry(&entity.uid).or_insert(entity);
        }
        let mut entities: Vec<Entity> = entities.into_values().cloned().collect();
        for unknown in [principal, resource].into_iter().filter(|known| known.entities.is_empty()) {
            if unknown.uid.id() == ANYONE {
                entities.extend(sample::entity(image, &unknown.uid));
            }
        }
        Question {
            principal: principal.uid.clone(),
            action: ground.action.clone(),
            resource: resource.uid.clone(),
            context: ground.contexts[self.2].clone(),
            entities,
        }
    }
}

/// For each action of either image.
fn grounds<'s>(old: &Image, new: &Image, seeds: &'s [(String, Question)]) -> Vec<Ground<'s>> {
    // Every way in which a case describes an entity, with what else the case knows.
    let mut known: Vec<Known<'s>> = Vec::new();
    let mut seen: HashSet<u64> = HashSet::new();
    for (_, question) in seeds {
        for entity in &question.entities {
            if seen.insert(mark(entity)) {
                let others = question.entities.iter().filter(|other| other.uid != entity.uid);
                let entities = std::iter::once(entity).chain(others).collect();
                known.push(Known { uid: entity.uid.clone(), entities });
            }
        }
    }
    let described: BTreeSet<EntityUid> = known.iter().map(|known| known.uid.clone()).collect();
    let mut names: BTreeSet<EntityUid> = BTreeSet::new();
    for image in [old, new] {
        names.extend(image.entities().map(|(ty, id)| EntityUid::new(ty, id)));
    }
    for (_, question) in seeds {
        names.extend([question.principal.clone(), question.resource.clone()]);
    }
    let names = names.into_iter().filter(|name| !described.contains(name));
    known.extend(names.map(|uid| Known { uid, entities: Vec::new() }));

    let mut done = BTreeSet::new();
    let mut grounds = Vec::new();
    for image in [new, old] {
        for action in image.schema().actions() {
            let uid = EntityUid::new(action.ty(), action.id());
            if done.insert(uid.clone()) {
                grounds.push(ground(image, &action, uid, &known, seeds));
            }
        }
    }
    grounds
}

fn ground<'s>(
    image: &Image,
    action: &Action<'_>,
    uid: EntityUid,
    known: &[Known<'s>],
    seeds: &[(String, Question)],
) -> Ground<'s> {
    let of = |types: BTreeSet<&str>| -> Vec<Known<'s>> {
        let mut found: Vec<Known<'s>> =
            known.iter().filter(|known| types.contains(known.uid.ty())).cloned().collect();
        // Someone of each type that nobody has described.
        for ty in types {
            let enumerated = image.schema().entity_type(ty).is_some_and(|ty| ty.choices().is_some());
            if !enumerated && !found.iter().any(|known| known.uid.ty() == ty) {
                found.push(Known { uid: EntityUid::new(ty, ANYONE), entities: Vec::new() });
            }
        }
        found
    };
    let shape = action.context();
    let mut contexts: Vec<Record> = Vec::new();
    let mut seen = HashSet::new();
    for (_, question) in seeds.iter().filter(|(_, question)| question.action == uid) {
        if shape.check(&question.context).is_ok() && seen.insert(mark(&question.context)) {
            contexts.push(question.context.clone());
        }
    }
    if contexts.is_empty() {
        contexts.extend(sample::record(shape, 0).filter(|context| shape.check(context).is_ok()));
    }
    Ground {
        action: uid,
        principals: of(action.principal_types().collect()),
        resources: of(action.resource_types().collect()),
        contexts,
    }
}
