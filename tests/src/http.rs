//! HTTP/1.1 messages on the wire. Nothing is normalised, joined or checked on the way: tests send what
//! no well-behaved client would.

use std::io::{self, BufRead, ErrorKind, Read, Write};

use anyhow::{Context, Result, bail};

/// The most that is read of a head or a body.
const LARGEST: usize = 16 * 1024 * 1024;

/// Header fields in the order of the wire; names keep their case, values are bytes.
pub type Fields = Vec<(String, Vec<u8>)>;

/// A request.
#[derive(Clone, Debug, Default)]
pub struct Request {
    /// The method.
    pub method: String,
    /// The request target, byte for byte.
    pub target: String,
    /// The header fields, `host` among them.
    pub headers: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// The trailer fields of a chunked body. They are read; to send them, write the chunks into the body.
    pub trailers: Fields,
}

impl Request {
    /// A request without headers or body.
    pub fn new(method: &str, target: &str) -> Self {
        Self { method: method.to_owned(), target: target.to_owned(), ..Self::default() }
    }

    /// `GET target`.
    pub fn get(target: &str) -> Self {
        Self::new("GET", target)
    }

    /// The same request with one more header field; an earlier one of that name stays.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The same request with a bearer token (RFC 6750 §2.1).
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// The same request with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// All values of a header, its name compared without regard to case.
    pub fn values(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }

    /// The request's path without its query.
    pub fn path(&self) -> &str {
        self.target.split('?').next().unwrap_or_default()
    }

    /// Writes the request; `host` and `content-length` are added where they are missing.
    pub fn write(&self, out: &mut impl Write, host: &str) -> io::Result<()> {
        let mut head = format!("{} {} HTTP/1.1\r\n", self.method, self.target).into_bytes();
        if self.values("host").is_empty() {
            push(&mut head, "host", host.as_bytes());
        }
        for (name, value) in &self.headers {
            push(&mut head, name, value);
        }
        let framed =
            !self.values("content-length").is_empty() || !self.values("transfer-encoding").is_empty();
        if !framed && (!self.body.is_empty() || self.method == "POST" || self.method == "PUT") {
            push(&mut head, "content-length", self.body.len().to_string().as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(&self.body);
        out.write_all(&head)?;
        out.flush()
    }

    /// Reads a request; none where the peer has closed the connection between two.
    pub fn read(from: &mut impl BufRead) -> Result<Option<Self>> {
        let Some((first, headers)) = read_head(from)? else { return Ok(None) };
        let mut words = first.split(' ');
        let (Some(method), Some(target)) = (words.next(), words.next()) else {
            bail!("malformed request line `{first}`");
        };
        let (body, trailers) = read_body(from, &headers, false)?;
        Ok(Some(Self { method: method.to_owned(), target: target.to_owned(), headers, body, trailers }))
    }
}

/// A response.
#[derive(Clone, Debug, Default)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// The header fields.
    pub headers: Fields,
    /// The body.
    pub body: Vec<u8>,
    /// The trailer fields of a chunked body. They are read, not sent.
    pub trailers: Fields,
}

impl Response {
    /// A response without headers or body.
    pub fn new(status: u16) -> Self {
        Self { status, ..Self::default() }
    }

    /// A JSON response.
    pub fn json(status: u16, value: &serde_json::Value) -> Self {
        let mut response = Self::new(status).header("content-type", "application/json");
        response.body = value.to_string().into_bytes();
        response
    }

    /// The same response with one more header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        self.headers.push((name.to_owned(), value.as_ref().to_vec()));
        self
    }

    /// The same response with a body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// All values of a header, its name compared without regard to case.
    pub fn values(&self, name: &str) -> Vec<String> {
        values(&self.headers, name)
    }

    /// The first value of a header.
    pub fn value(&self, name: &str) -> Option<String> {
        self.values(name).into_iter().next()
    }

