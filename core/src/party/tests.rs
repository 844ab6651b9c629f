use super::*;
use alloc::vec;

fn at(millis: i64) -> Timestamp {
    Timestamp::from_secs(1_000).plus(Span::from_millis(millis))
}

fn settings() -> PartySettings {
    PartySettings {
        endpoint: Location::parse("https://issuer.example/introspect", "issuer").unwrap(),
        timeout: Span::from_millis(1_000),
        calls: 2,
        media_type: "application/json",
        refuses_by_400: false,
    }
}

fn answer(status: u16) -> Option<CallAnswer> {
    let headers = vec![((*b"content-type").into(), (*b"application/json; charset=utf-8").into())];
    Some(CallAnswer { status, headers, body: b"{}".to_vec() })
}

fn put(asked: &mut Party, token: &[u8], millis: i64) -> Result<Put, NotAsked> {
    asked.put(token, Standing::Known, || Form::new().with("token", token), &settings(), at(millis))
}

fn ask(asked: &mut Party, call: u64, millis: i64) -> Form {
    asked.next(CallId(call), at(millis)).unwrap().0
}

#[test]
fn one_question_for_each_token() {
    let mut asked = Party::new(7);
    let Ok(Put::New(first)) = put(&mut asked, b"a", 0) else { panic!() };
    assert_eq!(put(&mut asked, b"a", 1), Ok(Put::Joined(first)));
    assert!(matches!(put(&mut asked, b"b", 1), Ok(Put::New(other)) if other != first));
    assert_eq!(put(&mut asked, b"c", 1), Err(NotAsked::Busy));
    assert_eq!(put(&mut asked, b"a", 1), Ok(Put::Joined(first)), "joining takes no place");
    assert_eq!(ask(&mut asked, 1, 2).as_bytes(), b"token=a");
    assert_eq!(ask(&mut asked, 2, 2).as_bytes(), b"token=b");
    assert!(asked.next(CallId(3), at(3)).is_none());
    assert!(asked.awaits(CallId(1)) && !asked.awaits(CallId(3)));
    let Some((Heard::Settled(settled), false)) = asked.answered(CallId(1), answer(200), &settings(), at(9))
    else {
        panic!()
    };
    assert_eq!(
        (settled.id, &*settled.subject, settled.answer),
        (first, &b"a"[..], Ok(Said { ok: true, body: b"{}".to_vec() }))
    );
    assert!(asked.answered(CallId(1), answer(200), &settings(), at(9)).is_none(), "an answer counts once");
    assert!(matches!(put(&mut asked, b"c", 10), Ok(Put::New(_))), "its place is free again");
}

#[test]
fn a_failure_that_may_pass_is_tried_again_within_the_deadline() {
    let mut asked = Party::new(7);
    put(&mut asked, b"a", 0).unwrap();
    ask(&mut asked, 1, 0);
    assert!(matches!(
        asked.answered(CallId(1), answer(503), &settings(), at(10)),
        Some((Heard::Again(_), false))
    ));
    assert!(!asked.is_due(at(29)));
    assert!(asked.is_due(at(94)));
    let (_, left) = asked.next(CallId(2), at(94)).unwrap();
    assert_eq!(left, Span::from_millis(906), "the second try has what is left of the time");
    let Some((Heard::Settled(settled), _)) = asked.answered(CallId(2), None, &settings(), at(100)) else {
        panic!()
    };
    assert_eq!(settled.answer, Err("an answer"));

    put(&mut asked, b"a", 0).unwrap();
    ask(&mut asked, 3, 0);
    let late = asked.answered(CallId(3), None, &settings(), at(995));
    assert!(matches!(late, Some((Heard::Settled(_), _))), "no time is left for another");
}

#[test]
fn what_would_fail_again_is_not_asked_again() {
    for status in [204, 400, 401, 403, 404, 413, 429] {
        let mut asked = Party::new(7);
        put(&mut asked, b"a", 0).unwrap();
        ask(&mut asked, 1, 0);
        let expected = status == 204;
        let again = matches!(
            asked.answered(CallId(1), answer(status), &settings(), at(1)),
            Some((Heard::Again(_), _))
        );
        assert_eq!(again, expected, "{status}");
    }
    let mut asked = Party::new(7);
    put(&mut asked, b"a", 0).unwrap();
    ask(&mut asked, 1, 0);
    let page = Some(CallAnswer::new(200, *b"{\"active\":true}"));
    let Some((Heard::Settled(settled), _)) = asked.answered(CallId(1), page, &settings(), at(1)) else {
        panic!()
    };
    assert_eq!(settled.answer, Err("an answer of the media type that was asked for"));
}

