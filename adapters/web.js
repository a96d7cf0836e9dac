// What the browser itself must do: choosing a name, gathering photos, keeping the scroll position.
"use strict";
const shoebox = (() => {
  const MAX_BYTES = 64 * 1024 * 1024;
  const AT_ONCE = 2;
  const $ = (id) => document.getElementById(id);
  const make = (tag, className, text) => {
    const element = document.createElement(tag);
    if (className) element.className = className;
    if (text) element.textContent = text;
    return element;
  };
  /** A text in the page's language, with its {values} in it. */
  const say = (text, values = {}) => {
    const said = JSON.parse($("words")?.textContent || "{}")[text] || text;
    return said.replace(/\{(\w+)\}/g, (_, name) => values[name]);
  };
  let me = null; // {group, name}
  let staged = []; // {file, tile, token, done, failed, upload}
  let answering = null; // the message that is replied to
  let running = 0;
  let sticking = true; // whether the newest message stays in view
  let anchor = null; // {element, top}: what must not move while messages come and go above it

  // The door ----------------------------------------------------------------------------------

  function door(form) {
    const params = new URLSearchParams(location.search);
    $("name").value = sessionStorage.getItem("shoebox.name") || "";
    const choices = document.querySelector(".choices");
    $("groups").append(choices);
    const group = params.get("group") || choices.dataset.newest;
    if (group) $("group").value = group;
    document.addEventListener("click", (event) => {
      const choice = event.target.closest(".choice");
      if (choice) $("group").value = choice.dataset.group;
    });
    form.addEventListener("submit", (event) => {
      event.preventDefault();
      const name = $("name").value.trim().replace(/\s+/g, " ");
      const group = $("group").value.trim().replace(/\s+/g, " ");
      if (!name || !group) return;
      sessionStorage.setItem("shoebox.name", name);
      location.href = "/g/" + encodeURIComponent(group) + location.hash;
    });
    $("name").focus();
  }

  // The room ----------------------------------------------------------------------------------

  const scroller = () => document.querySelector(".scroll");
  const target = () => Number((location.hash.match(/^#m(\d{1,15})$/) || [])[1]) || null;

  /** Who sits here. The name lives in this tab alone: two windows are two people. */
  function hello() {
    return { name: sessionStorage.getItem("shoebox.name"), target: target() };
  }

  function leave(group) {
    location.replace("/?group=" + group + location.hash);
  }

  function start(person) {
    if (me) return;
    me = person;
    $("leave").addEventListener("click", () => leave(encodeURIComponent(me.group)));
    const text = $("text");
    text.value = sessionStorage.getItem("shoebox.draft") || "";
    text.addEventListener("input", () => {
      sessionStorage.setItem("shoebox.draft", text.value);
      fit();
    });
    text.addEventListener("keydown", (event) => {
      const typing = event.isComposing || matchMedia("(pointer: coarse)").matches;
      if (event.key === "Enter" && !event.shiftKey && !typing) {
        event.preventDefault();
        send();
      }
    });
    $("composer").addEventListener("submit", (event) => {
      event.preventDefault();
      send();
    });
    $("add").addEventListener("click", () => $("files").click());
    $("files").addEventListener("change", (event) => {
      stage(event.target.files);
      event.target.value = "";
    });
    document.addEventListener("paste", (event) => {
      if (event.clipboardData?.files.length) {
        event.preventDefault();
        stage(event.clipboardData.files);
      }
    });
    $("newest").addEventListener("click", () => {
      $("newest").hidden = true;
      if (document.querySelector(".load.after:not(.hidden)")) emitEvent("newest");
      sticking = true;
      toEnd();
    });
    dropping();
    looking();
    $("composer").hidden = false;
    fit();
    if (!matchMedia("(pointer: coarse)").matches) text.focus();
  }

  function fit() {
    const text = $("text");
    text.style.height = "auto";
    text.style.height = Math.min(text.scrollHeight, 160) + "px";
  }

  function dropping() {
    let depth = 0;
    const hasFiles = (event) => [...(event.dataTransfer?.types || [])].includes("Files");
    document.addEventListener("dragenter", (event) => {
      if (hasFiles(event)) $("drop").hidden = ++depth < 1;
    });
    document.addEventListener("dragleave", (event) => {
      if (hasFiles(event) && --depth < 1) $("drop").hidden = true;
    });
    document.addEventListener("dragover", (event) => hasFiles(event) && event.preventDefault());
    document.addEventListener("drop", (event) => {
      if (!hasFiles(event)) return;
      event.preventDefault();
      depth = 0;
      $("drop").hidden = true;
      stage(event.dataTransfer.files);
    });
  }

  // Photos on their way -----------------------------------------------------------------------

  function stage(files) {
    for (const file of files) {
      if (file.size > MAX_BYTES) {
        note([say("{file}: larger than 64 MB, the most that is taken.", { file: file.name })]);
        continue;
      }
      const item = { file, tile: make("div", "tile"), token: null, done: null, failed: false };
      const image = make("img");
      image.alt = file.name;
      image.src = URL.createObjectURL(file);
      image.onerror = () => image.replaceWith(make("span", "name", file.name));
      const cross = make("button", "cross", "×");
      cross.type = "button";
      cross.setAttribute("aria-label", say("Remove {file}", { file: file.name }));
      cross.onclick = () => drop(item);
      item.tile.append(image, make("div", "bar"), cross);
      item.done = new Promise((resolve) => (item.resolve = resolve));
      staged.push(item);
      $("staged").append(item.tile);
    }
    pump();
    if (!matchMedia("(pointer: coarse)").matches) $("text").focus();
  }

  function drop(item) {
    item.upload?.abort();
    if (item.token) postJson("/discard", { token: item.token }).catch(() => {});
    staged = staged.filter((other) => other !== item);
    forgetTile(item);
    item.resolve();
  }

  function forgetTile(item) {
    const image = item.tile.querySelector("img");
    if (image) URL.revokeObjectURL(image.src);
    item.tile.remove();
  }

  function pump() {
    for (const item of staged) {
      if (running >= AT_ONCE) return;
      if (!item.upload) upload(item);
    }
  }

  function upload(item) {
    running += 1;
    const request = (item.upload = new XMLHttpRequest());
    const bar = item.tile.querySelector(".bar");
    request.open("POST", `/upload?${new URLSearchParams({ name: item.file.name, group: me.group })}`);
    request.upload.onprogress = (event) =>
      bar.style.setProperty("--done", (event.loaded / Math.max(event.total, 1)) * 100 + "%");
    request.onloadend = () => {
      running -= 1;
      let reply = {};
      try {
        reply = JSON.parse(request.responseText);
      } catch {
        reply = { error: say("The upload was cut off. Remove the photo and add it again.") };
      }
      if (request.status === 200) {
        item.token = reply.token;
        item.tile.classList.add("ready");
      } else if (staged.includes(item)) {
        item.failed = true;
        item.tile.classList.add("failed");
        note([`${item.file.name}: ${reply.error}`]);
      }
      item.resolve();
      pump();
    };
    request.send(item.file);
  }

  // Sending -----------------------------------------------------------------------------------

  async function postJson(address, content) {
    const response = await fetch(address, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(content),
    });
    if (response.status === 401) location.reload();
    return response.json();
  }

  async function send() {
    const form = $("composer");
    const text = $("text");
    if (form.classList.contains("busy") || (!text.value.trim() && !staged.length)) return;
    form.classList.add("busy");
    try {
      await Promise.all(staged.map((item) => item.done));
      if (staged.some((item) => item.failed)) return;
      note([]);
      sticking = true;
      const uploads = staged.map((item) => item.token);
      const sent = { group: me.group, author: me.name, text: text.value, uploads, answers: answering };
      const reply = await postJson("/post", sent);
      if (reply.error) {
        note([reply.error]);
        return;
      }
      note(reply.hints || [], reply.button);
      staged.forEach(forgetTile);
      staged = [];
      replyTo(null);
      text.value = "";
      sessionStorage.removeItem("shoebox.draft");
      fit();
      if (document.querySelector(".load.after:not(.hidden)")) emitEvent("newest");
    } catch {
      note([say("The bot can't be reached. Your message is still here: try again in a moment.")]);
    } finally {
      form.classList.remove("busy");
      if (!matchMedia("(pointer: coarse)").matches) text.focus();
    }
  }

  /** What is sent next replies to this message; null: to none. */
  function replyTo(message, author) {
    answering = message;
    const place = $("answering");
    place.replaceChildren();
    place.hidden = message === null;
    if (message === null) return;
    const cross = make("button", "cross", "×");
    cross.type = "button";
    cross.setAttribute("aria-label", say("Don't reply"));
    cross.onclick = () => replyTo(null);
    place.append(make("span", "", say("↩ in reply to {person}", { person: author })), cross);
    $("text").focus();
  }

  /** Send a command that a button stands for. */
  async function command(text) {
    note([]);
    try {
      const reply = await postJson("/post", { group: me.group, author: me.name, text, uploads: [] });
      note(reply.error ? [reply.error] : reply.hints || []);
    } catch {
      note([say("The bot can't be reached. Try again in a moment.")]);
    }
  }

  /** Lines that only this person sees, until the next ones; maybe with a button that sends text. */
  function note(lines, button) {
    const notes = $("notes");
    notes.replaceChildren();
    if (!lines.length) return;
    const card = make("div", "note");
    for (const line of lines) card.append(make("div", "", line));
    if (button) {
      const press = make("button", "confirm", button.label);
      press.type = "button";
      press.onclick = () => command(button.text);
      card.append(press);
    }
    const close = make("button", "cross", "×");
    close.type = "button";
    close.setAttribute("aria-label", say("Close"));
    close.onclick = () => card.remove();
    card.append(close);
    notes.append(card);
  }

  // Looking -----------------------------------------------------------------------------------

  function toEnd() {
    const scroll = scroller();
    scroll.scrollTop = scroll.scrollHeight;
  }

  function remember() {
    const scroll = scroller();
    sticking = scroll.scrollHeight - scroll.scrollTop - scroll.clientHeight < 60;
    if (sticking) $("newest").hidden = true;
    anchor = null;
    for (const element of scroll.querySelectorAll(".message")) {
      const box = element.getBoundingClientRect();
      if (box.bottom > scroll.getBoundingClientRect().top) {
        anchor = { element, top: box.top };
        break;
      }
    }
  }

  function settle() {
    times();
    if (sticking) toEnd();
    else if (anchor?.element.isConnected)
      scroller().scrollTop += anchor.element.getBoundingClientRect().top - anchor.top;
  }

  function looking() {
    const scroll = scroller();
    scroll.addEventListener("scroll", remember, { passive: true });
    new MutationObserver((changes) => {
      settle();
      const added = changes.flatMap((change) => [...change.addedNodes]);
      const last = [...scroll.querySelectorAll(".message")].pop();
      if (!sticking && last && added.includes(last)) newer();
    }).observe(scroll, { childList: true, subtree: true });
    const sizes = new ResizeObserver(settle);
    sizes.observe(scroll);
    sizes.observe(scroll.firstElementChild);
    window.visualViewport?.addEventListener("resize", () => {
      const room = document.querySelector(".room");
      room.style.height = visualViewport.height + "px";
    });
    document.addEventListener("click", (event) => {
      const link = event.target.closest('a.jump[href^="#m"]');
      if (link) {
        event.preventDefault();
        history.pushState(null, "", link.getAttribute("href"));
        emitEvent("jump", target());
      } else if (event.target.matches("img.zoom")) zoom(event.target);
    });
    document.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && event.target.matches?.("img.zoom")) zoom(event.target);
    });
    window.addEventListener("hashchange", () => target() && emitEvent("jump", target()));
    $("zoom").addEventListener("click", () => $("zoom").close());
    times();
    toEnd();
  }

  function zoom(image) {
    const large = $("zoom").querySelector("img");
    large.src = image.src;
    large.alt = image.alt;
    $("zoom").showModal();
  }

  function newer() {
    $("newest").hidden = false;
  }

  /** Bring a message into view and light it up; the server has drawn it, or just will have. */
  function jump(message, tries = 40) {
    const found = document.querySelector(`[data-message="${message}"]`);
    if (!found) {
      if (tries > 0) setTimeout(() => jump(message, tries - 1), 50);
      return;
    }
    sticking = false;
    anchor = null;
    found.scrollIntoView({ block: "center" });
    found.classList.remove("lit");
    void found.offsetWidth;
    found.classList.add("lit");
    remember();
  }

  /** Another language is spoken now; whoever gathers photos sees it later. */
  function reload() {
    if (!staged.length) setTimeout(() => location.reload(), 1500);
  }

  function present(names) {
    const others = names.filter((name) => name !== hello().name);
    const people = [say("you"), ...others].join(say(", "));
    const many = say("{count} people are here", { count: names.length });
    const line = names.length > 6 ? many : say("{people} are here", { people });
    const place = document.querySelector(".present");
    if (place) place.textContent = others.length ? line : say("only you are here");
  }

  function times() {
    const now = new Date();
    for (const element of document.querySelectorAll("time:empty")) {
      const when = new Date(element.getAttribute("datetime"));
      const clock = { hour: "2-digit", minute: "2-digit" };
      const day = { day: "numeric", month: "short" };
      if (when.getFullYear() !== now.getFullYear()) day.year = "numeric";
      const today = when.toDateString() === now.toDateString();
      element.textContent = when.toLocaleString([], today ? clock : { ...day, ...clock });
      element.title = when.toLocaleString();
    }
  }

  document.addEventListener(
    "error",
    (event) => event.target.matches?.(".photo img") && event.target.closest(".photo").classList.add("gone"),
    true,
  );
  // The framework builds the page after this script has run.
  new MutationObserver((_, observer) => {
    const form = $("enter");
    if (form && document.querySelector(".choices")) {
      observer.disconnect();
      door(form);
    } else if (document.querySelector(".room")) observer.disconnect();
  }).observe(document, { childList: true, subtree: true });

  return { hello, leave, start, jump, note, newer, present, reload, replyTo };
})();
