//! One exchange: the request through the filter and upstream, the response back through the filter.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use http::{Method, StatusCode, Version};
use hyper::body::{Body as _, Incoming};

use super::body::{Body, Broken};
use super::client::{CallError, Lease};
use super::connection::Gate;
use super::convert::{content_length, request_head, response_head, to_request, to_response, trailers_out};
use super::driver::Driver;
use super::handle::{Handle, Next, Side};
use super::observe::Ended;
use super::pump::{RequestBody, ResponseBody, Taken};
use crate::header_map::HeaderMap;
use crate::outcome::Request;
use crate::property::Properties;
use crate::upstream::{REFUSED, RESET, TIMEOUT};

/// What the requests of one connection have in common.
pub(super) struct Link {
    pub(super) scheme: &'static str,
    pub(super) properties: Properties,
    pub(super) driver: Rc<Driver>,
    pub(super) gate: Arc<Gate>,
}

/// What goes back to the client.
type Reply = http::Response<Body>;

/// The same, unless the filter closed the stream: then the connection, or the stream of HTTP/2, ends without an answer.
type Answer = Result<Reply, Broken>;

/// Ends the stream, however the exchange ends.
pub(super) struct Closing(pub(super) Rc<Handle>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

/// Answers a request.
pub(super) async fn exchange(request: http::Request<Incoming>, link: Rc<Link>) -> Answer {
    let gate = &link.gate;
    if request.method() == Method::CONNECT {
        return Ok(plain(StatusCode::NOT_IMPLEMENTED));
    }
    let head = match request_head(&request, link.scheme) {
        Ok(head) => head,
        Err(status) => return Ok(plain(status)),
    };
    // The HTTP library counts those of HTTP/1.1 alone.
    if request.headers().len() > gate.limits.headers {
        return Ok(plain(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE));
    }
    let is_head = request.method() == Method::HEAD;
    let mut properties = link.properties.clone();
    properties
        .set("request.protocol", if request.version() == Version::HTTP_2 { "HTTP/2" } else { "HTTP/1.1" });
    let body = request.into_body();
    let declared = body.size_hint().exact();
    if declared.is_some_and(|length| length > gate.limits.body_bytes) {
        return Ok(plain(StatusCode::PAYLOAD_TOO_LARGE));
    }
    let opened =
        Request { headers: head, properties, unfinished: !body.is_end_stream(), ..Request::default() };
    let Some(handle) = link.driver.open(&opened, false) else {
        return Ok(plain(StatusCode::SERVICE_UNAVAILABLE));
    };
    let handle = Rc::new(handle);
    let closing = Closing(Rc::clone(&handle));

    let mut body = RequestBody::new(Rc::clone(&handle), body, &gate.limits);
    let next = loop {
        match handle.request() {
            Next::Wait => handle.moved().await,
            Next::More => match body.feed().await {
                Taken::Fed => {}
                failed => return Ok(refused(&handle, failed)),
            },
            next => break next,
        }
    };
    if next != Next::Pass {
        return instead(&handle, next, is_head);
    }
    match send(&handle, gate, body, declared).await {
        Sent::Response(response, lease) => respond(closing, *response, lease, gate, is_head).await,
        Sent::Failed(status, text) => failed(closing, status, text, is_head).await,
        Sent::Refused(taken) => Ok(refused(&handle, taken)),
        Sent::Instead => {
            while handle.request() == Next::Wait {
                handle.moved().await;
            }
            instead(&handle, handle.request(), is_head)
        }
    }
}

enum Sent {
    Response(Box<http::Response<Incoming>>, Lease),
    /// The gateway answers for the upstream.
    Failed(u16, &'static str),
    /// The client has failed its request on the way.
    Refused(Taken),
    /// The filter did something else meanwhile.
    Instead,
}

/// Sends the request upstream, its body as it comes.
async fn send(handle: &Rc<Handle>, gate: &Gate, body: RequestBody, declared: Option<u64>) -> Sent {
    let head = handle.head(Side::Request);
    let failure = body.failure();
    let body = body.into_body(declared.filter(|_| !handle.sees_body(Side::Request)));
    let began = Instant::now();
    let sending = async {
        let client = handle.client();
        let http2 = client.speaks_http2(&gate.upstream, gate.protocol).await?;
        let request = to_request(&head, &gate.upstream.address, http2).ok_or(CallError::Invalid)?;
        client.send(&gate.upstream, http2, request.map(|()| body)).await
    };
    let mut sending = std::pin::pin!(sending);
    let sent = loop {
        let deadline = handle.progress().max(began) + gate.timeout;
        tokio::select! {
            sent = sending.as_mut() => break Some(sent),
            () = handle.settled() => break None,
            () = tokio::time::sleep_until(deadline.into()) => {
                // A body that still comes in keeps the request alive.
                if handle.progress().max(began) + gate.timeout <= Instant::now() {
                    break Some(Err(CallError::Late));
                }
            }
        }
    };
    if handle.is_watched() {
        let forwarded = !matches!(sent, Some(Err(CallError::Invalid)));
        handle.note(|trace| {
            trace.exchange.times.upstream = began.elapsed();
            trace.exchange.forwarded = forwarded.then(|| head.clone());
        });
    }
    if let (None | Some(Err(_)), Some(failed)) = (&sent, failure.get())
        && handle.request() == Next::Pass
    {
        return Sent::Refused(failed);
    }
    match sent {
        Some(Ok((response, lease))) => Sent::Response(Box::new(response), lease),
        Some(Err(CallError::Late)) => Sent::Failed(504, TIMEOUT),
        Some(Err(CallError::Invalid)) => Sent::Failed(502, "the filter made a request that is no HTTP"),
        _ if handle.request() != Next::Pass => Sent::Instead,
        Some(Err(CallError::Connect)) => Sent::Failed(503, REFUSED),
        Some(Err(CallError::Reset)) => Sent::Failed(503, RESET),
        Some(Err(CallError::Broken)) | None => Sent::Failed(502, "upstream response was cut short"),
    }
}

/// Passes a response through the filter, its body as it comes.
async fn respond(
    closing: Closing,
    response: http::Response<Incoming>,
    lease: Lease,
    gate: &Gate,
    is_head: bool,
) -> Answer {
    let handle = Rc::clone(&closing.0);
    let head = response_head(&response);
    let body = response.into_body();
    let declared = content_length(&head);
    if !is_head && declared.is_some_and(|length| length > gate.limits.body_bytes) {
        return failed(closing, 502, "upstream response is too large", is_head).await;
    }
    let status = head.text(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
    handle.respond(head, body.is_end_stream());
    let mut body = ResponseBody::new(closing, body, lease, &gate.limits);
    loop {
        match handle.response() {
            Next::Wait => handle.moved().await,
            Next::More => {
                if !matches!(body.feed().await, Taken::Fed) {
                    let why = "upstream response was cut short or is too large";
                    return Ok(gateway(&handle, StatusCode::BAD_GATEWAY, why));
                }
            }
            Next::Pass => break,
            next => return instead(&handle, next, is_head),
        }
    }
    let head = handle.head(Side::Response);
    if handle.is_watched() {
        handle.note(|trace| trace.answered(Ended::Forwarded(status), &head, &[]));
    }
    let with_length = is_head || declared.is_some() && !handle.sees_body(Side::Response);
    let Some(response) = to_response(&head, with_length) else {
        // A filter that makes up headers which HTTP does not allow fails its own request.
        return Ok(plain(StatusCode::INTERNAL_SERVER_ERROR));
    };
    let body = if is_head { Body::empty() } else { body.into_body(declared.filter(|_| with_length)) };
    Ok(response.map(|()| body))
}

/// Passes the gateway's own word on the upstream through the filter.
async fn failed(closing: Closing, status: u16, text: &'static str, is_head: bool) -> Answer {
    let handle = &closing.0;
    let head = HeaderMap::from_pairs([
        (":status", status.to_string().as_str()),
        ("content-length", text.len().to_string().as_str()),
        ("content-type", "text/plain"),
    ]);
    handle.respond(head, false);
    handle.response_body(text.as_bytes().to_vec(), true);
    settle_response(handle).await;
    match handle.response() {
        Next::Pass => {
            let (head, body) = (handle.head(Side::Response), handle.passed(Side::Response));
            handle.note(|trace| trace.answered(Ended::Gateway(status, text), &head, &body));
            Ok(whole(&head, if is_head { Vec::new() } else { body }, &HeaderMap::new(), is_head))
        }
        next => instead(handle, next, is_head),
    }
}

/// What the client gets in a response's place.
fn instead(handle: &Handle, next: Next, is_head: bool) -> Answer {
    match next {
        Next::Reply => {
            let (head, body) = (handle.head(Side::Response), handle.passed(Side::Response));
            let status = head.text(":status").and_then(|status| status.parse().ok()).unwrap_or(0);
            handle.note(|trace| trace.answered(Ended::Replied(status), &head, &body));
            let trailers = handle.finished(Side::Response).unwrap_or_default();
            Ok(whole(&head, body, &trailers, is_head))
        }
        Next::Reset => {
            handle.note(|trace| trace.exchange.ended = Ended::Reset);
            Err(Broken::Filter)
        }
        _ => {
            handle.note(|trace| trace.exchange.ended = Ended::Failed);
            Ok(plain(StatusCode::SERVICE_UNAVAILABLE))
        }
    }
}

fn whole(head: &HeaderMap, body: Vec<u8>, trailers: &HeaderMap, is_head: bool) -> Reply {
    let trailers = (!trailers.is_empty()).then(|| trailers_out(trailers));
    let body = if is_head { Body::empty() } else { Body::Whole(body.into(), trailers) };
    to_response(head, is_head)
        .map_or_else(|| plain(StatusCode::INTERNAL_SERVER_ERROR), |reply| reply.map(|()| body))
}

/// Waits until the filter has let go of a response that is whole.
async fn settle_response(handle: &Handle) {
    loop {
        let held = match handle.response() {
            Next::Wait | Next::More => true,
            Next::Pass => handle.held_bytes(Side::Response) > 0,
            Next::Reply | Next::Reset | Next::Failed => false,
        };
        if !held {
            return;
        }
        handle.moved().await;
    }
}

/// The gateway's answer to a client that has failed its own request.
fn refused(handle: &Handle, failed: Taken) -> Reply {
    match failed {
        Taken::TooLarge => gateway(handle, StatusCode::PAYLOAD_TOO_LARGE, "the request is too large"),
        Taken::Idle => gateway(handle, StatusCode::REQUEST_TIMEOUT, "the request stood still"),
        Taken::Broken | Taken::Fed => gateway(handle, StatusCode::BAD_REQUEST, "the request broke off"),
    }
}

/// The gateway's own answer, which the filter has no part in.
fn gateway(handle: &Handle, status: StatusCode, why: &'static str) -> Reply {
    let head = HeaderMap::from_pairs([(":status", status.as_str())]);
    handle.note(|trace| trace.answered(Ended::Gateway(status.as_u16(), why), &head, &[]));
    plain(status)
}

fn plain(status: StatusCode) -> Reply {
    let mut response = http::Response::new(Body::empty());
    *response.status_mut() = status;
    response
}