#[test]
fn an_issuer_that_fails_is_left_alone_and_questions_that_it_dislikes_are_no_failure() {
    let mut asked = Party::new(7);
    let fail = |asked: &mut Party, status: u16, call: u64| {
        put(asked, b"a", 0).map(|_| {
            ask(asked, call, 0);
            asked.answered(CallId(call), answer(status), &settings(), at(1)).is_some_and(|(_, opened)| opened)
        })
    };
    for call in 0..20 {
        assert_eq!(fail(&mut asked, 400, call), Ok(false), "a client may choose what is asked");
    }
    for call in 20..25 {
        assert_eq!(fail(&mut asked, 401, call), Ok(call == 24));
    }
    assert_eq!(put(&mut asked, b"a", 900), Err(NotAsked::GivenUp));
    // One probe, whose dislike frees the place for the next, and whose success closes the breaker.
    assert!(put(&mut asked, b"a", 2_000).is_ok());
    assert_eq!(put(&mut asked, b"b", 2_000), Err(NotAsked::GivenUp));
    ask(&mut asked, 30, 2_000);
    assert!(asked.answered(CallId(30), answer(400), &settings(), at(2_001)).is_some());
    assert!(put(&mut asked, b"b", 2_001).is_ok());
    ask(&mut asked, 31, 2_001);
    assert!(asked.answered(CallId(31), answer(200), &settings(), at(2_002)).is_some());
    assert_eq!(put(&mut asked, b"a", 2_002), Err(NotAsked::GivenUp), "not before the answer was read");
    assert!(!asked.judged(Verdict::Good, at(2_002)));
    assert!(put(&mut asked, b"a", 2_002).is_ok());
    assert!(put(&mut asked, b"b", 2_002).is_ok());
}

#[test]
fn what_is_never_answered_ends_by_its_deadline_even_if_the_clock_is_set_back() {
    let mut asked = Party::new(7);
    put(&mut asked, b"a", 0).unwrap();
    ask(&mut asked, 1, 0);
    assert!(asked.overdue(at(999)).is_none());
    assert_eq!(asked.next_wakeup(), Some(at(1_000)));
    asked.set_back(Span::from_millis(600));
    let (settled, _) = asked.overdue(at(400)).unwrap();
    assert_eq!(settled.answer, Err("an answer in time"));
    assert_eq!(asked.next_wakeup(), None);
    assert!(!asked.awaits(CallId(1)), "what comes now is late");
}

#[test]
fn a_refusal_is_heard_where_refusals_come_by_400() {
    let mut asked = Party::new(7);
    put(&mut asked, b"a", 0).unwrap();
    ask(&mut asked, 1, 0);
    let settings = PartySettings { refuses_by_400: true, ..settings() };
    let heard = asked.answered(CallId(1), answer(400), &settings, at(1));
    let Some((Heard::Settled(settled), false)) = heard else { panic!() };
    assert_eq!(settled.answer, Ok(Said { ok: false, body: b"{}".to_vec() }));
}

#[test]
fn what_is_made_up_leaves_a_quarter_of_the_places_to_what_is_known() {
    for (calls, made_up) in [(1, 1), (2, 1), (3, 2), (4, 3), (64, 48)] {
        let settings = PartySettings { calls, ..settings() };
        let mut asked = Party::new(7);
        let mut put = |token: usize, standing| {
            asked.put(&token.to_le_bytes(), standing, Form::new, &settings, at(0)).is_ok()
        };
        assert_eq!((0..100).filter(|token| put(*token, Standing::MadeUp)).count(), made_up, "{calls}");
        assert_eq!(
            (100..200).filter(|token| put(*token, Standing::Known)).count(),
            calls - made_up,
            "{calls}"
        );
    }
}

#[test]
fn being_asked_too_often_keeps_only_what_is_made_up_from_it() {
    let mut asked = Party::new(7);
    let put = |asked: &mut Party, token: &[u8], standing, millis| {
        asked.put(token, standing, Form::new, &settings(), at(millis))
    };
    for turn in 1..=5 {
        put(&mut asked, b"a", Standing::MadeUp, 0).unwrap();
        ask(&mut asked, turn, 0);
        let Some((Heard::Settled(_), opened)) = asked.answered(CallId(turn), answer(429), &settings(), at(0))
        else {
            panic!()
        };
        assert_eq!(opened, turn == 5);
    }
    assert_eq!(put(&mut asked, b"a", Standing::MadeUp, 1), Err(NotAsked::GivenUp));
    assert!(put(&mut asked, b"b", Standing::Known, 1).is_ok());
    ask(&mut asked, 6, 1);
    asked.answered(CallId(6), answer(200), &settings(), at(2));
    asked.judged(Verdict::Good, at(2));
    assert!(put(&mut asked, b"a", Standing::MadeUp, 3).is_ok(), "it answers again");
    // A party that fails is left alone by all.
    let mut asked = Party::new(7);
    for turn in 1..=5 {
        put(&mut asked, b"a", Standing::Known, 0).unwrap();
        ask(&mut asked, turn, 0);
        asked.answered(CallId(turn), answer(401), &settings(), at(0));
    }
    assert_eq!(put(&mut asked, b"b", Standing::Known, 1), Err(NotAsked::GivenUp));
}
