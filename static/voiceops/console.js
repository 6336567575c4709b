// What the console's pages do beside htmx: keep the session, say when the server is gone, small comforts.
(function () {
  "use strict";
  const RENEW_MS = 10 * 60 * 1000; // an access token lives for fifteen minutes
  const BEAT_MS = 4000;
  const banner = document.getElementById("offline");
  let lostAt = null;

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `console_timezone=${zone};path=/;max-age=31536000;samesite=lax`;

  async function renew() {
    const answer = await fetch("/auth/refresh", {
      method: "POST", headers: { "Content-Type": "application/json" }, body: "{}",
    });
    return answer.ok;
  }

  function clock(date) {
    return date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });
  }

  function lost(isSignedOut) {
    lostAt = lostAt || new Date();
    if (!banner) return;
    const text = isSignedOut ? banner.dataset.signedOut : banner.dataset.lost;
    const words = text.replace("{time}", clock(lostAt));
    banner.querySelector("[data-words]").textContent = words;
    banner.querySelector("a").hidden = !isSignedOut;
    banner.hidden = false;
  }

  function found() {
    lostAt = null;
    if (banner) banner.hidden = true;
  }

  async function beat() {
    if (document.hidden) return; // nobody reads it
    try {
      let answer = await fetch("/console/alive", { headers: { "HX-Request": "true" } });
      if (answer.status === 401 && (await renew())) answer = await fetch("/console/alive", { headers: { "HX-Request": "true" } });
      if (answer.status === 401) lost(true);
      else if (answer.ok) found();
      else lost(false);
    } catch (error) {
      lost(false);
    }
  }

  if (banner) {
    setInterval(beat, BEAT_MS);
    document.addEventListener("visibilitychange", beat);
    setInterval(() => renew().catch(() => false), RENEW_MS);
    window.addEventListener("offline", () => lost(false));
  }

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog)?.showModal();
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog")?.close();
    const menu = event.target.closest("[data-menu]");
    if (menu) {
      const isOpen = menu.closest(".side").classList.toggle("open");
      menu.setAttribute("aria-expanded", String(isOpen));
    }
    const copied = event.target.closest("[data-copy]");
    if (copied) navigator.clipboard?.writeText(document.getElementById(copied.dataset.copy).textContent.trim());
  });

  // A list may be dropped anywhere on the part of a page that asks for one.
  function zoneOf(event) {
    return event.dataTransfer?.types.includes("Files") ? event.target.closest?.("[data-drop]") : null;
  }

  function over(event) {
    const zone = zoneOf(event);
    if (!zone) return;
    event.preventDefault();
    zone.classList.add("over");
  }

  document.addEventListener("dragenter", over);
  document.addEventListener("dragover", over);
  document.addEventListener("dragleave", (event) => {
    const zone = zoneOf(event);
    if (zone && !zone.contains(event.relatedTarget)) zone.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    const zone = zoneOf(event);
    if (!zone) return;
    event.preventDefault();
    zone.classList.remove("over");
    const input = zone.querySelector("input[type=file]");
    const one = new DataTransfer();
    one.items.add(event.dataTransfer.files[0]);
    input.files = one.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });

  // A part that refreshes itself must not close a dialog that is open in it, nor take the focus.
  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.target?.querySelector?.("dialog[open]")) event.detail.shouldSwap = false;
  });

  // An order from a dialog closes it, so that the answer can take its place.
  document.addEventListener("htmx:beforeRequest", (event) => event.target.closest("dialog[open]")?.close());
})();
