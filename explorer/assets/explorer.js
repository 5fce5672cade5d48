/* What Dash cannot do by itself: gestures on the picture, the theme, keys, focus, copying. Plain script, no library. */
(function () {
  "use strict";
  const READABLE = 0.5, PAUSE = 250, ROWS = 12, GAP = 22;
  let typing = 0, cy = null, lastFocus = "", openMenu = "", asked = 0, theme = "", moved = false;

  window.dash_clientside = Object.assign({}, window.dash_clientside, {
    lineage: { dress: (name, sheets) => sheets[name] || sheets.light },
  });

  const byId = (id) => document.getElementById(id);
  const set = (id, props) => window.dash_clientside.set_props(id, props);
  const ask = (verb, value) => set("gesture", { data: { do: verb, value: value, n: ++asked } });
  const say = (words) => { byId("said").textContent = words; };

  /* The picture. */
  function meetPicture() {
    const found = byId("graph");
    const now = found && found._cyreg && found._cyreg.cy;
    if (!now || now === cy) return;
    cy = now;
    window.lineageGraph = cy;
    // Not "tap": it would open the panel, and move the picture, between the two clicks of a double-click.
    cy.on("onetap", "node", (event) => ask("select", event.target.id()));
    cy.on("dbltap", "node", (event) => {
      const name = event.target.data("qn");
      if (name) ask("centre", name);
    });
    cy.on("layoutstop", () => { moved = false; wrap(); show(); });
    cy.on("add remove", () => byId("canvas").removeAttribute("data-drawn"));
    cy.on("dragpan scrollzoom pinchzoom", () => { moved = true; });
    new ResizeObserver(() => { cy.resize(); if (!moved) show(); }).observe(byId("canvas"));
    show();
  }

  /* A layer of many nodes is an unreadable column: it becomes several, side by side. */
  function wrap() {
    const layers = new Map();
    cy.nodes().forEach((node) => {
      const at = Math.round(node.position("x"));
      layers.set(at, [...(layers.get(at) || []), node]);
    });
    const order = [...layers.keys()].sort((one, other) => one - other);
    if (!order.some((at) => layers.get(at).length > ROWS)) return;
    const wide = cy.nodes()[0].outerWidth() + GAP, high = cy.nodes()[0].outerHeight() + GAP;
    const place = new Map(cy.nodes().map((node, index) => [node.id(), index]));
    let left = 0;
    cy.batch(() => {
      for (const at of order) {
        const nodes = layers.get(at), columns = Math.ceil(nodes.length / ROWS), rows = Math.ceil(nodes.length / columns);
        nodes.sort((one, other) => place.get(one.id()) - place.get(other.id())).forEach((node, index) => node.position({
          x: left + Math.floor(index / rows) * wide, y: (index % rows - (rows - 1) / 2) * high,
        }));
        left += columns * wide + 2 * GAP;
      }
    });
  }

  function show() {
    if (!cy || !cy.elements().nonempty()) return;
    cy.fit(undefined, 24);
    mark();
    if (cy.zoom() > 1.15) { cy.zoom(1.15); cy.center(); }
    if (cy.zoom() < READABLE) {  // better a part that can be read than a whole that cannot
      const chosen = cy.nodes(":selected");
      cy.zoom(READABLE + 0.2);
      cy.center(chosen.nonempty() ? chosen : cy.nodes(".centre"));
    }
    byId("canvas").dataset.drawn = String(cy.elements().length);
  }

  function mark() {
    if (!cy) return;
    const wanted = new URLSearchParams(window.location.search).get("select") || "";
    cy.nodes(":selected").forEach((node) => { if (node.id() !== wanted) node.unselect(); });
    const node = wanted && cy.getElementById(wanted);
    if (node && node.nonempty() && !node.selected()) node.select();
  }

  const ZOOMS = {
    in: () => cy.zoom({ level: cy.zoom() * 1.25, renderedPosition: middle() }),
    out: () => cy.zoom({ level: cy.zoom() / 1.25, renderedPosition: middle() }),
    fit: () => cy.fit(undefined, 24),
  };
  const middle = () => ({ x: cy.width() / 2, y: cy.height() / 2 });

  /* The theme: what the system says, until a person chooses. */
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  function dress() {
    const name = window.localStorage.getItem("lineage-theme") || (dark.matches ? "dark" : "light");
    document.documentElement.dataset.theme = name;
    const toggle = byId("switch");
    if (!toggle || !byId("graph")) return;
    const words = name === "dark" ? "Light" : "Dark";
    if (toggle.textContent !== words) toggle.textContent = words;
    if (theme !== name) { theme = name; set("theme", { data: name }); }
  }
  dark.addEventListener("change", dress);
  dress();

  /* Clicks. */
  document.addEventListener("click", (event) => {
    const target = event.target.closest("button, a, summary");
    for (const open of document.querySelectorAll("details[open] > .menu")) {
      if (!open.parentElement.contains(event.target)) open.parentElement.open = false;
    }
    if (!event.target.closest(".searching")) close();
    if (!target) return;
    if (target.dataset.do) ask(target.dataset.do, target.dataset.value);
    if (target.dataset.export) set("taken", { data: { kind: target.dataset.export, n: ++asked } });
    if (target.dataset.zoom && cy) { moved = target.dataset.zoom !== "fit"; ZOOMS[target.dataset.zoom](); }
    if (target.id === "switch") {
      window.localStorage.setItem("lineage-theme", theme === "dark" ? "light" : "dark");
      dress();
    }
    if (target.dataset.copy) {
      navigator.clipboard.writeText(target.dataset.copy).then(
        () => { target.textContent = "Copied"; say("Copied"); },
        () => say("The browser does not allow copying"));
    }
    if (target.id === "skip") { event.preventDefault(); ask("tab", "list"); lastFocus = "panel-body"; }
    if (target.classList.contains("suggestion")) { close(); byId("search").blur(); }
  });

  function close() {
    const list = byId("suggestions");
    if (list) list.dataset.open = "no";
    const field = byId("search");
    if (field) field.setAttribute("aria-expanded", "false");
  }

  /* Keys. */
  const SUGGESTED = ".suggestions button", LISTED = "#nodes button.link";
  document.addEventListener("keydown", (event) => {
    const at = document.activeElement;
    const writing = at && /INPUT|TEXTAREA/.test(at.tagName);
    if (event.key === "/" && !writing) { event.preventDefault(); byId("search").focus(); }
    if (event.key === "Escape") escape(at);
    if (event.key === "Enter" && at && at.id === "search") {
      const first = document.querySelector(SUGGESTED);
      if (first) first.click();
    }
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step || !at) return;
    if (at.id === "search") walk(SUGGESTED, -1, step, event);
    if (at.matches(SUGGESTED)) walk(SUGGESTED, at, step, event);
    if (at.matches(LISTED)) walk(LISTED, at, step, event);
  });

  function walk(selector, from, step, event) {
    const all = [...document.querySelectorAll(selector)];
    const next = typeof from === "number" ? from + step : all.indexOf(from) + step;
    if (next < 0 && selector === SUGGESTED) byId("search").focus();
    else if (all[next]) all[next].focus();
    event.preventDefault();
  }

  function escape(at) {
    const menu = at && at.closest("details[open]");
    if (menu && menu.querySelector(".menu")) {
      menu.open = false;
      menu.querySelector("summary").focus();
    } else if (at && at.closest(".searching")) {
      close();
    } else if (at && at.closest("#panel")) {
      ask("tab", "");
    }
  }

  /* Focus: what had it may have been drawn again, or be gone. */
  document.addEventListener("focusin", (event) => {
    lastFocus = event.target.dataset.key || event.target.id || "";
    if (event.target.id === "search") open();
  });
  document.addEventListener("input", (event) => {
    if (event.target.id !== "search") return;
    open();
    clearTimeout(typing);
    typing = setTimeout(() => set("words", { data: event.target.value }), PAUSE);
  });

  /* The two days of the filter; the event comes when a day is complete. */
  document.addEventListener("change", (event) => {
    if (["since", "until"].includes(event.target.id)) ask(event.target.id, event.target.value);
  });

  function open() {
    byId("suggestions").dataset.open = "yes";
    byId("search").setAttribute("aria-expanded", "true");
  }

  function keepFocus() {
    if (document.activeElement !== document.body || !lastFocus) return;
    const again = document.querySelector(`[data-key="${CSS.escape(lastFocus)}"]`) || byId(lastFocus) || byId("panel-body");
    if (again) again.focus({ preventScroll: true });
  }

  /* A menu stays open while the row it is in is drawn again. */
  document.addEventListener("toggle", (event) => {
    if (event.target.querySelector(":scope > .menu") && event.target.isConnected) {
      openMenu = event.target.open ? event.target.id : openMenu === event.target.id ? "" : openMenu;
    }
  }, true);

  function settle() {
    const menu = openMenu && byId(openMenu);
    if (menu && !menu.open) menu.open = true;
    meetPicture();
    dress();
    keepFocus();
    mark();
    makeFields();
  }

  /* Fields that Dash has none of, or none that suits. */
  function makeFields() {
    const place = byId("search-slot");
    if (place && !place.firstChild) {
      place.append(field({
        id: "search", type: "text", role: "combobox", autocomplete: "off", spellcheck: "false",
        placeholder: "Search models, data, runs …   ( / )",
        "aria-controls": "suggestions", "aria-expanded": "false", "aria-autocomplete": "list",
      }));
    }
    for (const slot of document.querySelectorAll("[data-day]")) {
      if (!slot.firstChild) slot.append(field({ id: slot.dataset.day, type: "date" }));
      if (slot.firstChild !== document.activeElement) slot.firstChild.value = slot.dataset.given;
    }
  }

  function field(attributes) {
    const made = document.createElement("input");
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
    return made;
  }

  new MutationObserver(settle).observe(document.documentElement, { childList: true, subtree: true });
  window.addEventListener("popstate", () => requestAnimationFrame(mark));
})();
