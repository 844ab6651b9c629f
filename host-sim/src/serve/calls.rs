//! HTTP calls that the filter makes to clusters.

use std::rc::Rc;
use std::sync::Arc;

use http_body_util::{BodyExt, Limited};
use hyper::body::Bytes;

use super::body::Body;
use super::client::CallError;
use super::convert::{response_head, to_request, trailers_in, trailers_out};
use super::driver::Driver;
use super::generation::Setup;
use super::options::{Endpoint, Protocol};
use crate::outcome::HttpCall;
use crate::upstream::{OVERFLOW, REFUSED, RESET, TIMEOUT, made_up};
use crate::vm::Answer;

/// Where a cluster is, and what calls to it get on their way.
pub(super) struct Cluster {
    pub(super) endpoint: Endpoint,
    pub(super) headers: Vec<(String, String)>,
}

/// Makes a call and delivers its answer to the VM that made it: by generation and incarnation.
pub(super) async fn make(driver: Rc<Driver>, setup: Arc<Setup>, key: (u64, u32), mut call: HttpCall) {
    let Some(cluster) = setup.clusters.get(&call.cluster) else {
        // A cluster that is not there is refused before there is a call.
        return driver.answer(key, call.token, made_up(setup.plugin.profile, 503, REFUSED));
    };
    let Ok(_place) = driver.world.calls.try_acquire() else {
        return driver.answer(key, call.token, made_up(setup.plugin.profile, 503, OVERFLOW));
    };
    for (name, value) in &cluster.headers {
        call.headers.set(name.as_bytes(), value.as_bytes());
    }
    let (timeout, token) = (call.timeout, call.token);
    let limit = setup.plugin.limits.body_bytes;
    let sent = send(&driver, &cluster.endpoint, call, limit);
    let result = if timeout.is_zero() { Ok(sent.await) } else { tokio::time::timeout(timeout, sent).await };
    let answer = match result {
        Ok(Ok(answer)) => Some(answer),
        Ok(Err(CallError::Connect)) => made_up(setup.plugin.profile, 503, REFUSED),
        Ok(Err(CallError::Reset)) => made_up(setup.plugin.profile, 503, RESET),
        Ok(Err(CallError::Broken | CallError::Invalid)) => None,
        Ok(Err(CallError::Late)) | Err(_) => made_up(setup.plugin.profile, 504, TIMEOUT),
    };
    driver.answer(key, token, answer);
}

async fn send(
    driver: &Driver,
    endpoint: &Endpoint,
    call: HttpCall,
    limit: usize,
) -> Result<Answer, CallError> {
    let http2 = driver.client.speaks_http2(endpoint, Protocol::Agreed).await?;
    let request = to_request(&call.headers, &endpoint.address, http2).ok_or(CallError::Invalid)?;
    let trailers = (!call.trailers.is_empty()).then(|| trailers_out(&call.trailers));
    let request = request.map(|()| Body::Whole(Bytes::from(call.body), trailers));
    let (response, lease) = driver.client.send(endpoint, http2, request).await?;
    let headers = response_head(&response);
    let body = Limited::new(response.into_body(), limit).collect().await.map_err(|_| CallError::Broken)?;
    lease.keep();
    let trailers = body.trailers().map(trailers_in).unwrap_or_default();
    Ok(Answer { headers, body: body.to_bytes().to_vec(), trailers })
}
