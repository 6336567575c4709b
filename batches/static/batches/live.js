// Updates the progress of batches while an admin page is open, and says when it cannot. Hidden
// pages send no requests.
"use strict";

const INTERVAL_MS = 2000;
const TIMEOUT_MS = 5000;
// What has not changed is not replaced, so that a button keeps the focus.
const rendered = new Map();
let failures = 0;
let lastSuccess = new Date();

async function update() {
  const elements = [...document.querySelectorAll("[data-live]")];
  const live = elements.filter((element) => element.dataset.ended === "no");
  if (!live.length || document.hidden) {
    return;
  }
  const ids = [...new Set(live.map((element) => element.dataset.batch))].join(",");
  const response = await fetch(`${live[0].dataset.live}?ids=${ids}`, {
    redirect: "error", // to the login: the session has ended
    signal: AbortSignal.timeout(TIMEOUT_MS),
  });
  if (!response.ok) {
    throw new Error(`status ${response.status}`);
  }
  const states = await response.json();
  lastSuccess = new Date();
  for (const element of live) {
    const { batch, size } = element.dataset;
    const html = states[batch]?.[size];
    if (html && rendered.get(batch + size) !== html) {
      rendered.set(batch + size, html);
      element.outerHTML = html;
    }
  }
}

// One failure is a server that restarts; with the second, the numbers are old and say so.
function showConnection() {
  const banner = document.getElementById("not-connected");
  if (failures < 2) {
    banner?.remove();
  } else if (!banner) {
    const time = lastSuccess.toLocaleTimeString();
    const added = document.createElement("div");
    added.id = "not-connected";
    added.setAttribute("role", "alert");
    added.style.cssText =
      "position: fixed; inset: 0 0 auto; z-index: 1000; padding: .75rem; text-align: center; background: #b91c1c; color: #fff";
    added.append(`Not connected since ${time}: these numbers are old. `);
    const link = document.createElement("a");
    link.href = window.location.href;
    link.textContent = "Reload, or log in again";
    link.style.textDecoration = "underline";
    added.append(link);
    document.body.append(added);
  }
}

async function updateRepeatedly() {
  try {
    await update();
    failures = 0;
  } catch {
    failures += 1;
  }
  showConnection();
  setTimeout(updateRepeatedly, INTERVAL_MS);
}

setTimeout(updateRepeatedly, INTERVAL_MS);
