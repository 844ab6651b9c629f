"use strict";
// Every text comes from requests: it goes into the page as text, never as markup.
(() => {
  const KEPT = 500;
  const $ = (id) => document.getElementById(id);
  const make = (tag, attributes, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (name === "on") {
        for (const [event, handler] of Object.entries(value)) element.addEventListener(event, handler);
      } else if (value !== null && value !== undefined && value !== false) {
        element.setAttribute(name, value === true ? "" : value);
      }
    }
    for (const child of children.flat()) {
      if (child !== null && child !== undefined) element.append(child);
    }
    return element;
  };

  const state = { decisions: [], waiting: [], paused: false, show: "all", words: [], chosen: null };

  const kind = (d) => (["allow", "deny"].includes(d.kind) ? d.kind : "other");
  const duration = (micros) => (micros >= 10000 ? `${(micros / 1000).toFixed(0)} ms` : micros >= 1000 ? `${(micros / 1000).toFixed(1)} ms` : `${micros} µs`);
  const why = (d) => (d.reason ? [d.layer, d.reason].filter(Boolean).join(" · ") : d.outcome);

  // What the filter box looks through.
  const text = (d) =>
    [d.method, d.path, d.decision, d.layer, d.reason, d.status, d.principal, d.route, d.workload, d.outcome, ...(d.policies || [])]
      .filter((part) => part !== null && part !== undefined).join(" ").toLowerCase();
  const matches = (d) =>
    (state.show === "all" || state.show === kind(d)) &&
    state.words.every((word) => (word.startsWith("-") && word.length > 1 ? !text(d).includes(word.slice(1)) : text(d).includes(word)));

  const bars = (times) => {
    const parts = ["guest", "host", "held", "upstream"].map((name) => [name, times[name]]);
    const whole = Math.max(times.total, parts.reduce((sum, [, value]) => sum + value, 0), 1);
    const bar = make("div", { class: "bars" });
    for (const [name, value] of parts) {
      const span = make("span", { class: name, title: `${name} ${duration(value)}` });
      span.style.width = `${(100 * value) / whole}%`;
      bar.append(span);
    }
    return bar;
  };

  const row = (d) => {
    const open = () => choose(d.id);
    const line = make("tr", { tabindex: 0, "data-id": d.id, on: { click: open, keydown: (event) => { if (event.key === "Enter") open(); } } },
      make("td", {}, d.time.slice(11, 23)),
      make("td", {}, make("span", { class: `pill ${kind(d)}` }, `${d.decision} ${d.status || ""}`.trim()),
        d.replay_of ? make("div", { class: "mark" }, `replay of ${d.replay_of}`) : null),
      make("td", { class: "request" }, `${d.method} ${d.path}`, d.route ? make("div", { class: "small" }, d.route) : null),
      make("td", {}, d.principal || "–", d.workload ? make("div", { class: "small" }, d.workload) : null),
      make("td", {}, why(d), d.policies && d.policies.length ? make("div", { class: "small" }, d.policies.join(", ")) : null),
      make("td", {}, duration(d.times.total), bars(d.times)));
    if (d.id === state.chosen) line.classList.add("chosen");
    return line;
  };

  const counts = () => {
    const count = (which) => state.decisions.filter((d) => kind(d) === which).length;
    $("count-all").textContent = state.decisions.length;
    for (const which of ["allow", "deny", "other"]) $(`count-${which}`).textContent = count(which);
    $("empty").hidden = state.decisions.length > 0;
    $("pause").textContent = state.paused ? `go on (${state.waiting.length} new)` : "pause";
  };

  const draw = () => {
    $("rows").replaceChildren(...state.decisions.filter(matches).map(row));
    counts();
  };

  const add = (d) => {
    if (state.paused) {
      state.waiting.unshift(d);
      state.waiting.length = Math.min(state.waiting.length, KEPT);
      counts();
      return;
    }
    if (state.decisions.some((known) => known.id === d.id)) return;
    state.decisions.unshift(d);
    if (state.decisions.length > KEPT) {
      const dropped = state.decisions.pop();
      const line = $("rows").querySelector(`tr[data-id="${Number(dropped.id)}"]`);
      if (line) line.remove();
    }
    if (matches(d)) $("rows").prepend(row(d));
    counts();
  };

  const pairs = (list, marks) => make("table", { class: "heads" }, make("tbody", {}, list.map((header) =>
    make("tr", { class: marks ? marks(header) : "" }, make("td", {}, header.name),
      make("td", { class: header.secret ? "secret" : "" }, header.value)))));

  const section = (title, ...content) => [make("h3", {}, title), ...content];

  const summary = (d) => make("div", {},
    make("div", {}, make("span", { class: `pill ${kind(d)}` }, `${d.decision} ${d.status || ""}`.trim())),
    make("div", {}, why(d)),
    d.title ? make("div", { class: "small" }, d.title) : null,
    make("div", { class: "small" }, d.principal || "no principal"),
    d.policies && d.policies.length ? make("div", { class: "small" }, d.policies.join(", ")) : null,
    make("div", { class: "small" }, `guest ${duration(d.times.guest)}, host ${duration(d.times.host)}`));

  const replayForm = (detail) => {
    const d = detail.decision;
    const result = make("div", { id: "result", role: "status" });
    const method = make("input", { class: "name", id: "replay-method", "aria-label": "method", value: d.method, spellcheck: "false" });
    const path = make("input", { class: "value", id: "replay-path", "aria-label": "path", value: detail.replay_path, spellcheck: "false" });
    const peer = make("input", { class: "value", id: "replay-peer", "aria-label": "peer", value: detail.peer || "", placeholder: "no client certificate", spellcheck: "false" });
    const headers = make("div", { id: "replay-headers" });
    const line = (name, value, kept) => {
      const box = make("div", { class: "row" },
        make("input", { class: "name", "aria-label": "header name", value: name, spellcheck: "false" }),
        make("input", { class: "value", "aria-label": `value of ${name || "the header"}`, value: kept === null ? value : "", spellcheck: "false",
          placeholder: kept === null ? "" : "kept on the server; type to replace it" }),
        make("button", { type: "button", title: "leave it out", "aria-label": "remove header", on: { click: () => box.remove() } }, "×"));
      box.kept = kept;
      return box;
    };
    for (const header of detail.request_headers) {
      if (!header.name.startsWith(":")) headers.append(line(header.name, header.value, header.secret ? header.index : null));
    }
    const send = async (event) => {
      event.preventDefault();
      result.replaceChildren("…");
      const list = [...headers.children].map((box) => {
        const [name, value] = box.querySelectorAll("input");
        return value.value === "" && box.kept !== null ? { name: name.value, kept: box.kept } : { name: name.value, value: value.value };
      });
      try {
        const answer = await fetch("replay", {
          method: "POST", headers: { "content-type": "application/json" },
          body: JSON.stringify({ id: d.id, method: method.value, path: path.value, peer: peer.value || null, headers: list }),
        });
        const body = await answer.json();
        if (!answer.ok) throw new Error(body.error || `status ${answer.status}`);
        result.replaceChildren(make("div", { class: "versus" },
          make("div", {}, make("h4", {}, `before (${d.id})`), summary(d)),
          make("div", { id: "replayed" }, make("h4", {}, `now (${body.decision.id})`), summary(body.decision))));
      } catch (error) {
        result.replaceChildren(make("p", { class: "pill deny" }, String(error.message || error)));
      }
    };
    return make("form", { id: "replay", on: { submit: send } },
      make("div", { class: "row" }, make("label", {}, "request"), method, path),
      make("div", { class: "row" }, make("label", {}, "peer"), peer),
      headers,
      detail.body && detail.body.bytes ? make("p", { class: "small", id: "replay-body" }, detail.body.kept === detail.body.bytes
        ? `Its body of ${detail.body.bytes} bytes goes with it.`
        : `Of its body of ${detail.body.bytes} bytes only the first ${detail.body.kept} are kept and go with it.`) : null,
      make("div", { class: "row" },
        make("button", { type: "submit", class: "main", disabled: !detail.replayable }, "send through the filter"),
        make("button", { type: "button", on: { click: () => headers.append(line("", "", null)) } }, "add a header")),
      make("p", { class: "small" }, detail.replayable
        ? "The filter decides anew; nothing goes to the upstream. Credentials that you leave alone are those of the request, kept on the server for a while."
        : "Its credentials are no longer kept, so that it can't be sent again."),
      result);
  };

  const show = (detail) => {
    const d = detail.decision;
    const before = new Map(detail.request_headers.map((header) => [`${header.name}\n${header.value}`, true]));
    const after = new Set((detail.upstream_headers || []).map((header) => header.name));
    const close = () => { state.chosen = null; $("detail").hidden = true; draw(); };
    const times = d.times;
    $("detail").replaceChildren(
      make("div", { class: "head" }, make("h2", { class: "mono" }, `${d.method} ${d.path}`),
        make("button", { type: "button", "aria-label": "close", on: { click: close } }, "×")),
      make("p", {}, make("span", { class: `pill ${kind(d)}` }, `${d.decision} ${d.status || ""}`.trim()), ` ${why(d)}`),
      d.title ? make("p", { class: "small" }, d.title) : "",
      bars(times),
      make("ul", { class: "legend" }, ["guest", "host", "held", "upstream"].map((name) =>
        make("li", {}, make("i", { class: name }), `${name} ${duration(times[name])}`)), make("li", {}, `total ${duration(times.total)}`),
        make("li", { class: "dim" }, `generation ${d.generation}, worker ${d.worker}`)),
      ...section("replay with a change", replayForm(detail)),
      ...(detail.audit ? section("audit record", pairs(Object.entries(detail.audit).filter(([name]) => name !== "countersign").map(([name, value]) =>
        ({ name, value: typeof value === "string" ? value : JSON.stringify(value) })))) : []),
      ...section("request", pairs(detail.request_headers, (header) => (detail.upstream_headers && !after.has(header.name) ? "removed" : ""))),
      ...(detail.upstream_headers ? section("upstream", pairs(detail.upstream_headers, (header) => (before.has(`${header.name}\n${header.value}`) ? "" : "added"))) : []),
      ...(detail.response_headers.length ? section("answer", pairs(detail.response_headers)) : []),
      ...(detail.reply ? [make("pre", {}, detail.reply)] : []),
      ...section("connection", pairs(detail.properties)),
      ...(detail.calls.length ? section("calls", make("pre", {}, detail.calls.join("\n"))) : []),
      ...(detail.logs.length ? section("log", make("pre", {}, detail.logs.join("\n"))) : []));
    $("detail").hidden = false;
    $("detail").scrollTop = 0;
  };

  const choose = async (id) => {
    state.chosen = id;
    for (const line of $("rows").children) line.classList.toggle("chosen", Number(line.dataset.id) === id);
    const answer = await fetch(`decisions/${Number(id)}`);
    if (answer.ok) show(await answer.json());
    else $("detail").replaceChildren(make("p", { class: "empty" }, "It is no longer kept."));
  };

  const metrics = async () => {
    const answer = await fetch("metrics");
    if (!answer.ok) return;
    const list = await answer.json();
    state.chosen = null;
    draw();
    $("detail").replaceChildren(
      make("div", { class: "head" }, make("h2", {}, "metrics"),
        make("button", { type: "button", "aria-label": "close", on: { click: () => { $("detail").hidden = true; } } }, "×")),
      list.length ? pairs(list) : make("p", { class: "empty" }, "The module has defined none."));
    $("detail").hidden = false;
  };

  const status = (told) => {
    $("address").textContent = told.address;
    $("upstream").textContent = told.upstream;
    $("digest").textContent = told.digest;
    $("generation").textContent = `${told.generation}, since ${told.since.slice(11, 19)}`;
    $("reload").hidden = !told.error;
    $("reload").textContent = told.error ? `The last good configuration stays: ${told.error}` : "";
  };

  const connect = () => {
    const events = new EventSource("events");
    const said = (text, look) => { $("connection").textContent = text; $("connection").className = `pill ${look}`; };
    events.addEventListener("open", () => said("live", "live"));
    events.addEventListener("error", () => said("connection lost", "lost"));
    events.addEventListener("decision", (event) => add(JSON.parse(event.data)));
    events.addEventListener("state", (event) => status(JSON.parse(event.data)));
    events.addEventListener("missed", (event) => said(`live, ${Number(event.data)} missed`, "wait"));
  };

  $("filter").addEventListener("input", (event) => {
    state.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    draw();
  });
  for (const button of document.querySelectorAll("[data-show]")) {
    button.addEventListener("click", () => {
      state.show = button.dataset.show;
      for (const other of document.querySelectorAll("[data-show]")) other.setAttribute("aria-pressed", String(other === button));
      draw();
    });
  }
  $("pause").addEventListener("click", () => {
    state.paused = !state.paused;
    $("pause").setAttribute("aria-pressed", String(state.paused));
    if (!state.paused) {
      const held = state.waiting.reverse();
      state.waiting = [];
      held.forEach(add);
    }
    counts();
  });
  $("metrics").addEventListener("click", metrics);
  $("clear").addEventListener("click", () => { state.decisions = []; draw(); });
  counts();
  connect();
})();