    /// The body as text, for messages.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    pub fn parse(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("status {}, body `{}`", self.status, self.text()))
    }

    /// Writes the response with its length.
    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        let mut head = format!("HTTP/1.1 {} -\r\n", self.status).into_bytes();
        for (name, value) in &self.headers {
            push(&mut head, name, value);
        }
        if self.values("content-length").is_empty() {
            push(&mut head, "content-length", self.body.len().to_string().as_bytes());
        }
        head.extend_from_slice(b"\r\n");
        head.extend_from_slice(&self.body);
        out.write_all(&head)?;
        out.flush()
    }

    /// Reads the answer to a request of the given method; interim answers (1xx) are passed over.
    pub fn read(from: &mut impl BufRead, method: &str) -> Result<Self> {
        loop {
            let (first, headers) = read_head(from)?.context("the connection was closed without an answer")?;
            let status = first.split(' ').nth(1).and_then(|code| code.parse::<u16>().ok());
            let status = status.with_context(|| format!("malformed status line `{first}`"))?;
            if status < 200 {
                continue;
            }
            let bodiless = method == "HEAD" || status == 204 || status == 304;
            let (body, trailers) =
                if bodiless { Default::default() } else { read_body(from, &headers, true)? };
            return Ok(Self { status, headers, body, trailers });
        }
    }
}

fn values(headers: &Fields, name: &str) -> Vec<String> {
    let found = headers.iter().filter(|(other, _)| other.eq_ignore_ascii_case(name));
    found.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
}

fn push(head: &mut Vec<u8>, name: &str, value: &[u8]) {
    head.extend_from_slice(name.as_bytes());
    head.extend_from_slice(b": ");
    head.extend_from_slice(value);
    head.extend_from_slice(b"\r\n");
}

/// The first line and the header fields.
fn read_head(from: &mut impl BufRead) -> Result<Option<(String, Fields)>> {
    let first = match read_line(from) {
        Ok(Some(line)) => line,
        Ok(None) => return Ok(None),
        Err(error) if matches!(error.kind(), ErrorKind::ConnectionReset | ErrorKind::UnexpectedEof) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    Ok(Some((String::from_utf8_lossy(&first).into_owned(), read_fields(from)?)))
}

/// Fields up to the empty line that ends them.
fn read_fields(from: &mut impl BufRead) -> Result<Fields> {
    let mut headers = Fields::new();
    loop {
        let line = read_line(from)?.context("the connection was closed within a head")?;
        if line.is_empty() {
            return Ok(headers);
        }
        let colon = line.iter().position(|byte| *byte == b':').context("a header line without a colon")?;
        let (name, value) = line.split_at(colon);
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        headers.push((String::from_utf8_lossy(name).into_owned(), value.to_vec()));
    }
}

fn read_line(from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
    let mut line = Vec::new();
    from.by_ref().take(LARGEST as u64).read_until(b'\n', &mut line)?;
    if line.is_empty() {
        return Ok(None);
    }
    while matches!(line.last(), Some(b'\r' | b'\n')) {
        line.pop();
    }
    Ok(Some(line))
}

/// The body by its framing, and trailers; `until_close` where one without framing lasts as long as the connection.
fn read_body(from: &mut impl BufRead, headers: &Fields, until_close: bool) -> Result<(Vec<u8>, Fields)> {
    let mut body = Vec::new();
    if values(headers, "transfer-encoding").iter().any(|value| value.eq_ignore_ascii_case("chunked")) {
        loop {
            let line = read_line(from)?.context("the connection was closed within a chunked body")?;
            let line = String::from_utf8_lossy(&line).into_owned();
            let digits = line.split(';').next().unwrap_or_default().trim();
            let size = usize::from_str_radix(digits, 16).with_context(|| format!("chunk size `{line}`"))?;
            if size == 0 {
                return Ok((body, read_fields(from)?));
            }
            read_exactly(from, size, &mut body)?;
            read_line(from)?;
        }
    }
    match values(headers, "content-length").first() {
        Some(length) => {
            let size = length.parse().with_context(|| format!("content length `{length}`"))?;
            read_exactly(from, size, &mut body)?;
        }
        None if until_close => {
            from.by_ref().take(LARGEST as u64).read_to_end(&mut body)?;
        }
        None => {}
    }
    Ok((body, Fields::new()))
}

fn read_exactly(from: &mut impl BufRead, size: usize, into: &mut Vec<u8>) -> Result<()> {
    if size > LARGEST {
        bail!("a body of {size} bytes, which is more than {LARGEST}");
    }
    let start = into.len();
    into.resize(start + size, 0);
    if let Some(rest) = into.get_mut(start..) {
        from.read_exact(rest).context("the connection was closed within a body")?;
    }
    Ok(())
}
