use super::*;
use crate::crypto::Software;
use core::cell::RefCell;

const BAD: &str = "not good";

/// A host in the form of what its answers are made of.
struct Fake<F>(F, RefCell<Vec<usize>>);

impl<F: Fn(&Question<'_>) -> Result<Answer, NoAnswer>> Lender for Fake<F> {
    fn ask(&self, question: &Question<'_>) -> Result<Answer, NoAnswer> {
        self.1.borrow_mut().push(question.signature.len());
        (self.0)(question)
    }
}

fn fake<F: Fn(&Question<'_>) -> Result<Answer, NoAnswer>>(answer: F) -> Fake<F> {
    Fake(answer, RefCell::default())
}

const LENT: [Algorithm; 6] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::Es512,
    Algorithm::Rs256,
    Algorithm::Rs384,
    Algorithm::Rs512,
];

/// What an honest host says, by the known answers: it knows both keys of each algorithm.
fn honest(question: &Question<'_>) -> Result<Answer, NoAnswer> {
    let bad = || Ok(Answer::Bad(BAD.into()));
    for algorithm in LENT {
        let known = known_answer(algorithm).unwrap().unwrap();
        let fits = hash(algorithm) == Some(question.hash);
        for key in [&known.key, &known.other] {
            if !fits || key.spki_der() != question.key {
                continue;
            }
            let signature = match key.key_type() {
                super::super::KeyType::Rsa => Some(question.signature.to_vec()),
                _ => raw(question.signature, known.signature.len() / 2),
            };
            let Some(signature) = signature else { return bad() };
            return match Software.verify(key, algorithm, question.message, &signature) {
                Ok(()) => Ok(Answer::Good),
                Err(_) => bad(),
            };
        }
    }
    bad()
}

/// r‖s of an `ECDSA-Sig-Value`, if it is just what we would write.
fn raw(der: &[u8], size: usize) -> Option<Vec<u8>> {
    let at = if *der.get(1)? < 0x80 { 2 } else { 3 };
    let r_length = usize::from(*der.get(at + 1)?);
    let r = der.get(at + 2..at + 2 + r_length)?;
    let s = der.get(at + 4 + r_length..)?;
    let padded = |number: &[u8]| -> Option<Vec<u8>> {
        let digits: Vec<u8> = number.iter().copied().skip_while(|byte| *byte == 0).collect();
        Some([alloc::vec![0; size.checked_sub(digits.len())?], digits].concat())
    };
    let raw = [padded(r)?, padded(s)?].concat();
    (der::ecdsa_signature(&raw)? == der).then_some(raw)
}

#[test]
fn an_honest_host_is_used() {
    let lent = Lent::examine(fake(honest), &Algorithm::ALL);
    for algorithm in Algorithm::ALL {
        assert_eq!(lent.by_host(algorithm), LENT.contains(&algorithm), "{algorithm}");
    }
    for algorithm in LENT {
        let known = known_answer(algorithm).unwrap().unwrap();
        lent.lender.1.borrow_mut().clear();
        assert_eq!(lent.verify(&known.key, algorithm, MESSAGE, &known.signature), Ok(()));
        let forged = lent.verify(&known.key, algorithm, b"forged", &known.signature);
        assert_eq!(forged, Err(SignatureError::Mismatch));
        assert_eq!(lent.lender.1.borrow().len(), 2, "{algorithm}: the host was asked");
    }
    assert_eq!(lent.take_failures(), 0);
}

#[test]
fn only_algorithms_in_use_are_examined() {
    let lent = Lent::examine(fake(honest), &[Algorithm::Es384]);
    for algorithm in Algorithm::ALL {
        assert_eq!(lent.by_host(algorithm), algorithm == Algorithm::Es384);
    }
}

/// Each kind of host that is not to be trusted differs from an honest one in one thing.
#[test]
fn a_host_that_errs_is_not_used() {
    let same_key = |question: &Question<'_>| {
        LENT.iter().any(|a| known_answer(*a).unwrap().unwrap().key.spki_der() == question.key)
    };
    let good = |_: &Question<'_>| Ok(Answer::Good);
    type Lie<'a> = &'a dyn Fn(&Question<'_>) -> Option<Result<Answer, NoAnswer>>;
    let asked = Cell::new(0);
    let lies: [(&str, Lie<'_>); 12] = [
        ("accepts all", &|q| Some(good(q))),
        ("refuses all", &|_| Some(Ok(Answer::Bad(BAD.into())))),
        ("never answers", &|_| Some(Err(NoAnswer))),
        ("accepts any key", &|q| (!same_key(q) && q.message == MESSAGE).then(|| good(q))),
        ("accepts any message", &|q| {
            (same_key(q) && !q.message.is_empty() && q.message != MESSAGE).then(|| good(q))
        }),
        ("accepts an empty message", &|q| q.message.is_empty().then(|| good(q))),
        ("accepts signatures of no length", &|q| q.signature.is_empty().then(|| good(q))),
        ("accepts trailing bytes", &|q| {
            let cut = Question { signature: q.signature.get(..q.signature.len().checked_sub(1)?)?, ..*q };
            (q.signature.ends_with(&[0]) && honest(&cut) == Ok(Answer::Good)).then(|| good(q))
        }),
        ("accepts nought", &|q| {
            (q.signature.iter().all(|byte| *byte == 0) || q.signature.windows(3).any(|w| w == [2, 1, 0]))
                .then(|| good(q))
        }),
        ("accepts any hash", &|q| {
            LENT.iter()
                .filter_map(|a| hash(*a))
                .any(|hash| honest(&Question { hash, ..*q }) == Ok(Answer::Good))
                .then(|| good(q))
        }),
        ("has no words of its own for a mismatch", &|_| {
            asked.set(asked.get() + 1);
            None
        }),
        ("accepts what comes first alone", &|q| {
            asked.set(asked.get() + 1);
            (asked.get() > 1 && honest(q) == Ok(Answer::Good)).then(|| Ok(Answer::Bad(BAD.into())))
        }),
    ];
    for (name, lie) in lies {
        for algorithm in LENT {
            asked.set(0);
            let host = fake(|q: &Question<'_>| match lie(q) {
                Some(answer) => answer,
                None if name.starts_with("has no words") && honest(q) != Ok(Answer::Good) => {
                    Ok(Answer::Bad(alloc::format!("number {}", asked.get())))
                }
                None => honest(q),
            });
            let lent = Lent::examine(host, &[algorithm]);
            assert!(!lent.by_host(algorithm), "{algorithm}: a host that {name}");
            // And the verdict is ours.
            let known = known_answer(algorithm).unwrap().unwrap();
            assert_eq!(lent.verify(&known.key, algorithm, MESSAGE, &known.signature), Ok(()));
            assert!(lent.verify(&known.other, algorithm, MESSAGE, &known.signature).is_err());
        }
    }
}

