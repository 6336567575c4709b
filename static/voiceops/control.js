// What pages of the control room do beside htmx: say when their numbers are old, dialogs, keys.
"use strict";

(() => {
  const LATE_MS = 9000; // of a part that refreshes itself every five seconds
  let lastSuccess = new Date();

  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  if (zone) document.cookie = `console_timezone=${zone};path=/;max-age=31536000;samesite=lax`;

  const alive = () => document.querySelector("[data-alive]");

  function showConnection() {
    const banner = document.getElementById("lost");
    if (!alive() || document.hidden || new Date() - lastSuccess < LATE_MS) {
      banner?.remove();
    } else if (!banner) {
      const added = document.createElement("div");
      added.id = "lost";
      added.className = "lost";
      added.setAttribute("role", "alert");
      added.append(`Not connected since ${lastSuccess.toLocaleTimeString()}: these numbers are old. `);
      const link = document.createElement("a");
      link.href = window.location.href;
      link.textContent = "Reload, or log in again";
      added.append(link);
      document.querySelector(".room").prepend(added);
    }
  }

  // A session that has ended is led to the login, whose page is no part of this one.
  function isAnswered(event) {
    const { xhr } = event.detail;
    const path = event.target.getAttribute("hx-get").split("?")[0];
    return xhr.status === 200 && xhr.responseURL.includes(path);
  }

  document.addEventListener("htmx:beforeSwap", (event) => {
    if (event.target !== alive()) return;
    if (isAnswered(event)) lastSuccess = new Date();
    // A part that refreshes itself must not close a dialog that is open in it.
    if (!isAnswered(event) || event.target.querySelector("dialog[open]")) {
      event.detail.shouldSwap = false;
    }
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) lastSuccess = new Date();
  });
  setInterval(showConnection, 1000);

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.submit();
  });

  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-wall]")) document.querySelector(".room").requestFullscreen();
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog).showModal();
    event.target.closest("[data-close]")?.closest("dialog").close();
    const copied = event.target.closest("[data-copy]");
    if (copied) navigator.clipboard?.writeText(document.getElementById(copied.dataset.copy).textContent.trim());
  });

  // R releases and C closes the first case that waits, unless somebody is typing.
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, select, textarea")) return;
    const key = event.key.toLowerCase();
    if (key === "r" || key === "c") document.querySelector(`[data-key="${key}"]`)?.click();
  });
})();