/// A host that would take anything, were it asked: it isn't, about what no signature looks like.
#[test]
fn lengths_and_ranges_are_checked_before_a_host_is_asked() {
    let examined = Cell::new(false);
    let lent = Lent::examine(
        fake(|q: &Question<'_>| if examined.get() { Ok(Answer::Good) } else { honest(q) }),
        &LENT,
    );
    examined.set(true);
    for algorithm in LENT {
        assert!(lent.by_host(algorithm));
        let known = known_answer(algorithm).unwrap().unwrap();
        let (length, signature) = (known.signature.len(), &known.signature);
        let (r, s) = signature.split_at(length / 2);
        let zero = alloc::vec![0; length / 2];
        let high = alloc::vec![0xff; length / 2];
        let mut bad = alloc::vec![
            Vec::new(),
            signature[1..].to_vec(),
            signature[..length - 1].to_vec(),
            [&signature[..], &[0]].concat(),
            [&[0], &signature[..]].concat(),
            [&*high, &*high].concat(),
        ];
        if algorithm.key_type() != super::super::KeyType::Rsa {
            bad.extend([
                [&*zero, s].concat(),
                [r, &*zero].concat(),
                [&*high, s].concat(),
                [r, &*high].concat(),
                der::ecdsa_signature(signature).unwrap(),
            ]);
        }
        lent.lender.1.borrow_mut().clear();
        for bad in bad {
            let verdict = lent.verify(&known.key, algorithm, MESSAGE, &bad);
            assert_eq!(verdict, Err(SignatureError::Malformed), "{algorithm} {bad:?}");
        }
        for other in Algorithm::ALL.into_iter().filter(|other| other.key_type() != algorithm.key_type()) {
            let verdict = lent.verify(&known.key, other, MESSAGE, signature);
            assert_eq!(verdict, Err(SignatureError::KeyMismatch), "{other} by a key of {algorithm}");
        }
        assert!(lent.lender.1.borrow().is_empty(), "{algorithm}: the host was asked");
    }
}

#[test]
fn a_host_that_fails_later_is_not_asked_again() {
    let fails = Cell::new(false);
    let host = fake(|q: &Question<'_>| if fails.get() { Err(NoAnswer) } else { honest(q) });
    let lent = Lent::examine(host, &LENT);
    let known = known_answer(Algorithm::Es256).unwrap().unwrap();
    let verify = |message: &[u8]| lent.verify(&known.key, Algorithm::Es256, message, &known.signature);
    fails.set(true);
    assert_eq!(verify(MESSAGE), Ok(()));
    assert_eq!((lent.take_failures(), lent.take_failures()), (1, 0));
    fails.set(false);
    lent.lender.1.borrow_mut().clear();
    assert_eq!((verify(MESSAGE), verify(b"forged")), (Ok(()), Err(SignatureError::Mismatch)));
    assert!(lent.lender.1.borrow().is_empty());
    assert!(!lent.by_host(Algorithm::Es256));
    assert!(lent.by_host(Algorithm::Es384), "the others are not affected");
    assert_eq!(lent.take_failures(), 0);
}

/// Words that were not those for a mismatch, as of a host that can't use this key: the verdict is ours, and the host keeps its trust.
#[test]
fn what_is_no_verdict_on_the_signature_is_not_believed() {
    let later = Cell::new(false);
    let host = fake(|q: &Question<'_>| match later.get() {
        true => Ok(Answer::Bad("this key is too new for me".into())),
        false => honest(q),
    });
    let lent = Lent::examine(host, &LENT);
    later.set(true);
    for algorithm in LENT {
        let known = known_answer(algorithm).unwrap().unwrap();
        assert_eq!(lent.verify(&known.key, algorithm, MESSAGE, &known.signature), Ok(()));
        let forged = lent.verify(&known.key, algorithm, b"forged", &known.signature);
        assert_eq!(forged, Err(SignatureError::Mismatch));
        assert_eq!(lent.take_failures(), 2);
        assert!(lent.by_host(algorithm));
    }
}
